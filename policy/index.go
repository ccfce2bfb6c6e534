package policy

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// A ruleSet is a set of rules, by their numbers in the order of the file.
type ruleSet []uint64

func newRuleSet(rules int) ruleSet { return make(ruleSet, (rules+63)/64) }

func (s ruleSet) add(rule int) { s[rule/64] |= 1 << (rule % 64) }

// fill adds every rule.
func (s ruleSet) fill() {
	for i := range s {
		s[i] = ^uint64(0)
	}
}

func (s ruleSet) include(other ruleSet) {
	for i := range s {
		s[i] |= other[i]
	}
}

func (s ruleSet) intersect(other ruleSet) {
	for i := range s {
		s[i] &= other[i]
	}
}

// atMost tells whether the set holds no more than n rules.
func (s ruleSet) atMost(n int) bool {
	for _, word := range s {
		if n -= bits.OnesCount64(word); n < 0 {
			return false
		}
	}
	return true
}

// A chunk is a word of a ruleSet: of most sets most words are empty.
type chunk struct {
	word int
	bits uint64
}

// An index finds the rules that may match a text, by what their patterns start
// with. It never misses one; whether a rule does match is then asked of the rule.
// It grows with the number of patterns.
type index struct {
	of      aspect
	keys    []key   // sorted
	longest int     // of their texts
	open    ruleSet // rules of which it knows nothing
	pairs   *pairs  // that keys start with, where they may stand anywhere in a text
	// spells are, for pathTrait and pathInside, by a number of components, the rules
	// that match what holds a place spelled out in more of them; see pathGlob.holds.
	spells [depths]ruleSet
}

// depths is how many numbers of components are told apart.
const depths = 8

// A key is the fixed start of one or more patterns.
type key struct {
	text   string
	parent int // the longest other key that this one starts with, or -1
	rules  []chunk
}

// fill makes the index from what the patterns of each rule start with. A rule
// without patterns, or with one that may start with anything, stays open.
func (x *index) fill(rules []rule, starts func(r *rule) (texts []string, given bool)) {
	x.open = newRuleSet(len(rules))
	found := map[string][]chunk{}
	for i := range rules {
		texts, given := starts(&rules[i])
		if !given || slices.Contains(texts, "") {
			x.open.add(i)
			continue
		}
		for _, text := range texts {
			found[text] = addTo(found[text], i)
		}
	}
	for text, set := range found {
		x.keys = append(x.keys, key{text: text, rules: set})
	}
	slices.SortFunc(x.keys, func(a, b key) int { return cmp.Compare(a.text, b.text) })
	for i := range x.keys {
		x.longest = max(x.longest, len(x.keys[i].text))
		// The key in front, or what that starts with, is what this starts with.
		parent := i - 1
		for parent >= 0 && !strings.HasPrefix(x.keys[i].text, x.keys[parent].text) {
			parent = x.keys[parent].parent
		}
		x.keys[i].parent = parent
	}
}

// addTo adds a rule that is not in front of any other in the set.
func addTo(set []chunk, rule int) []chunk {
	word, bit := rule/64, uint64(1)<<(rule%64)
	if n := len(set); n > 0 && set[n-1].word == word {
		set[n-1].bits |= bit
		return set
	}
	return append(set, chunk{word, bit})
}

// find adds to the set the rules of every key that the text starts with. They
// are the last key that is not behind the text and those that it starts with, as
// far as they are within what it has in common with the text.
func (x *index) find(set ruleSet, text []byte) {
	last := x.behind(text) - 1
	if last < 0 {
		return
	}
	common := commonLength(x.keys[last].text, text)
	for i := last; i >= 0; i = x.keys[i].parent {
		if len(x.keys[i].text) <= common {
			x.keys[i].addTo(set)
		}
	}
}

// findRelated adds those of the keys that start with the text, too.
func (x *index) findRelated(set ruleSet, text []byte) {
	x.find(set, text)
	for i := x.behind(text); i < len(x.keys) && strings.HasPrefix(x.keys[i].text, string(text)); i++ {
		x.keys[i].addTo(set)
	}
}

// findWithin adds the rules of every key that stands anywhere in the text. Where a
// key may start, its first two bytes tell at most places.
func (x *index) findWithin(set ruleSet, text []byte) {
	for i := range text {
		var second byte // behind the end there is none: a key of one byte has every second
		if i+1 < len(text) {
			second = text[i+1]
		}
		if x.pairs.has(text[i], second) {
			x.find(set, text[i:min(len(text), i+x.longest)])
		}
	}
}

// pairs are a set of two bytes in a row.
type pairs [1 << 16 / 64]uint64

func (p *pairs) add(first, second byte) {
	n := uint16(first)<<8 | uint16(second)
	p[n/64] |= 1 << (n % 64)
}

func (p *pairs) has(first, second byte) bool {
	n := uint16(first)<<8 | uint16(second)
	return p[n/64]&(1<<(n%64)) != 0
}

// fillPairs notes what the keys start with.
func (x *index) fillPairs() {
	x.pairs = &pairs{}
	for _, k := range x.keys {
		if len(k.text) > 1 {
			x.pairs.add(k.text[0], k.text[1])
			continue
		}
		for second := range 1 << 8 {
			x.pairs.add(k.text[0], byte(second))
		}
	}
}

func (k *key) addTo(set ruleSet) {
	for _, c := range k.rules {
		set[c.word] |= c.bits
	}
}

// behind returns the number of the first key that is greater than the text.
func (x *index) behind(text []byte) int {
	low, high := 0, len(x.keys)
	for low < high {
		if middle := int(uint(low+high) / 2); x.keys[middle].text <= string(text) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

func commonLength(a string, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
