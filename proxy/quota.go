package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// A tally is what the sessions share to which one limit of a policy applies.
type tally struct {
	members  int
	up, down *rate.Limiter // nil: no rate
}

// tallyKey names a limit. That of a reloaded policy is the same limit, with the
// new numbers.
type tallyKey struct{ policy, limit string }

// tallies hold those tallies that have members.
type tallies struct {
	mu     sync.Mutex
	byName map[tallyKey]*tally
}

// A joining is what a session wants to be counted in.
type joining struct {
	policy string
	limits []policy.Limit
	stays  bool // it is there already: no limit turns it away
}

// swap leaves the limits in old and joins the next, in one step, so that a
// session is not counted against itself. If one of them has no room, full is its
// name, and nothing is joined.
func (t *tallies) swap(old []tallyKey, next joining) (joined []tallyKey, full string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.leave(old) // last: whoever stays in a limit keeps its rate's account
	if full = t.full(old, next); full != "" && !next.stays {
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
		a.up, a.down = adjusted(a.up, l.RateUp), adjusted(a.down, l.RateDown)
		a.members++
		joined = append(joined, key)
	}
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

func (t *tallies) leave(keys []tallyKey) {
	for _, key := range keys {
		if a := t.byName[key]; a != nil {
			if a.members--; a.members == 0 {
				delete(t.byName, key)
			}
		}
	}
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

// limiters lists the rates of one direction.
func (t *tallies) limiters(keys []tallyKey, up bool) []*rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*rate.Limiter
	for _, key := range keys {
		l := t.byName[key].down
		if up {
			l = t.byName[key].up
		}
		if l != nil {
			list = append(list, l)
		}
	}
	return list
}

// quota is what the policy's limits leave one session.
type quota struct {
	tallies *tallies
	joined  []tallyKey
	size    int64         // of one transfer in bytes; 0: any
	pace    *rate.Limiter // of commands; nil: any
}

// enlist finds out which limits apply from now on, and is refused when one of
// them has no room.
func (s *session) enlist() error {
	if full := s.join(false); full != "" {
		return &dismissal{replyTooMany, "limit " + full + ": too many sessions"}
	}
	return nil
}

// reenlist does so for a session that stays, however many the limits allow: at
// its start, when its user has left, when the policy has changed.
func (s *session) reenlist() {
	if full := s.join(true); full != "" {
		s.log.Info("more sessions than the policy allows", logError(errors.New("limit "+full)))
	}
}

// join counts the session where it belongs. Those who have not logged in are
// counted nowhere: without a password nobody uses up what is another's. A policy
// that only watches limits nobody.
func (s *session) join(stays bool) (full string) {
	q := &s.policing.quota
	p := s.policing.current()
	if p == nil || p.Monitor() {
		q.leave()
		return ""
	}
	r := s.request(ftpparse.Command{})
	r.User = s.account.user // not whom a second USER names before its password
	limits := p.Limits(r)
	next := joining{policy: p.Name(), stays: stays}
	if s.account.loggedIn {
		next.limits = limits.Applying
	}
	q.joined, full = q.tallies.swap(q.joined, next)
	q.size = limits.TransferSize.Value
	if n := limits.CommandsPerSecond.Value; n == 0 {
		q.pace = nil
	} else if q.pace == nil || q.pace.Limit() != rate.Limit(n) {
		q.pace = rate.NewLimiter(rate.Limit(n), int(n))
	}
	return full
}

// leave gives the session's place in each limit to somebody else.
func (q *quota) leave() {
	if q.tallies != nil {
		q.tallies.swap(q.joined, joining{})
	}
	q.joined, q.size, q.pace = nil, 0, nil
}

// bounds are those of a transfer that begins now.
func (q *quota) bounds(up bool) bounds {
	b := bounds{size: q.size}
	if len(q.joined) > 0 {
		b.rates = q.tallies.limiters(q.joined, up)
	}
	return b
}

// paced tells whether the command has to wait for its turn. QUIT, and ABOR during a
// transfer, never do: they end what costs something. Without a transfer ABOR is a
// question like others.
func (s *session) paced(l *line) bool {
	pace, verb := s.policing.quota.pace, l.command.Verb
	if !l.counted && pace != nil && verb != "QUIT" && (verb != "ABOR" || !s.running()) {
		l.counted = true
		now := time.Now()
		if delay := pace.ReserveN(now, 1).DelayFrom(now); delay > 0 {
			l.due = now.Add(delay)
		}
	}
	if l.due.IsZero() {
		return false
	}
	if time.Now().Before(l.due) {
		return true
	}
	l.due = time.Time{}
	return false
}

// bounds limit one transfer.
type bounds struct {
	size  int64 // bytes; 0: any
	rates []*rate.Limiter
}

// none tells that the kernel may move the bytes by itself.
func (b bounds) none() bool { return b.size == 0 && len(b.rates) == 0 }

func (b bounds) exceeded(bytes int64) bool { return b.size > 0 && bytes > b.size }

// chunk is how many bytes are passed on at a time, at most.
func (b bounds) chunk(most int) int {
	for _, r := range b.rates {
		most = min(most, r.Burst())
	}
	return most
}

// wait returns when n bytes may pass, and says meanwhile that it is waiting.
func (b bounds) wait(ctx context.Context, n int, waiting *atomic.Bool) error {
	for _, r := range b.rates {
		for n := n; n > 0; {
			part := min(n, r.Burst())
			waiting.Store(true)
			if r.WaitN(ctx, part) == nil {
				n -= part
			} else if ctx.Err() != nil {
				return context.Cause(ctx)
			} // else a reload has made the burst smaller than part
		}
	}
	waiting.Store(false)
	return nil
}
