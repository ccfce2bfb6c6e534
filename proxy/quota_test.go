package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// members counts those in a limit.
func (t *tallies) members(limit string) int {
	a := t.byName[tallyKey{"p", limit}]
	if a == nil {
		return 0
	}
	return a.members
}

func TestTalliesCountSessions(t *testing.T) {
	var all tallies
	two := policy.Limit{Name: "two", Sessions: 2}
	open := policy.Limit{Name: "open"}
	first, full := all.swap(nil, joining{policy: "p", limits: []policy.Limit{two, open}})
	second, full2 := all.swap(nil, joining{policy: "p", limits: []policy.Limit{two}})
	if full != "" || full2 != "" || all.members("two") != 2 || all.members("open") != 1 {
		t.Fatalf("%q, %q, %+v", full, full2, all.byName)
	}
	// One more is refused, and counted in none of its limits.
	third, full := all.swap(nil, joining{policy: "p", limits: []policy.Limit{open, two}})
	if full != "two" || third != nil || all.members("two") != 2 || all.members("open") != 1 {
		t.Fatalf("%q, %v, %+v", full, third, all.byName)
	}
	// A session is not in its own way.
	if second, full = all.swap(second, joining{policy: "p", limits: []policy.Limit{two}}); full != "" || all.members("two") != 2 {
		t.Fatalf("%q, %+v", full, all.byName)
	}
	// One that is refused where it wants to go has left where it was.
	one := policy.Limit{Name: "one", Sessions: 1}
	if _, full = all.swap(nil, joining{policy: "p", limits: []policy.Limit{one}}); full != "" {
		t.Fatal(full)
	}
	if second, full = all.swap(second, joining{policy: "p", limits: []policy.Limit{one}}); full != "one" || all.members("two") != 1 || all.members("one") != 1 {
		t.Fatalf("%q, %+v", full, all.byName)
	}
	// Those who are there stay, whatever a new policy allows.
	first, full = all.swap(first, joining{policy: "p", limits: []policy.Limit{one}, stays: true})
	if full != "one" || all.members("one") != 2 || all.members("two") != 0 {
		t.Fatalf("%q, %+v", full, all.byName)
	}
	all.swap(first, joining{})
	all.swap(second, joining{})
	if all.members("one") != 1 || len(all.byName) != 1 {
		t.Errorf("%+v", all.byName)
	}
}

// The same name in two policies is two limits.
func TestTalliesOfPoliciesAreApart(t *testing.T) {
	var all tallies
	one := []policy.Limit{{Name: "one", Sessions: 1}}
	for _, name := range []string{"p", "q"} {
		if _, full := all.swap(nil, joining{policy: name, limits: one}); full != "" {
			t.Errorf("%s is full", name)
		}
	}
}

func TestRatesAreShared(t *testing.T) {
	var all tallies
	slow := policy.Limit{Name: "slow", RateUp: 100}
	join := func(old []tallyKey, l policy.Limit) []tallyKey {
		keys, _ := all.swap(old, joining{policy: "p", limits: []policy.Limit{l}})
		return keys
	}
	first, second := join(nil, slow), join(nil, slow)
	up := all.limiters(first, true)
	if len(up) != 1 || up[0] != all.limiters(second, true)[0] {
		t.Fatal("two sessions do not share a limiter")
	}
	if down := all.limiters(first, false); down != nil {
		t.Errorf("downloads are limited: %v", down)
	}
	// A reload changes the number, and whoever logs in again keeps the account.
	slow.RateUp, slow.RateDown = 1<<20, 50
	second = join(second, slow)
	if got := all.limiters(second, true)[0]; got != up[0] || got.Limit() != 1<<20 || got.Burst() != 1<<17 {
		t.Errorf("limit %v, burst %d", got.Limit(), got.Burst())
	}
	if down := all.limiters(second, false); len(down) != 1 || down[0].Burst() != leastBurst {
		t.Errorf("%+v", down)
	}
	// So does the only one.
	all.swap(first, joining{})
	second = join(second, slow)
	if all.limiters(second, true)[0] != up[0] {
		t.Error("a second login buys another burst")
	}
}

// Whoever comes back finds the account as it was left, until it is even: else one
// more login would be one more burst.
func TestDebtsOutliveTheirSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tallies
		slow := joining{policy: "p", limits: []policy.Limit{{Name: "slow", RateUp: 100, RateDown: 100}}}
		visit := func(bytes int) *rate.Limiter {
			keys, _ := all.swap(nil, slow)
			l := all.limiters(keys, false)[0]
			l.AllowN(time.Now(), bytes)
			all.swap(keys, joining{})
			return l
		}
		first := visit(500)
		<-time.After(4 * time.Second)
		if visit(0) != first {
			t.Error("a second login buys another burst")
		}
		<-time.After(2 * time.Second)
		if second := visit(0); second != first || len(all.byName) != 0 {
			t.Errorf("an even account is kept: %+v", all.byName)
		}
		if visit(0) == first {
			t.Error("an account that has gone is back")
		}
	})
}

// A transfer stays in the limits in which it began, whoever logs in meanwhile: else
// two users would make one rate two, and one session two.
func TestTransfersStayInTheirLimits(t *testing.T) {
	var all tallies
	anna := policy.Limits{Applying: []policy.Limit{{Name: "anna", Sessions: 1, RateUp: 100, RateUpPerSession: 50}}}
	bert := policy.Limits{Applying: []policy.Limit{{Name: "bert", Sessions: 1}}}
	as := func(l policy.Limits) joining { return joining{policy: "p", limits: l.Applying} }
	q, other := quota{tallies: &all}, quota{tallies: &all}
	join := func(q *quota, l policy.Limits) string { return q.join(as(l), l) }

	join(&q, anna)
	rates := q.begin(true).rates
	for _, l := range []policy.Limits{bert, bert, anna, bert} {
		if full := join(&q, l); full != "" || all.members("anna") != 1 {
			t.Fatalf("%q, %d members", full, all.members("anna"))
		}
	}
	if full := join(&other, anna); full != "anna" {
		t.Error("there are two of anna")
	}
	join(&q, anna)
	if again := q.begin(true).rates; len(rates) != 2 || again[0] != rates[0] {
		t.Errorf("%v, then %v", rates, again)
	}
	join(&q, bert)
	q.end()
	if all.members("anna") != 0 || all.members("bert") != 1 {
		t.Errorf("%+v", all.byName)
	}
	if full := join(&other, anna); full != "" {
		t.Error("the transfer is over, and anna is not let in")
	}
	// One that is turned away while its transfer runs still is where that began.
	join(&q, bert)
	q.begin(true)
	if full := join(&q, anna); full != "anna" || all.members("bert") != 1 || all.members("anna") != 1 {
		t.Errorf("%q, %+v", full, all.byName)
	}
	q.leave()
	other.leave()
	if len(all.byName) != 0 {
		t.Errorf("%+v", all.byName)
	}
}

// Each session has its own account of each limit that gives it one, and keeps it
// until it is even.
func TestSessionsHaveAccountsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tallies
		limits := func(list ...policy.Limit) policy.Limits { return policy.Limits{Applying: list} }
		wide := policy.Limit{Name: "wide", RateDownPerSession: 1 << 20}
		tight := policy.Limit{Name: "tight", RateDownPerSession: 100, RateUp: 7}
		q, other := quota{tallies: &all}, quota{tallies: &all}
		for _, q := range []*quota{&q, &other} {
			q.join(joining{policy: "p"}, limits(wide, tight))
			if up := q.begin(true).rates; up != nil {
				t.Errorf("uploads are limited: %v", up)
			}
		}
		mine, others := q.begin(false).rates, other.begin(false).rates
		if len(mine) != 2 || len(others) != 2 || mine[0] == others[0] || mine[1] == others[1] {
			t.Fatalf("%v and %v", mine, others)
		}
		mine[1].AllowN(time.Now(), 1000)
		q.join(joining{policy: "p"}, limits(wide))
		if left := q.begin(false).rates; len(left) != 1 || left[0] != mine[0] {
			t.Errorf("%v", left)
		}
		tight.RateDownPerSession = 200
		q.join(joining{policy: "p"}, limits(tight))
		if again := q.begin(false).rates; len(again) != 1 || again[0] != mine[1] || mine[1].Limit() != 200 {
			t.Errorf("another login has bought another burst, or the new number does not count: %v", again)
		}
		<-time.After(10 * time.Second)
		q.join(joining{policy: "p"}, limits())
		if len(q.accounts) != 0 || q.begin(false).rates != nil {
			t.Errorf("%+v", q.accounts)
		}
	})
}

func TestChunksAreNoLargerThanABurst(t *testing.T) {
	slow, fast := rate.NewLimiter(1, 2000), rate.NewLimiter(1, 1<<30)
	for _, c := range []struct {
		rates []*rate.Limiter
		want  int
	}{{nil, chunk}, {[]*rate.Limiter{fast}, chunk}, {[]*rate.Limiter{fast, slow}, 2000}} {
		if got := (bounds{rates: c.rates}).chunk(chunk); got != c.want {
			t.Errorf("%d instead of %d", got, c.want)
		}
	}
}

func TestSizeIsInclusive(t *testing.T) {
	b := bounds{size: 100}
	if b.exceeded(100) || !b.exceeded(101) || (bounds{}).exceeded(1<<60) || b.none() || !(bounds{}).none() {
		t.Errorf("%+v", b)
	}
}

// More than a burst waits in parts, for every limiter.
func TestWaitTakesFromEveryLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bounds{rates: []*rate.Limiter{rate.NewLimiter(1000, 1000), rate.NewLimiter(500, 2000)}}
		var waiting atomic.Bool
		begun := time.Now()
		if err := b.wait(t.Context(), 4000, &waiting); err != nil || waiting.Load() {
			t.Fatal(err, waiting.Load())
		}
		// 3,000 of the first at 1,000 a second; meanwhile the second is full again,
		// and owes 2,000 at 500 a second.
		if got := time.Since(begun); got != 7*time.Second {
			t.Errorf("waited for %s", got)
		}
	})
}

// A wait that is broken off gives the reason for it, which decides what the
// client hears, and says that it was waiting until then.
func TestWaitEndsWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		b := bounds{rates: []*rate.Limiter{rate.NewLimiter(1, 1000)}}
		var waiting atomic.Bool
		done := make(chan error, 1)
		go func() { done <- b.wait(ctx, 2000, &waiting) }()
		synctest.Wait()
		if !waiting.Load() {
			t.Error("nobody says that the pump waits")
		}
		cancel(errAborted)
		if err := <-done; !errors.Is(err, errAborted) {
			t.Error(err)
		}
	})
}

// Sessions without limits leave the bytes to the kernel; with one they pass
// through a buffer.
func TestPumpLeavesUnlimitedBytesToTheKernel(t *testing.T) {
	for name, c := range map[string]struct {
		bounds bounds
		kernel bool
	}{
		"none": {bounds{}, true},
		"size": {bounds{size: 1 << 20}, false},
		"rate": {bounds{rates: []*rate.Limiter{rate.NewLimiter(1<<30, 1<<20)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			sender, from := tcpPair(t)
			to, receiver := tcpPair(t)
			file := bytes.Repeat([]byte("0123456789"), 30_000)
			go func() {
				_, _ = sender.Write(file)
				_ = sender.CloseWrite()
			}()
			got := make(chan []byte, 1)
			go func() {
				b, _ := io.ReadAll(receiver)
				got <- b
			}()
			p := pump{from: newLeg(sideUpstream, from), to: newLeg(sideClient, to), bounds: c.bounds, waiting: new(atomic.Bool)}
			n, err := p.run(t.Context())
			if err != nil || n != int64(len(file)) {
				t.Fatalf("%d bytes, %v", n, err)
			}
			_ = to.CloseWrite()
			if b := <-got; !bytes.Equal(b, file) {
				t.Errorf("%d bytes came, of %d, or others", len(b), len(file))
			}
			if kernel := p.buf == nil; kernel != c.kernel {
				t.Errorf("moved by the kernel alone: %v", kernel)
			}
		})
	}
}

// A pump never passes on a byte beyond transfer_size.
func TestPumpStopsAtTheSize(t *testing.T) {
	for _, c := range []struct {
		size int64
		want error
	}{{5000, nil}, {4999, errTooLarge}, {1, errTooLarge}} {
		sender, from := tcpPair(t)
		to, receiver := tcpPair(t)
		mustWrite(t, sender, make([]byte, 5000))
		_ = sender.CloseWrite()
		p := pump{from: newLeg(sideUpstream, from), to: newLeg(sideClient, to), bounds: bounds{size: c.size}, waiting: new(atomic.Bool)}
		n, err := p.run(t.Context())
		if !errors.Is(err, c.want) {
			t.Errorf("%d: %v", c.size, err)
		}
		if n > c.size {
			t.Errorf("%d: %d bytes passed on", c.size, n)
		}
		wantArrived(t, receiver, int(n))
	}
}

// Commands wait for their turn, each once. QUIT does not, nor does ABOR when there
// is something to abort, unless they are denied.
func TestPace(t *testing.T) {
	s := ruledSession(t, `
  default = "allow"
  rule "stay" {
    users    = ["captive"]
    commands = ["QUIT", "ABOR"]
    action   = "deny"
  }
`)
	synctest.Test(t, func(t *testing.T) {
		given := func(verb string) *line { return &line{command: ftpparse.Command{Verb: verb}} }
		if s.paced(given("NOOP")) {
			t.Error("without a limit")
		}
		s.policing.quota.turns.adjust(2)
		for range 2 {
			if s.paced(given("NOOP")) {
				t.Error("the first two need not wait")
			}
		}
		late := given("NOOP")
		if first, again := s.paced(late), s.paced(late); !first || !again {
			t.Error("the third need not wait")
		}
		s.transfer = newTransfer(nil, transferLimits{})
		s.transfer.owner.sent = &exchange{}
		if s.paced(given("ABOR")) || s.paced(given("QUIT")) {
			t.Error("ABOR or QUIT waits")
		}
		s.account.user = "captive"
		if !s.paced(given("ABOR")) || !s.paced(given("QUIT")) {
			t.Error("what is denied costs nothing")
		}
		s.account.user, s.transfer = "anna", nil
		<-time.After(time.Until(late.due))
		if first, again := s.paced(late), s.paced(late); first || again {
			t.Error("it waits longer than it has to")
		}
		if !s.paced(given("ABOR")) {
			t.Error("ABOR costs nothing")
		}
		// A line that is no command is one all the same.
		if !s.paced(&line{command: ftpparse.Command{Verb: "QUIT"}, err: ftpparse.ErrLineTooLong}) {
			t.Error("a faulty line costs nothing")
		}
	})
}

// ruledSession is one that has logged in and has a policy.
func ruledSession(t *testing.T, inside string) *session {
	t.Helper()
	p := compileLaw(t, inside)
	near, _ := tcpPair(t)
	server := newServer(t, twoListeners(t))
	s := server.newSession(server.listeners[0].settings.Load(), near)
	s.phase = phaseReady
	s.policing.current = func() *policy.Policy { return p }
	return s
}

// Another login with another limit does not buy another burst, neither by way of
// one without a limit.
func TestTurnsOutliveTheirLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turns
		turns.adjust(5)
		for range 5 {
			turns.pace.Reserve()
		}
		for _, n := range []int64{7, 0, 5, 0, 9} {
			turns.adjust(n)
		}
		if r := turns.pace.Reserve(); r.Delay() == 0 || turns.pace.Burst() != 9 || turns.pace.Limit() != 9 {
			t.Errorf("delay %s, burst %d, limit %v", r.Delay(), turns.pace.Burst(), turns.pace.Limit())
		}
	})
}
