package faults

import (
	"errors"
	"io"
	"testing"
)

// Of a byte per second the first 1,024 come at once; the rest would take hours.
const ownTrickle = `
  limit "plenty" {
    rate_up   = "1GiB"
    rate_down = "1GiB"
  }
  limit "trickle" {
    users                 = ["anna"]
    rate_up_per_session   = "1B"
    rate_down_per_session = "1B"
  }`

// nothingComes begins a download that a rate holds up: while somebody else's files
// go through, not a byte of it comes.
func (r *rig) nothingComes(c, other *client) {
	r.t.Helper()
	sent := make(chan struct{})
	r.upstream.on("RETR", func(v *visit, argument string) {
		if argument != "held-up" {
			v.retrieve(argument)
			return
		}
		v.transfer(func(conn dataConn) error {
			_, err := conn.Write(bulk(10_000))
			close(sent)
			_, end := io.Copy(io.Discard, conn) // until it breaks
			return errors.Join(err, end)
		})
	})
	l := c.transfer("RETR held-up")
	came := make(chan int64, 1)
	go func() { // at once: a reset takes along what has not been read
		n, _ := io.Copy(io.Discard, l)
		came <- n
	}()
	<-sent
	r.goesThrough(other)
	c.say("ABOR")
	c.hear(426)
	c.hear(226)
	if n := <-came; n != 0 {
		r.t.Errorf("%d bytes came", n)
	}
	_ = l.tcp.Close()
}

// goesThrough moves enough for anybody who is not held up to move something.
func (r *rig) goesThrough(c *client) {
	r.t.Helper()
	for range 5 {
		c.downloads(50_000)
	}
}

// nothingPasses is nothingComes for an upload.
func (r *rig) nothingPasses(c, other *client) {
	r.t.Helper()
	opened := make(chan struct{})
	r.upstream.on("STOR", func(v *visit, name string) {
		v.transfer(func(conn dataConn) error {
			if name == "held-up" {
				close(opened)
			}
			return v.receive(name, conn)
		})
	})
	l := c.transfer("STOR held-up")
	l.send(bulk(10_000))
	<-opened
	r.goesThrough(other)
	c.say("ABOR")
	c.hear(426)
	c.hear(226)
	l.hearBroken()
	if u := <-r.upstream.uploads; u.name != "held-up" || len(u.data) != 0 || u.err == nil {
		r.t.Errorf("%d bytes of %s arrived, then %v", len(u.data), u.name, u.err)
	}
}

func (r *rig) user(name string, clear bool) *client {
	r.t.Helper()
	c := r.dial()
	if !clear {
		c.secure()
		c.protect()
	}
	if !c.isUser(name) {
		r.t.Fatalf("%s is not let in", name)
	}
	return c
}

// Each session has a rate of its own, up and down; what one has used up, another
// still has. The tightest of all that apply is felt.
func TestRateOfEachSession(t *testing.T) {
	for name, clear := range map[string]bool{"private": false, "clear": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, allowClear, governed(t, ownTrickle), func(s *settings) { s.ports = 5 })
			first, second, other := r.user("anna", clear), r.user("anna", clear), r.user("bert", clear)
			for _, c := range []*client{first, second} {
				c.downloads(1024)
				c.uploads(1024)
				if u := <-r.upstream.uploads; u.err != nil || len(u.data) != 1024 {
					t.Errorf("%d bytes, %v", len(u.data), u.err)
				}
				r.nothingComes(c, other)
				r.nothingPasses(c, other)
			}
			// Another login does not make it new.
			if !first.isUser("bert") || !first.isUser("anna") {
				t.Fatal("a second login fails")
			}
			r.nothingComes(first, other)
			r.govern("")
			r.recoversAfter(second)
		})
	}
}

// A reload changes the rate of a transfer that runs, from the session's next
// command on: at the old rate this file would take hours.
func TestReloadChangesARateOfEachSession(t *testing.T) {
	r := newRig(t, governed(t, "\n  limit \"own\" {\n    rate_down_per_session = \"1KiB\"\n  }"))
	c := r.session()
	l := c.transfer("RETR 30000000")
	l.receive(bulk(1024))
	r.govern("\n  limit \"own\" {\n    rate_down_per_session = \"1GiB\"\n  }")
	c.inStep()
	if n, err := io.Copy(io.Discard, l); n != 30_000_000-1024 || err != nil {
		t.Errorf("%d bytes, then %v", n, err)
	}
	_ = l.tcp.Close()
	c.hear(226)
	r.govern("")
	r.recoversAfter(c)
}

// Some upstreams take a second USER while a file moves. The file stays where it
// began: it still is one of the first user's sessions, and still takes from the
// first user's rate.
func TestATransferStaysInItsLimits(t *testing.T) {
	r := newRig(t, governed(t, `
  limit "annas" {
    users    = ["anna"]
    sessions = 2
  }`+trickle), func(s *settings) { s.ports = 5 })
	first := r.session()
	l := first.transfer("RETR 30000000")
	l.receive(bulk(1024))
	if !first.isUser("bert") {
		t.Fatal("bert is not let in")
	}
	second := r.wantRoom("anna", true)
	r.wantRoom("anna", false)
	r.nothingComes(second, r.wantRoom("bert", true))

	first.say("ABOR")
	first.hear(426)
	first.hear(226)
	l.hearBroken()
	r.wantRoom("anna", true)
	r.wantRoom("anna", false)
	first.downloads(50_000) // as bert
	r.govern("")
	r.recoversAfter(first)
}

// Whoever leaves and comes back finds the rate as it was: else a file in many
// small pieces would have none.
func TestRateOutlivesItsSessions(t *testing.T) {
	r := newRig(t, governed(t, `
  limit "one" {
    users    = ["anna"]
    sessions = 1
  }`+trickle), func(s *settings) { s.ports = 4 })
	other := r.wantRoom("bert", true)
	c := r.session()
	c.downloads(1024)
	c.do(221, "QUIT")
	c.hearEnd()
	eventually(t, func() bool { // until the first has left
		c = r.arrives()
		return c.isUser("anna")
	})
	r.nothingComes(c, other)
	r.govern("")
	r.recoversAfter(c)
}
