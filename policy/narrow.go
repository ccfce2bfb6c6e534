package policy

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
)

// An aspect is what an index looks at. Of patterns that start with a wildcard,
// such as "**/*.exe", the end is looked at.
type aspect uint8

const (
	userStart aspect = iota
	userEnd
	hostStart
	hostEnd
	network // the bits of the address, each as a byte
	pathStart
	pathTrait // of each pattern one of the traits below

	// What is spelled out anywhere in a pattern. It takes longer to look for, and is
	// asked last.
	userInside
	hostInside
	pathInside
	argument
	aspects
)

// anywhere tells that the keys may stand anywhere in the text.
func (a aspect) anywhere() bool { return a >= userInside }

// Traits of path patterns, each in front of what it is about.
const (
	traitEnd    = 'e' // "**/*.exe", in reverse
	traitInside = 'i' // a directory, as in "**/.git/**"
	traitStart  = 's'
)

// index makes the indexes. Those that tell most rules apart come first.
func (p *Policy) index() {
	p.naming = make([]ruleSet, len(p.vocabulary.names))
	for id := range p.naming {
		p.naming[id] = newRuleSet(len(p.rules))
		for i := range p.rules {
			if p.rules[i].verbs.has(verbID(id)) {
				p.naming[id].add(i)
			}
		}
	}
	for of := range aspects {
		if x := p.indexOf(of); len(x.keys) > 0 {
			p.indexes = append(p.indexes, x)
		}
	}
	slices.SortStableFunc(p.indexes, func(a, b index) int {
		if a.of.anywhere() != b.of.anywhere() {
			return cmp.Compare(a.of, b.of)
		}
		return len(b.keys) - len(a.keys)
	})
}

// indexOf makes one of them. It has no keys where it would tell no rules apart.
func (p *Policy) indexOf(of aspect) index {
	x := index{of: of}
	switch {
	case !of.anywhere():
		x.fill(p.rules, func(r *rule) ([]string, bool) { return r.starts(of) })
	case slices.ContainsFunc(p.rules, func(r rule) bool { return r.tellsMore(of) }):
		c := newCensus(p.rules, of)
		x.fill(p.rules, func(r *rule) ([]string, bool) { return c.rarest(r, of) })
		x.fillPairs()
	}
	if len(x.keys) > 0 && (of == pathTrait || of == pathInside) {
		x.fillSpells(p.rules)
	}
	return x
}

// starts returns what the rule's patterns start with, in reverse what they end
// with, and whether there are any.
func (r *rule) starts(of aspect) (texts []string, given bool) {
	switch of {
	case userStart, userEnd:
		return globStarts(&r.who.users, of == userEnd), r.who.users.given
	case hostStart, hostEnd:
		return globStarts(&r.who.hosts, of == hostEnd), r.who.hosts.given
	case network:
		for _, n := range r.who.from.elements {
			bits := appendAddress(nil, n.Addr())
			texts = append(texts, string(bits[:1+n.Bits()]))
		}
		return texts, r.who.from.given
	default: // of the paths
	}
	for _, g := range r.paths.elements {
		for i := range g.alternatives {
			if of == pathStart {
				texts = append(texts, g.alternatives[i].prefix)
			} else {
				texts = append(texts, g.alternatives[i].trait())
			}
		}
	}
	return texts, r.paths.given
}

func globStarts(globs *list[*glob], end bool) (texts []string) {
	for _, g := range globs.elements {
		for i := range g.alternatives {
			if s := &g.alternatives[i]; end {
				texts = append(texts, string(appendReverse(nil, s.tail())))
			} else {
				texts = append(texts, s.head())
			}
		}
	}
	return texts
}

// few rules are asked faster than any index.
const few = 2

// narrow leaves the rules that may match the request.
func (p *Policy) narrow(w *work) {
	copy(w.left, p.naming[w.verbs[0]])
	for _, verb := range w.verbs[1:w.forms] {
		w.left.include(p.naming[verb])
	}
	for i := range p.indexes {
		if w.left.atMost(few) {
			return
		}
		if x := &p.indexes[i]; x.ask(w) {
			w.left.intersect(w.some)
		}
	}
}

// ask collects the rules that may match. It is false when any may.
func (x *index) ask(w *work) bool {
	copy(w.some, x.open)
	switch x.of {
	case userStart, userInside:
		w.probe = append(w.probe[:0], w.request.User...)
	case userEnd:
		w.probe = appendReverse(w.probe[:0], lastOf(w.request.User, x.longest))
	case hostStart, hostInside:
		w.probe = appendLower(w.probe[:0], hostOf(&w.request))
	case hostEnd:
		w.probe = appendLower(w.probe[:0], lastOf(hostOf(&w.request), x.longest))
		slices.Reverse(w.probe)
	case network:
		if !w.request.Client.IsValid() {
			return false
		}
		w.probe = appendAddress(w.probe[:0], w.request.Client)
	case argument:
		w.probe = appendLower(w.probe[:0], w.argument) // that of a secret verb is "", and no rule's
	default:
		return x.askPaths(w)
	}
	if x.of.anywhere() {
		x.findWithin(w.some, w.probe)
	} else {
		x.find(w.some, w.probe)
	}
	return true
}

// askPaths collects the rules that may match any place, which is what those that
// deny need; those that allow need more.
func (x *index) askPaths(w *work) bool {
	for i := range w.targets[:w.count] {
		t := &w.targets[i]
		wide := t.how&(targetBelow|targetChild|targetCarries) != 0
		switch {
		case t.how&targetUnknown != 0:
			return false
		case x.of == pathStart && !wide:
			x.find(w.some, w.pathOf(t))
		case x.of == pathStart:
			// What is touched may be deeper than the path, and so may be what the
			// pattern spells out.
			x.findRelated(w.some, w.pathOf(t))
		case t.how&(targetBelow|targetChild) != 0:
			return false // the end of what is touched is not known
		default:
			path := w.pathOf(t)
			if wide {
				depth := bytes.Count(inside(path), []byte{'/'})
				w.some.include(x.spells[min(depth, depths-1)])
			}
			if x.of == pathInside {
				x.findWithin(w.some, path)
			} else {
				x.findTraits(w, path)
			}
		}
	}
	return true
}

// findTraits collects the rules of which a pattern has a trait that fits the path.
func (x *index) findTraits(w *work, path []byte) {
	w.probe = appendReverse(append(w.probe[:0], traitEnd), lastOf(path, x.longest))
	x.find(w.some, w.probe)
	w.probe = append(append(w.probe[:0], traitStart), path...)
	x.find(w.some, w.probe)
	w.probe = append(w.probe, '/')
	for at := 0; at < len(path); at = component(path, at) {
		// The byte in front has been looked at, or is of the component before.
		w.probe[at] = traitInside
		x.find(w.some, w.probe[at:])
	}
}

// trait returns what sorts the pattern out: its end, or else a directory, or else
// its start, behind the letter for it; "" when it has none.
func (r *route) trait() string {
	switch {
	case r.suffix != "":
		return string(appendReverse([]byte{traitEnd}, r.suffix))
	case r.passes() != "":
		return string(traitInside) + r.passes()
	case r.prefix != "":
		return string(traitStart) + r.prefix
	}
	return ""
}

// fillSpells fills in spells. What an allowing rule has to match is the path
// itself.
func (x *index) fillSpells(rules []rule) {
	for depth := range x.spells {
		x.spells[depth] = newRuleSet(len(rules))
		for i := range rules {
			spells := func(g *pathGlob) bool {
				return slices.ContainsFunc(g.alternatives, func(r route) bool { return r.head > depth })
			}
			if rules[i].action != Allow && slices.ContainsFunc(rules[i].paths.elements, spells) {
				x.spells[depth].add(i)
			}
		}
	}
}

// appendAddress appends the address, one byte for each bit, behind its length.
func appendAddress(buffer []byte, a netip.Addr) []byte {
	buffer = append(buffer, byte(a.BitLen()))
	all := a.As16()
	for _, b := range all[len(all)-a.BitLen()/8:] {
		buffer = append(buffer, b>>7, b>>6&1, b>>5&1, b>>4&1, b>>3&1, b>>2&1, b>>1&1, b&1)
	}
	return buffer
}

// lastOf returns the last n bytes.
func lastOf[T bytestring](text T, n int) T { return text[max(0, len(text)-n):] }

// appendReverse appends the text from its end to its start.
func appendReverse[T bytestring](buffer []byte, text T) []byte {
	for i := len(text) - 1; i >= 0; i-- {
		buffer = append(buffer, text[i])
	}
	return buffer
}

func appendLower(buffer []byte, text string) []byte {
	for i := range len(text) {
		buffer = append(buffer, lowerByte(text[i]))
	}
	return buffer
}
