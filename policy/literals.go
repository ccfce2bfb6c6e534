package policy

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A holding are texts of which one at least is in whatever a pattern matches. Those
// of regular expressions are in lower case, and to be looked for in text whose ASCII
// letters are.
type holding []string

// holdings returns what whatever the expression matches holds, as far as it is
// spelled out.
func holdings(re *regexp.Regexp) []holding {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil // it was compiled, so this cannot be
	}
	return required(tree)
}

func required(re *syntax.Regexp) []holding {
	switch re.Op {
	case syntax.OpLiteral:
		return spelledOut(re.Rune, re.Flags&syntax.FoldCase != 0)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var all []holding
		for _, sub := range re.Sub {
			all = append(all, required(sub)...)
		}
		return all
	case syntax.OpAlternate:
		return either(re.Sub)
	default: // a class, a repetition of none, an anchor: nothing that must be there
	}
	return nil
}

// either joins what is best known of each alternative.
func either(alternatives []*syntax.Regexp) []holding {
	var all holding
	for _, re := range alternatives {
		var best holding
		for _, h := range required(re) {
			if h.shortest() > best.shortest() {
				best = h
			}
		}
		if best == nil || len(all)+len(best) > maxAlternatives {
			return nil
		}
		all = append(all, best...)
	}
	return []holding{all}
}

// spelledOut returns those parts of a literal that only one text matches, but for
// the case of ASCII letters. Without case, "k" is the Kelvin sign as well. U+FFFD is
// any byte that is not UTF-8.
func spelledOut(runes []rune, fold bool) (parts []holding) {
	var run strings.Builder
	end := func() {
		if run.Len() > 0 {
			parts = append(parts, holding{run.String()})
			run.Reset()
		}
	}
	for _, r := range runes {
		if r == utf8.RuneError || fold && !foldsWithinASCII(r) {
			end()
			continue
		}
		run.WriteRune(lowerRune(r))
	}
	end()
	return parts
}

func foldsWithinASCII(r rune) bool {
	for other := unicode.SimpleFold(r); ; other = unicode.SimpleFold(other) {
		if other >= utf8.RuneSelf {
			return false
		}
		if other == r {
			return true
		}
	}
}

// shortest is the length of the shortest text, 0 when there is none.
func (h holding) shortest() int {
	if len(h) == 0 {
		return 0
	}
	n := len(h[0])
	for _, text := range h {
		n = min(n, len(text))
	}
	return n
}

// holdings are the fixed texts of the pattern.
func (s *segment) holdings() (all []holding) {
	for _, t := range s.tokens {
		if t.literal != "" {
			all = append(all, holding{t.literal})
		}
	}
	return all
}

func (r *route) holdings() (all []holding) {
	for i := range r.segments {
		all = append(all, r.segments[i].holdings()...)
	}
	return all
}

// holdings returns them for each of the rule's patterns.
func (r *rule) holdings(of aspect) (patterns [][]holding, given bool) {
	switch of {
	case userInside:
		return globHoldings(&r.who.users), r.who.users.given
	case hostInside:
		return globHoldings(&r.who.hosts), r.who.hosts.given
	case argument:
		for _, re := range r.arguments.elements {
			patterns = append(patterns, holdings(re))
		}
		return patterns, r.arguments.given
	default: // of the paths
	}
	for _, g := range r.paths.elements {
		for i := range g.alternatives {
			patterns = append(patterns, g.alternatives[i].holdings())
		}
	}
	return patterns, r.paths.given
}

func globHoldings(globs *list[*glob]) (patterns [][]holding) {
	for _, g := range globs.elements {
		for i := range g.alternatives {
			patterns = append(patterns, g.alternatives[i].holdings())
		}
	}
	return patterns
}

// A census counts the patterns that hold a text: what is in all of them tells none
// apart.
type census map[string]int

func newCensus(rules []rule, of aspect) census {
	c := census{}
	for i := range rules {
		patterns, _ := rules[i].holdings(of)
		for _, all := range patterns {
			for _, h := range all {
				for _, text := range h {
					c[text]++
				}
			}
		}
	}
	return c
}

// rarest returns for each of a rule's patterns the texts that tell it apart best;
// "" where there are none.
func (c census) rarest(r *rule, of aspect) (texts []string, given bool) {
	patterns, given := r.holdings(of)
	for _, all := range patterns {
		best, least := holding{""}, 0
		for _, h := range all {
			n := 0
			for _, text := range h {
				n += c[text]
			}
			if least == 0 || n < least || n == least && h.shortest() > best.shortest() {
				best, least = h, n
			}
		}
		texts = append(texts, best...)
	}
	return texts, given
}

// tellsMore tells whether some pattern spells out what an index of starts and ends
// does not know.
func (r *rule) tellsMore(of aspect) bool {
	switch of {
	case userInside:
		return hasMiddle(&r.who.users)
	case hostInside:
		return hasMiddle(&r.who.hosts)
	case argument:
		return true
	default: // of the paths
	}
	for _, g := range r.paths.elements {
		for i := range g.alternatives {
			if g.alternatives[i].hasMiddle() {
				return true
			}
		}
	}
	return false
}

func hasMiddle(globs *list[*glob]) bool {
	for _, g := range globs.elements {
		for i := range g.alternatives {
			tokens := g.alternatives[i].tokens
			for j := 1; j < len(tokens)-1; j++ {
				if tokens[j].literal != "" {
					return true
				}
			}
		}
	}
	return false
}

func (r *route) hasMiddle() bool {
	for _, h := range r.holdings() {
		if !strings.Contains(r.prefix, h[0]) && !strings.Contains(r.suffix, h[0]) {
			return true
		}
	}
	return false
}
