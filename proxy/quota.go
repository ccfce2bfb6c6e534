package proxy

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// quota is what the policy's limits leave one session.
type quota struct {
	tallies *tallies
	joined  []tallyKey // by the login
	// kept are those in which the transfer under way began. It stays in them to its
	// end, whoever logs in meanwhile: "any file transfer in progress is completed
	// under the old access control parameters" (RFC 959 §4.1.1).
	kept     []tallyKey
	accounts map[tallyKey]*accounts // the session's own, by limit
	own      []tallyKey             // those that apply
	size     int64                  // of one transfer in bytes; 0: any
	turns    turns
}

// turns pace the commands. The limiter outlives the limit: another login does not
// buy another burst.
type turns struct {
	perSecond int64 // 0: any
	pace      *rate.Limiter
}

func (t *turns) adjust(perSecond int64) {
	switch t.perSecond = perSecond; {
	case perSecond == 0:
	case t.pace == nil:
		t.pace = rate.NewLimiter(rate.Limit(perSecond), int(perSecond))
	default:
		t.pace.SetLimit(rate.Limit(perSecond))
		t.pace.SetBurst(int(perSecond))
	}
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
// its start, when its user has left or its host is another, when the policy has
// changed.
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
	s.policing.latest = p
	if p == nil || p.Monitor() {
		return q.join(joining{stays: true}, policy.Limits{})
	}
	r := s.request(ftpparse.Command{})
	r.User = s.account.user // not whom a second USER names before its password
	limits := p.Limits(r)
	next := joining{policy: p.Name(), stays: stays}
	if s.account.loggedIn {
		next.limits = limits.Applying
	}
	return q.join(next, limits)
}

func (q *quota) join(next joining, limits policy.Limits) (full string) {
	if q.tallies == nil {
		return "" // a session by itself
	}
	next.kept = q.kept
	q.joined, full = q.tallies.swap(q.all(), next)
	q.size = limits.TransferSize.Value
	q.turns.adjust(limits.CommandsPerSecond.Value)
	q.keepAccounts(next.policy, limits.Applying)
	return full
}

// keepAccounts finds out which rates the session has by itself. Those that applied
// to somebody it was before stay until they are even.
func (q *quota) keepAccounts(name string, applying []policy.Limit) {
	q.own = nil
	for _, l := range applying {
		if l.RateUpPerSession == 0 && l.RateDownPerSession == 0 {
			continue
		}
		if q.accounts == nil {
			q.accounts = map[tallyKey]*accounts{}
		}
		key := tallyKey{name, l.Name}
		if q.accounts[key] == nil {
			q.accounts[key] = &accounts{}
		}
		q.accounts[key].adjust(l.RateUpPerSession, l.RateDownPerSession)
		q.own = append(q.own, key)
	}
	now := time.Now()
	for key, a := range q.accounts {
		if !slices.Contains(q.own, key) && a.even(now) {
			delete(q.accounts, key)
		}
	}
}

// all are the tallies in which the session is counted, each once.
func (q *quota) all() []tallyKey { return append(without(q.kept, q.joined), q.joined...) }

// leave gives the session's place in each limit to somebody else.
func (q *quota) leave() {
	if q.tallies != nil {
		q.tallies.swap(q.all(), joining{})
	}
	q.joined, q.kept = nil, nil
}

// begin is called for a transfer that begins now, and gives its bounds.
func (q *quota) begin(up bool) bounds {
	q.end() // there is one at a time
	b := bounds{size: q.size}
	if len(q.joined) > 0 {
		q.kept = q.joined
		b.rates = q.tallies.limiters(q.joined, up)
	}
	for _, key := range q.own {
		if l := q.accounts[key].of(up); l != nil {
			b.rates = append(b.rates, l)
		}
	}
	return b
}

// end is called at the end of a transfer.
func (q *quota) end() {
	if gone := without(q.kept, q.joined); len(gone) > 0 {
		q.tallies.swap(gone, joining{})
	}
	q.kept = nil
}

// paced tells whether the command has to wait for its turn. QUIT, and ABOR during a
// transfer, never do: they end what costs something. Where the policy denies them
// they end nothing, and without a transfer ABOR is a question like others.
func (s *session) paced(l *line) bool {
	t := &s.policing.quota.turns
	if !l.counted && l.early == nil && t.perSecond > 0 && !s.endsSomething(l) {
		l.counted = true
		now := time.Now()
		if delay := t.pace.ReserveN(now, 1).DelayFrom(now); delay > 0 {
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

func (s *session) endsSomething(l *line) bool {
	if l.err != nil || l.command.Verb != "QUIT" && (l.command.Verb != "ABOR" || !s.running()) {
		return false
	}
	p := s.policing.current()
	return p == nil || s.decide(p, s.request(l.command)).Passes()
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
