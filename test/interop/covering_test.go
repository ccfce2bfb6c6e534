package interop

import (
	"slices"
	"testing"
)

// tuples are the sets of dimensions of which every possible set of values must
// occur together: every two, and those three by three in which programs meet.
func tuples() [][]int {
	all := [][]int{{serverName, upstreamTLS, clientName}, {clientName, way, mode}}
	for a := range dimensions {
		for b := range a {
			all = append(all, []int{b, a})
		}
	}
	return all
}

// A tuple is a set of values: the number of its dimensions in tuples, and the
// values packed.
type tuple struct{ dimensions, values int }

// tuplesOf lists what the combination covers.
func (c combination) tuplesOf(sets [][]int) []tuple {
	all := make([]tuple, len(sets))
	for i, set := range sets {
		packed := 0
		for _, d := range set {
			packed = packed*10 + c[d]
		}
		all[i] = tuple{i, packed}
	}
	return all
}

// eachCombination calls do with every combination, in the order of their numbers.
func eachCombination(do func(combination)) {
	sizes := values()
	var c combination
	for {
		do(c)
		d := dimensions - 1
		for ; d >= 0; d-- {
			if c[d]++; c[d] < len(sizes[d]) {
				break
			}
			c[d] = 0
		}
		if d < 0 {
			return
		}
	}
}

// possible lists the combinations that are not left out.
func (r roster) possible() []combination {
	var all []combination
	eachCombination(func(c combination) {
		if r.leftOut(c) == "" {
			all = append(all, c)
		}
	})
	return all
}

// covering chooses combinations in which every tuple that is possible occurs. It
// is the same each time: first come, first served, each choice taking what covers
// most of what is still missing.
func (r roster) covering() []combination {
	sets := tuples()
	all := r.possible()
	missing := map[tuple]bool{}
	with := map[tuple][]combination{}
	var order []tuple
	for _, c := range all {
		for _, p := range c.tuplesOf(sets) {
			if !missing[p] {
				missing[p] = true
				order = append(order, p)
			}
			with[p] = append(with[p], c)
		}
	}
	// Sets of three first: they have the most to say.
	slices.SortStableFunc(order, func(a, b tuple) int { return len(sets[b.dimensions]) - len(sets[a.dimensions]) })
	var chosen []combination
	for _, p := range order {
		if !missing[p] {
			continue
		}
		best := richest(with[p], sets, missing)
		chosen = append(chosen, best)
		for _, covered := range best.tuplesOf(sets) {
			delete(missing, covered)
		}
	}
	return chosen
}

// richest is the first combination with the most missing tuples.
func richest(candidates []combination, sets [][]int, missing map[tuple]bool) combination {
	best, most := combination{}, -1
	for _, c := range candidates {
		n := 0
		for _, p := range c.tuplesOf(sets) {
			if missing[p] {
				n++
			}
		}
		if n > most {
			best, most = c, n
		}
	}
	return best
}

// product is every combination of the first dimensions; the last ones, which
// only the proxy and the server see, take turns.
func (r roster) product() []combination {
	sizes := values()
	turn := [dimensions]int{}
	var all []combination
	for _, c := range r.possible() {
		if c[upstreamFamily] != 0 || c[dataMode] != 0 {
			continue
		}
		for _, d := range []int{upstreamFamily, dataMode} {
			c[d] = turn[d]
			turn[d] = (turn[d] + 1) % len(sizes[d])
		}
		all = append(all, c)
	}
	return all
}

// TestCovering holds the design of the matrix to what it promises.
func TestCovering(t *testing.T) {
	r := newRoster(t)
	sets := tuples()
	missing := map[tuple]bool{}
	all := r.possible()
	for _, c := range all {
		for _, p := range c.tuplesOf(sets) {
			missing[p] = true
		}
	}
	wanted := len(missing)
	chosen := r.covering()
	for _, c := range chosen {
		if reason := r.leftOut(c); reason != "" {
			t.Errorf("%s is tried although %s", c, reason)
		}
		for _, p := range c.tuplesOf(sets) {
			delete(missing, p)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d of %d tuples do not occur", len(missing), wanted)
	}
	for d, list := range values() {
		for v, name := range list {
			if !slices.ContainsFunc(chosen, func(c combination) bool { return c[d] == v }) {
				t.Errorf("%q does not occur", name)
			}
		}
	}
	t.Logf("%d combinations for %d tuples; %d in the product, %d possible", len(chosen), wanted, len(r.product()), len(all))
}
