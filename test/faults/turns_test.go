package faults

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// onePerSecond is for anna, and for those who have not logged in. She may not
// delete, nor leave, nor abort.
const onePerSecond = `
  limit "pace" {
    users               = ["", "anna"]
    commands_per_second = 1
  }
  rule "stay" {
    users    = ["anna"]
    commands = ["DELE", "QUIT", "ABOR"]
    action   = "deny"
  }`

// hasty is how many commands come at once: at one a second they take minutes.
const hasty = 400

// A flood is what a client says at once, and the replies that have come.
type flood struct {
	replies atomic.Int64
	over    chan struct{} // closed when none comes any more
}

// floods says all lines at once.
func (c *client) floods(lines []string) *flood {
	f := &flood{over: make(chan struct{})}
	go func() { _ = c.trySay(lines...) }() // the proxy reads no faster than it answers
	go func() {
		defer close(f.over)
		for {
			if _, _, err := c.reply(); err != nil {
				return
			}
			f.replies.Add(1)
		}
	}()
	return f
}

// Every line takes its turn, whatever becomes of it: while somebody else gives as
// many commands one by one, hardly any of them is answered.
func TestEveryCommandTakesItsTurn(t *testing.T) {
	for name, c := range map[string]struct {
		stranger bool // has not logged in
		transfer bool // is under way
		lines    []string
	}{
		"relayed":             {lines: []string{"SIZE a"}},
		"answered here":       {lines: []string{"PROT C"}},
		"denied":              {lines: []string{"DELE a"}},
		"unknown":             {lines: []string{"FROB a"}},
		"empty":               {lines: []string{"", "NOOP"}}, // many in a row would end the session
		"overlong":            {lines: []string{"SIZE " + strings.Repeat("a", 5000), "NOOP"}},
		"malformed":           {lines: []string{"SIZE a\x00b", "NOOP"}},
		"denied QUIT":         {lines: []string{"QUIT"}},
		"denied ABOR":         {transfer: true, lines: []string{"ABOR"}},
		"idle ABOR":           {lines: []string{"ABOR"}},
		"transfers, no port":  {lines: []string{"RETR a"}},
		"before the login":    {stranger: true, lines: []string{"NOOP"}},
		"transfers, no login": {stranger: true, lines: []string{"LIST"}},
		"no AUTH":             {stranger: true, lines: []string{"AUTH X"}},
		"no HOST":             {stranger: true, lines: []string{"HOST nowhere"}},
		"QUIT to nobody":      {stranger: true, lines: []string{"QUIT a\x00b", "NOOP"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			other := r.wantRoom("bert", true)
			hasty := repeated(c.lines, hasty)
			who := r.dial()
			if !c.stranger {
				who.secure()
				who.protect()
				who.login()
			}
			r.govern(onePerSecond)
			who.do(200, "NOOP")
			if c.transfer {
				who.holdsATransfer()
			}
			f := who.floods(hasty)
			for range hasty {
				other.do(200, "NOOP")
			}
			if n := f.replies.Load(); n > int64(len(hasty)/2) {
				t.Errorf("%d of %d commands have been answered", n, len(hasty))
			}
			r.closeClients()
			<-f.over
		})
	}
}

func repeated(lines []string, n int) []string {
	return slices.Repeat(lines, n/len(lines))
}

// holdsATransfer begins a download without an end.
func (c *client) holdsATransfer() {
	c.t.Helper()
	c.rig.upstream.on("RETR", func(v *visit, _ string) { v.stalls(1000, "426 broken") })
	l := c.transfer("RETR endless")
	l.receive(bulk(1000))
}

// Which host a client has chosen counts from that moment on, and no longer than it
// does.
func TestLimitsFollowTheHost(t *testing.T) {
	const slowHosts = `
  limit "host" {
    hosts               = ["127.0.0.1", "slow.example.com"]
    commands_per_second = 1
  }`
	lines := repeated([]string{"NOOP"}, hasty)
	r := newRig(t, governed(t, slowHosts))
	other := r.wantRoom("bert", true)
	for name, walk := range map[string]func(*client){
		"HOST":            func(c *client) { c.do(220, "HOST 127.0.0.1") },
		"SNI":             func(c *client) { c.named("slow.example.com") },
		"HOST before SNI": func(c *client) { c.do(220, "HOST 127.0.0.1"); c.secure() },
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			c.t = t
			walk(c)
			f := c.floods(lines)
			for range lines {
				other.do(200, "NOOP")
			}
			if n := f.replies.Load(); n > hasty/2 {
				t.Errorf("%d of %d commands have been answered", n, hasty)
			}
			c.close()
			<-f.over
		})
	}
	for name, walk := range map[string]func(*client){
		"no host":      func(*client) {},
		"another host": func(c *client) { c.named("fast.example.com") },
		"REIN":         func(c *client) { c.named("slow.example.com"); c.reinitialise() },
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			c.t = t
			walk(c)
			c.say(lines...) // which would take minutes
			for range lines {
				c.hear(200)
			}
			c.close()
		})
	}
}

// named starts TLS with this name in its hello.
func (c *client) named(sni string) {
	c.t.Helper()
	c.config.ServerName, c.config.InsecureSkipVerify = sni, true
	c.secure()
}
