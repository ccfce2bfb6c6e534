package policy

import (
	"net/netip"
	"regexp"
)

// A rule is a compiled rule block. Each matcher that is absent matches
// everything.
type rule struct {
	name      string
	at        Place
	action    Action
	reply     Reply // Code 0: the default
	verbs     verbSet
	who       who
	paths     list[*pathGlob]
	arguments list[*regexp.Regexp]
	when      *expression // nil: absent, or always true
	never     bool        // when is always false
}

// A list is a matcher of which one element has to match. An absent list matches
// everything, an empty one nothing.
type list[T any] struct {
	given    bool
	elements []T
}

// who are the matchers that look at the session and not at the command.
type who struct {
	users list[*glob]
	hosts list[*glob]
	from  list[netip.Prefix]
}

// A Matcher names a part of a rule.
type Matcher uint8

// The matchers, in the order in which they are asked.
const (
	NoMatcher Matcher = iota // none: all of them matched
	MatchCommands
	MatchFrom
	MatchUsers
	MatchHosts
	MatchPaths
	MatchArguments
	MatchWhen
)

func (m Matcher) String() string {
	switch m {
	case MatchCommands:
		return "commands"
	case MatchFrom:
		return "from"
	case MatchUsers:
		return "users"
	case MatchHosts:
		return "hosts"
	case MatchPaths:
		return "paths"
	case MatchArguments:
		return "arguments"
	case MatchWhen:
		return "when"
	case NoMatcher:
	}
	return ""
}

// check returns the first matcher that does not match. The verbs have been
// looked at already. An error is the expression's.
func (r *rule) check(p *Policy, w *work) (Matcher, error) {
	if m := r.who.check(&w.request, r.action != Allow); m != NoMatcher {
		return m, nil
	}
	if r.paths.given && !r.matchPaths(w) {
		return MatchPaths, nil
	}
	if r.arguments.given && !r.matchArguments(p, w) {
		return MatchArguments, nil
	}
	switch {
	case r.never:
		return MatchWhen, nil
	case r.when == nil:
		return NoMatcher, nil
	}
	holds, err := r.evaluate(p, w)
	if err != nil || !holds {
		return MatchWhen, err
	}
	return NoMatcher, nil
}

// check returns the first matcher that does not match. A client without an
// address matches only where that makes a rule stricter.
func (m *who) check(q *Request, strict bool) Matcher {
	if m.from.given && !matchAddress(m.from.elements, q.Client, strict) {
		return MatchFrom
	}
	if m.users.given && !matchAny(m.users.elements, q.User) {
		return MatchUsers
	}
	if m.hosts.given && !matchAny(m.hosts.elements, hostOf(q)) {
		return MatchHosts
	}
	return NoMatcher
}

// stranger is what can be asked of a client that has not logged in: the other
// facts may yet change.
func (m *who) stranger() who { return who{from: m.from} }

func matchAddress(networks []netip.Prefix, client netip.Addr, strict bool) bool {
	if !client.IsValid() {
		return strict
	}
	for _, network := range networks {
		if network.Contains(client) {
			return true
		}
	}
	return false
}

// plainAddress returns the address as networks contain it: an IPv4 address not in
// IPv6 clothes, and without a zone.
func plainAddress(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func matchAny(globs []*glob, text string) bool {
	for _, g := range globs {
		if g.match(text) {
			return true
		}
	}
	return false
}

// hostOf returns the name that the client gave in HOST or in its TLS hello. Where
// it gave both they are equal (RFC 7151 §3.2).
func hostOf(q *Request) string {
	host := q.Session.Host
	if host == "" {
		host = q.TLS.SNI
	}
	if n := len(host); n > 1 && host[n-1] == '.' {
		host = host[:n-1]
	}
	return host
}

// matchPaths asks for every target of an allowing rule, and for any target of
// another. Which place is meant but cannot be known no allowing rule matches,
// and every other does. A command that touches no place has no path to match.
func (r *rule) matchPaths(w *work) bool {
	if r.action != Allow {
		for i := range w.targets[:w.count] {
			if r.touches(w, &w.targets[i]) {
				return true
			}
		}
		return false
	}
	needed := false
	for i := range w.targets[:w.count] {
		t := &w.targets[i]
		if t.how&targetOdd != 0 {
			continue
		}
		if !r.grants(w, t) {
			return false
		}
		needed = true
	}
	return needed
}

// touches tells whether a pattern matches the target or a part of it.
func (r *rule) touches(w *work, t *target) bool {
	if t.how&targetUnknown != 0 {
		return len(r.paths.elements) > 0
	}
	for _, g := range r.paths.elements {
		if t.how&targetChild != 0 && touchesChild(g, w, t) || t.how&targetChild == 0 && touchesPath(g, w.pathOf(t), t.how) {
			return true
		}
	}
	return false
}

func touchesPath(g *pathGlob, path []byte, how targetFlags) bool {
	return g.match(path) ||
		how&targetBelow != 0 && g.reaches(path) ||
		how&targetCarries != 0 && g.holds(path)
}

func touchesChild(g *pathGlob, w *work, t *target) bool {
	return g.matchChild(w.childOf(t)) ||
		t.how&targetCarries != 0 && g.holdsChild(w.pathOf(t), w.tailOf(t))
}

// grants tells whether a pattern matches all of the target.
func (r *rule) grants(w *work, t *target) bool {
	if t.how&targetUnknown != 0 {
		return false
	}
	path := w.pathOf(t)
	for _, g := range r.paths.elements {
		if t.how&targetBelow != 0 && g.covers(path) || t.how&targetBelow == 0 && g.match(path) {
			return true
		}
	}
	return false
}

// matchArguments looks at the argument as it was given. That of PASS and ACCT
// no rule ever sees.
func (r *rule) matchArguments(p *Policy, w *work) bool {
	if p.vocabulary.lookup(w.request.Command.Verb).secret {
		return false
	}
	for _, pattern := range r.arguments.elements {
		if pattern.MatchString(w.argument) {
			return true
		}
	}
	return false
}

// evaluate asks the expression for every target: an allowing rule needs it to
// hold for all of them, any other rule for one.
func (r *rule) evaluate(p *Policy, w *work) (bool, error) {
	if !r.when.usesPath || w.count == 0 {
		return r.when.holds(p, w, nil)
	}
	allow, asked := r.action == Allow, false
	for i := range w.targets[:w.count] {
		t := &w.targets[i]
		if t.how&targetSource != 0 || allow && t.how&targetOdd != 0 {
			continue
		}
		asked = true
		holds, err := r.when.holds(p, w, t)
		if err != nil || holds != allow {
			return holds, err
		}
	}
	if !asked {
		return r.when.holds(p, w, nil)
	}
	return allow, nil
}
