package proxy

import (
	"context"
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

// swap leaves the limits in old and joins those in next, in one step, so
// that a session is not counted against itself. It always joins; full is the
// name of the first limit that had no room.
func (t *tallies) swap(old []tallyKey, name string, next []policy.Limit) (joined []tallyKey, full string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := map[tallyKey]*tally{} // whoever stays in a limit keeps its rate's account
	for _, key := range old {
		if a := t.byName[key]; a != nil {
			before[key] = a
			if a.members--; a.members == 0 {
				delete(t.byName, key)
			}
		}
	}
	for _, l := range next {
		key := tallyKey{name, l.Name}
		a := t.byName[key]
		if a == nil {
			a = before[key]
		}
		if a == nil {
			a = &tally{}
		}
		if t.byName == nil {
			t.byName = map[tallyKey]*tally{}
		}
		t.byName[key] = a
		a.up, a.down = adjusted(a.up, l.RateUp), adjusted(a.down, l.RateDown)
		if l.Sessions > 0 && a.members >= l.Sessions && full == "" {
			full = l.Name
		}
		a.members++
		joined = append(joined, key)
	}
	return joined, full
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

// enlist finds out which limits apply now: at the start, after a login, and when
// the policy has changed. A policy that only watches limits nobody.
func (s *session) enlist() error {
	q := &s.policing.quota
	p := s.policing.current()
	if p == nil || p.Monitor() {
		q.leave()
		return nil
	}
	limits := p.Limits(s.request(ftpparse.Command{}))
	var full string
	q.joined, full = q.tallies.swap(q.joined, p.Name(), limits.Applying)
	q.size = limits.TransferSize.Value
	if n := limits.CommandsPerSecond.Value; n == 0 {
		q.pace = nil
	} else if q.pace == nil || q.pace.Limit() != rate.Limit(n) {
		q.pace = rate.NewLimiter(rate.Limit(n), int(n))
	}
	if full != "" {
		return &dismissal{replyTooMany, "limit " + full + ": too many sessions"}
	}
	return nil
}

// leave gives the session's place in each limit to somebody else.
func (q *quota) leave() {
	if q.tallies != nil {
		q.tallies.swap(q.joined, "", nil)
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

// paced tells whether the command has to wait for its turn. ABOR and QUIT never
// do: they end what costs something.
func (s *session) paced(l *line) bool {
	pace := s.policing.quota.pace
	if !l.counted && pace != nil && l.command.Verb != "ABOR" && l.command.Verb != "QUIT" {
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
			if err := r.WaitN(ctx, part); err != nil {
				return err
			}
			n -= part
		}
	}
	waiting.Store(false)
	return nil
}
