package proxy

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// A tally is what the sessions share to which one limit of a policy applies.
type tally struct {
	members int
	accounts
}

// accounts are the rates of one limit, one for each direction; nil: none.
type accounts struct{ up, down *rate.Limiter }

// of is the account of one direction.
func (a *accounts) of(up bool) *rate.Limiter {
	if up {
		return a.up
	}
	return a.down
}

// adjust gives both their rates, in bytes per second.
func (a *accounts) adjust(up, down int64) {
	a.up, a.down = adjusted(a.up, up), adjusted(a.down, down)
}

// even tells that nothing has been taken that has not come back: accounts that
// begin anew would hold as much.
func (a *accounts) even(now time.Time) bool {
	for _, l := range []*rate.Limiter{a.up, a.down} {
		if l != nil && l.TokensAt(now) < float64(l.Burst()) {
			return false
		}
	}
	return true
}

// adjusted gives a limiter its rate, in bytes per second; 0 takes it away.
func adjusted(l *rate.Limiter, bytes int64) *rate.Limiter {
	if bytes == 0 {
		return nil
	}
	burst := int(min(max(bytes/burstsPerSecond, leastBurst), bufferSize))
	if l == nil {
		return rate.NewLimiter(rate.Limit(bytes), burst)
	}
	l.SetLimit(rate.Limit(bytes))
	l.SetBurst(burst)
	return l
}

const (
	// burstsPerSecond keeps a limited transfer moving instead of jerking.
	burstsPerSecond = 8
	leastBurst      = 1 << 10
)

// tallyKey names a limit. That of a reloaded policy is the same limit, with the
// new numbers.
type tallyKey struct{ policy, limit string }

// tallies hold those tallies that have members, and those whose last member has
// left a rate in debt: whoever comes next would else begin with a full account.
type tallies struct {
	mu     sync.Mutex
	byName map[tallyKey]*tally
}

// A joining is what a session wants to be counted in.
type joining struct {
	policy string
	limits []policy.Limit
	stays  bool       // it is there already: no limit turns it away
	kept   []tallyKey // it stays in these, too, whether or not it is let in
}

// swap leaves the limits in old and joins the next, in one step, so that a
// session is not counted against itself. If one of them has no room, full is its
// name, and nothing is joined but what is kept.
func (t *tallies) swap(old []tallyKey, next joining) (joined []tallyKey, full string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.leave(old) // last: whoever stays in a limit keeps its rate's account
	if full = t.full(old, next); full != "" && !next.stays {
		t.enter(next.kept)
		return nil, full
	}
	if t.byName == nil {
		t.byName = map[tallyKey]*tally{}
	}
	for _, l := range next.limits {
		key := tallyKey{next.policy, l.Name}
		a := t.byName[key]
		if a == nil {
			a = &tally{}
			t.byName[key] = a
		}
		a.adjust(l.RateUp, l.RateDown)
		joined = append(joined, key)
	}
	t.enter(joined)
	t.enter(without(next.kept, joined))
	return joined, full
}

// full finds the first limit without room for a session that leaves old.
func (t *tallies) full(old []tallyKey, next joining) string {
	for _, l := range next.limits {
		key := tallyKey{next.policy, l.Name}
		a := t.byName[key]
		if a == nil || l.Sessions == 0 {
			continue
		}
		others := a.members
		if slices.Contains(old, key) {
			others--
		}
		if others >= l.Sessions {
			return l.Name
		}
	}
	return ""
}

// enter counts a session in tallies that are there.
func (t *tallies) enter(keys []tallyKey) {
	for _, key := range keys {
		t.byName[key].members++
	}
}

func (t *tallies) leave(keys []tallyKey) {
	if len(keys) == 0 {
		return
	}
	for _, key := range keys {
		t.byName[key].members--
	}
	now := time.Now()
	for key, a := range t.byName { // as many as policies have limits
		if a.members == 0 && a.even(now) {
			delete(t.byName, key)
		}
	}
}

// limiters lists the rates of one direction.
func (t *tallies) limiters(keys []tallyKey, up bool) (list []*rate.Limiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		if l := t.byName[key].of(up); l != nil {
			list = append(list, l)
		}
	}
	return list
}

// without returns the keys that are not among the others.
func without(keys, others []tallyKey) []tallyKey {
	return slices.DeleteFunc(slices.Clone(keys), func(k tallyKey) bool { return slices.Contains(others, k) })
}
