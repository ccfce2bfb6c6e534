package proxy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// queueOf writes a queue down as the client's commands in order, each with the
// mark of how far it has come:
//
//	RETR   sent          RETR~  1yz came      RETR=  final reply held back
//	NOOP!  answered      ABOR^  sent, and aborts the transfer before it, or one
//	                            that is through if there is none
//	RETR?  1yz came, and another in place of the final reply: it is mumbled
func queueOf(text string) exchanges {
	var q exchanges
	var moving *exchange
	for word := range strings.FieldsSeq(text) {
		e := &exchange{command: ftpparse.Command{Verb: strings.TrimRight(word, "~=!^?")}}
		switch word[len(word)-1] {
		case '~', '?':
			e.stage = stagePreliminary
		case '=':
			e.stage = stageHeld
		case '!':
			e.conclude(ftpparse.NewReply(200, e.command.Verb))
		case '^':
			if e.aborts = moving; moving == nil {
				e.aborts = &exchange{stage: stageAnswered}
			}
		}
		if movesFile(e.command.Verb) {
			e.transfer = newTransfer(nil, transferLimits{})
			e.transfer.owner.mumbled = strings.HasSuffix(word, "?")
			moving = e
		}
		q.push(e)
	}
	return q
}

// String is the inverse of queueOf, but for ^ and ?.
func (q exchanges) String() string {
	words := make([]string, len(q))
	for i, e := range q {
		words[i] = e.command.Verb + [...]string{"", "~", "=", "!"}[e.stage]
	}
	return strings.Join(words, " ")
}

func verbOf(e *exchange) string {
	if e == nil {
		return ""
	}
	return e.command.Verb
}

type matchCase struct {
	queue   string
	code    int
	settled bool
	want    string
	after   string // "": as before
}

func matchCases() []matchCase {
	return []matchCase{
		{queue: "", code: 200, want: ""},
		{queue: "NOOP PWD", code: 257, want: "NOOP"},
		{queue: "NOOP! PWD", code: 257, want: "PWD"},
		{queue: "NOOP! PWD!", code: 200, want: ""},
		{queue: "STAT~ NOOP", code: 200, want: "STAT"}, // only a transfer can be overtaken

		// Before its 1yz a transfer command is answered in its turn.
		{queue: "RETR NOOP", code: 200, want: "RETR"},
		{queue: "RETR NOOP", code: 150, want: "RETR"},
		{queue: "RETR NOOP", code: 550, want: "RETR"},

		{queue: "RETR~", code: 226, want: "RETR"},
		{queue: "RETR~", code: 200, want: "RETR"}, // nobody else waits
		{queue: "RETR~ NOOP", code: 150, want: "RETR"},
		{queue: "RETR~ NOOP", code: 226, want: "RETR"},
		{queue: "RETR~ NOOP", code: 426, want: "RETR"},
		{queue: "RETR~ NOOP", code: 200, want: "NOOP"},
		{queue: "RETR~ NOOP", code: 200, settled: true, want: "NOOP"},
		{queue: "RETR~ NOOP PWD", code: 257, want: "NOOP"},
		{queue: "RETR~ NOOP! PWD", code: 257, want: "PWD"},
		{queue: "RETR~ STAT~", code: 213, want: "STAT"},

		// Where the code may be anybody's, the data connection decides.
		{queue: "STOR~ DELE", code: 250, want: "DELE"},
		{queue: "STOR~ DELE", code: 250, settled: true, want: "STOR"},
		{queue: "STOR~ DELE", code: 550, want: "DELE"},
		{queue: "STOR~ DELE", code: 550, settled: true, want: "STOR"},
		{queue: "STOR~ NOOP", code: 250, want: "STOR"},

		{queue: "RETR= NOOP", code: 200, want: "NOOP"},
		{queue: "RETR= NOOP", code: 226, want: "NOOP"},
		{queue: "RETR=", code: 226, want: ""},

		// The transfer that ABOR ends is answered first, whatever the order of
		// codes; after that ABOR's own reply may come or not.
		{queue: "ABOR", code: 225, want: "ABOR"},
		{queue: "RETR~ ABOR^", code: 426, want: "RETR"},
		{queue: "RETR~ ABOR^", code: 226, want: "RETR"},
		{queue: "RETR~ ABOR^", code: 225, want: "RETR"},
		{queue: "RETR ABOR^", code: 426, want: "RETR"},
		{queue: "RETR= ABOR^", code: 226, want: "ABOR"},
		{queue: "RETR= ABOR^", code: 225, want: "ABOR"},
		{queue: "RETR= ABOR^", code: 426, want: "ABOR"},
		{queue: "RETR= ABOR^ NOOP", code: 226, want: "ABOR"},
		{queue: "RETR= ABOR^ NOOP", code: 200, want: "NOOP", after: "RETR= ABOR! NOOP"},
		{queue: "ABOR^ PASV", code: 227, want: "PASV", after: "ABOR! PASV"},
		{queue: "ABOR^", code: 200, want: "ABOR"}, // nobody else waits
		{queue: "ABOR^", code: 150, want: ""},
		{queue: "ABOR^ NOOP", code: 150, want: "NOOP"},
		{queue: "ABOR^ NOOP", code: 503, want: "ABOR"},       // had it been the NOOP's, it would have been withheld
		{queue: "RETR~ ABOR^ NOOP", code: 200, want: "ABOR"}, // ABOR is not optional yet

		// A mumbled transfer may have nothing more to say, and so may its ABOR.
		{queue: "RETR? NOOP", code: 200, want: "NOOP"},
		{queue: "RETR? NOOP", code: 426, want: "RETR"},
		{queue: "RETR? NOOP", code: 150, want: "RETR"},
		{queue: "RETR? ABOR^ NOOP", code: 225, want: "ABOR"},
		{queue: "RETR? ABOR^ NOOP", code: 226, want: "RETR"},
		{queue: "RETR? ABOR^ NOOP", code: 426, want: "RETR"},
		{queue: "RETR? NOOP ABOR^", code: 226, want: "RETR"},
		{queue: "RETR? ABOR^ NOOP", code: 200, want: "NOOP", after: "RETR~ ABOR! NOOP"},
		{queue: "RETR? ABOR^ NOOP", code: 502, want: "ABOR"},
		{queue: "RETR? ABOR^", code: 200, want: "ABOR"},
	}
}

func TestMatch(t *testing.T) {
	for _, c := range matchCases() {
		q := queueOf(c.queue)
		if c.after == "" {
			c.after = q.String()
		}
		if got := verbOf(q.match(c.code, c.settled)); got != c.want {
			t.Errorf("%q: %d, settled %v, answers %q instead of %q", c.queue, c.code, c.settled, got, c.want)
		}
		if got := q.String(); got != c.after {
			t.Errorf("%q: %d leaves %q instead of %q", c.queue, c.code, got, c.after)
		}
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct{ queue, goes, stays string }{
		{"", "", ""},
		{"NOOP", "", "NOOP"},
		{"NOOP!", "NOOP", ""},
		{"NOOP! PWD!", "NOOP PWD", ""},
		{"NOOP! PWD SYST!", "NOOP", "PWD SYST!"},
		{"RETR NOOP!", "", "RETR NOOP!"},
		{"RETR~ NOOP!", "NOOP", "RETR~"},
		{"RETR~ NOOP! PWD SYST!", "NOOP", "RETR~ PWD SYST!"},
		{"RETR~ NOOP PWD!", "", "RETR~ NOOP PWD!"},
		{"RETR= NOOP!", "", "RETR= NOOP!"},
		{"RETR? ABOR!", "", "RETR? ABOR!"},
		{"RETR! NOOP!", "RETR NOOP", ""},
		{"STAT~ NOOP!", "", "STAT~ NOOP!"},
		{"ABOR^ NOOP!", "", "ABOR^ NOOP!"},
	} {
		q := queueOf(c.queue)
		var gone []string
		for e := q.next(); e != nil; e = q.next() {
			gone = append(gone, verbOf(e))
		}
		if got := strings.Join(gone, " "); got != c.goes {
			t.Errorf("%q: %q goes out instead of %q", c.queue, got, c.goes)
		}
		if got, want := q.String(), queueOf(c.stays).String(); got != want {
			t.Errorf("%q: %q stays instead of %q", c.queue, got, want)
		}
	}
}

func TestIdle(t *testing.T) {
	for queue, want := range map[string]bool{
		"": true, "ABOR^": true, "ABOR^ ABOR^": true,
		"NOOP": false, "NOOP!": false, "RETR~": false, "RETR=": false, "RETR~ ABOR^": false, "RETR= ABOR^": false,
		"ABOR": false, "ABOR^ NOOP": false,
	} {
		if got := queueOf(queue).idle(); got != want {
			t.Errorf("%q: idle is %v", queue, got)
		}
	}
}

func TestAborting(t *testing.T) {
	for queue, want := range map[string]bool{
		"": false, "ABOR": false, "RETR~": false, "RETR~ ABOR!": false, "RETR= ABOR!": false,
		"RETR~ ABOR^": true, "RETR= ABOR^": true, "ABOR^": true, "ABOR^ NOOP": true,
	} {
		if got := queueOf(queue).aborting(); got != want {
			t.Errorf("%q: aborting is %v", queue, got)
		}
	}
}

// Every code of RFC 959 §5.4 that ABOR or a transfer may have is one that a
// command sent during the transfer cannot have, or is decided by the data
// connection.
func TestAnswersLater(t *testing.T) {
	const always, never, unsettled = 1, 2, 3
	for want, codes := range map[int][]int{
		always:    {200, 202, 211, 212, 213, 214, 215, 220, 221, 227, 229, 230, 257, 331, 332, 350, 500, 501, 502, 503, 504},
		never:     {110, 120, 125, 150, 225, 226, 425, 426, 451, 452, 551, 552},
		unsettled: {421, 450, 530, 532, 550, 553, 631},
	} {
		for _, code := range codes {
			for _, settled := range []bool{false, true} {
				got := answersLater(code, "NOOP", settled)
				if got != (want == always || want == unsettled && !settled) {
					t.Errorf("%d, settled %v: %v", code, settled, got)
				}
			}
		}
	}
	for verb, want := range map[string]bool{
		"CWD": true, "XCWD": true, "CDUP": true, "XCUP": true, "DELE": true, "RMD": true, "XRMD": true,
		"RNTO": true, "MLST": true, "SITE": true, "NOOP": false, "PWD": false, "STAT": false, "ABOR": false,
	} {
		if answersLater(250, verb, false) != want || answersLater(250, verb, true) {
			t.Errorf("250 during a transfer and %s", verb)
		}
	}
}

func TestAnswersABOR(t *testing.T) {
	for code := 100; code < 600; code++ {
		want := code == 225 || code == 226 || code >= 400
		if answersABOR(code) != want {
			t.Errorf("%d: %v", code, !want)
		}
	}
}

// Of several deadlines the nearest counts, and a transfer under way has none
// until its legs have ended.
func TestDeadline(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		queue string
		login bool // the user is not logged in
		ended bool // the transfer's legs have
		want  error
	}{
		{queue: "", want: errIdle},
		{queue: "", login: true, want: errLoginTimeout},
		{queue: "NOOP", want: errReplyTimeout},
		{queue: "NOOP", login: true, want: errLoginTimeout},
		{queue: "RETR", want: errReplyTimeout},
		{queue: "RETR~", want: nil},
		{queue: "RETR~", ended: true, want: errFinalTimeout},
		{queue: "RETR~ NOOP", want: nil}, // it may be answered only after the file
		{queue: "RETR~ NOOP", ended: true, want: errFinalTimeout},
		{queue: "NOOP RETR~", want: errReplyTimeout},
		{queue: "ABOR^", want: errIdle}, // its reply need not come
	} {
		s := &session{
			client: &clientControl{}, queue: queueOf(c.queue), clock: clock{login: now, spoken: now}, account: account{loggedIn: !c.login},
			listener: &settings{limits: Limits{
				LoginTimeout: time.Second, ReplyTimeout: 2 * time.Second,
				StallTimeout: 3 * time.Second, IdleTimeout: 4 * time.Second,
			}},
		}
		for _, e := range s.queue {
			e.since = now
			if e.transfer != nil {
				s.transfer = e.transfer
				s.transfer.owner = ownerView{sent: e, ended: c.ended}
			}
		}
		if _, got := s.deadline(); !errors.Is(got, c.want) {
			t.Errorf("%q: %v instead of %v", c.queue, got, c.want)
		}
	}
}

// A command whose turn has come but that must wait for something else as well does
// not keep the timer busy.
func TestDeadlineOfAPacedCommand(t *testing.T) {
	for _, lost := range []bool{false, true} {
		now := time.Now()
		s := &session{
			client:   &clientControl{backlog: backlog{lines: []*line{{command: ftpparse.Command{Verb: "NOOP"}, ruling: ruling{due: now.Add(-time.Second)}}}}},
			upstream: upstreamLink{lost: lost}, account: account{loggedIn: true}, clock: clock{spoken: now},
			policing: policing{current: func() *policy.Policy { return nil }},
			listener: &settings{limits: DefaultLimits()},
		}
		if due, why := s.deadline(); errors.Is(why, errPaced) == lost || due.Before(now) == lost {
			t.Errorf("the upstream is lost: %v; due in %s: %v", lost, due.Sub(now), why)
		}
	}
}

// The upstream answers one by one: each final reply gives it its time again for
// what stands behind, but not for a transfer under way. Preliminary ones do so
// once, and only for their own command.
func TestGrant(t *testing.T) {
	for _, c := range []struct {
		queue string
		by    int   // who is answered
		codes []int // with what
		want  []bool
	}{
		{"HASH HASH PWD", 0, []int{213}, []bool{true, true, true}},
		{"HASH HASH PWD", 0, []int{150}, []bool{true, false, false}},
		{"HASH HASH PWD", 0, []int{150, 150}, []bool{false, false, false}},
		{"RETR PWD", 0, []int{150, 150}, []bool{false, false}},
		{"RETR~ NOOP PWD", 1, []int{200}, []bool{false, true, true}},
		{"RETR~ NOOP PWD", 0, []int{226}, []bool{false, true, true}},
		{"RETR= NOOP PWD", 1, []int{200}, []bool{false, true, true}},
	} {
		q := queueOf(c.queue)
		for _, code := range c.codes {
			for _, e := range q {
				e.since = time.Time{}
			}
			q.grant(q[c.by], ftpparse.NewReply(code, ""))
		}
		for i, e := range q {
			if got := !e.since.IsZero(); got != c.want[i] {
				t.Errorf("%q, %d to %s: %s has its time again: %v", c.queue, c.codes, verbOf(q[c.by]), verbOf(e), got)
			}
		}
	}
}

// An upstream that talks and talks fills no log.
func TestUnaskedRepliesAreLoggedOnce(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	s := &session{log: zap.New(core), policing: policing{current: func() *policy.Policy { return nil }}}
	busy := &exchange{stage: stagePreliminary}
	for range 3 {
		if err := s.onReply(t.Context(), replyOrError{reply: ftpparse.NewReply(200, "")}); err != nil {
			t.Fatal(err)
		}
		if err := s.relay(t.Context(), busy, ftpparse.NewReply(150, "")); err != nil {
			t.Fatal(err)
		}
	}
	if logs.Len() != 1 {
		t.Errorf("%d lines", logs.Len())
	}
}
