package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxComparisons bounds the search for rules that never match: it is there for
// people, and a policy for which it takes longer was not written by one.
const maxComparisons = 1 << 22

// neverMatching warns of rules that can never decide anything.
func (d *decoder) neverMatching(drafts []*draft) {
	if d.diags.HasErrors() {
		return // what was refused may be what would have matched
	}
	c := coverage{budget: maxComparisons}
	for j := range d.policy.rules {
		r := &d.policy.rules[j]
		why, when := d.impossible(r), "can never match"
		if why == "" {
			c.elsewhere = false
			why = d.shadowed(&c, j)
		}
		if c.elsewhere {
			when = "can match only where it is not known which place is meant"
		}
		if why != "" {
			d.warnf(drafts[j].at, "Rule without effect", "The rule %q %s: %s", r.name, when, why)
		}
	}
}

// impossible says why a rule matches nothing, taken by itself. Empty lists have
// been reported where they stand.
func (d *decoder) impossible(r *rule) string {
	if r.never {
		return "its condition is always false."
	}
	if !r.paths.given {
		return ""
	}
	v := d.policy.vocabulary
	for id, kind := range v.kinds {
		argumentUnknown := kind == replyUnknownVerb || pathsIn(v.names[id]) == unknownPaths && strings.HasPrefix(v.names[id], otherSITE)
		if r.verbs.has(verbID(id)) && (kind == replyPath || argumentUnknown || v.names[id] == "PRET") {
			return ""
		}
	}
	return "it has paths, but none of its commands names a path."
}

// shadowed says which earlier rules take every command that the rule could
// decide.
func (d *decoder) shadowed(c *coverage, j int) string {
	later := &d.policy.rules[j]
	left := later.verbs
	if left.empty() {
		return ""
	}
	for i := range d.policy.rules[:j] {
		earlier := &d.policy.rules[i]
		rest := left
		rest.subtract(&earlier.verbs)
		if rest == left || !c.covers(earlier, later) {
			continue
		}
		if left = rest; left.empty() {
			return fmt.Sprintf("the rule %q at line %d, with those in front of it, decides first. Change their order, or remove one.", earlier.name, earlier.at.Line)
		}
	}
	return ""
}

// coverage compares matchers until its budget is used up; then nothing covers
// anything any more.
type coverage struct {
	budget int
	// elsewhere: a rule covers another but for places that are not known.
	elsewhere bool
}

// covers tells whether the earlier rule matches whatever the later one does,
// apart from the commands. It may miss that, and never claims it wrongly.
func (c *coverage) covers(earlier, later *rule) bool {
	if earlier.when != nil || earlier.never {
		return false
	}
	covers := (anybody(earlier.who.users) || coversList(c, &earlier.who.users, &later.who.users, coversGlob)) &&
		(anybody(earlier.who.hosts) || coversList(c, &earlier.who.hosts, &later.who.hosts, coversGlob)) &&
		coversList(c, &earlier.who.from, &later.who.from, coversNetwork) &&
		coversList(c, &earlier.paths, &later.paths, coversPath) &&
		coversList(c, &earlier.arguments, &later.arguments, equalText)
	// Where the place is unknown, an allowing rule steps back and another does
	// not.
	if covers && earlier.paths.given && earlier.action == Allow && later.action != Allow {
		c.elsewhere = true
	}
	return covers
}

// anybody tells that a list of names matches every name.
func anybody(names list[*glob]) bool {
	return slices.ContainsFunc(names.elements, func(g *glob) bool { return g.source == everything })
}

func coversList[T any](c *coverage, earlier, later *list[T], covers func(a, b T) bool) bool {
	if !earlier.given {
		return true
	}
	if !later.given {
		return false
	}
	for _, b := range later.elements {
		if c.budget -= len(earlier.elements); c.budget < 0 {
			return false
		}
		if !slices.ContainsFunc(earlier.elements, func(a T) bool { return covers(a, b) }) {
			return false
		}
	}
	return true
}

func coversGlob(a, b *glob) bool { return a.source == everything || a.source == b.source }

func coversNetwork(a, b netip.Prefix) bool {
	return a.Bits() <= b.Bits() && a.Contains(b.Addr())
}

func coversPath(a, b *pathGlob) bool {
	if a.source == b.source || a.source == "**" {
		return true
	}
	directory, deep := strings.CutSuffix(a.source, "/**")
	return deep && !strings.ContainsAny(directory, `*?[{\`) && strings.HasPrefix(b.source, directory+"/")
}

func equalText[T interface{ String() string }](a, b T) bool { return a.String() == b.String() }
