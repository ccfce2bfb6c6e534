package faults

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

func TestUpstreamThatNeverAnswersEndsTheSession(t *testing.T) {
	for _, verb := range []string{"USER", "PASS", "NOOP", "PASV", "FEAT", "RETR", "STOR", "QUIT"} {
		t.Run(verb, func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.limits.ReplyTimeout = soon })
			over := make(chan struct{})
			r.upstream.on(verb, func(v *visit, _ string) { v.await(over) })
			c := r.dial()
			c.secure()
			c.protect()
			for _, step := range []struct {
				code int
				line string
			}{{331, "USER anna"}, {230, "PASS secret"}, {229, "EPSV"}} {
				if step.line[:4] == verb || step.line == "EPSV" && verb == "PASV" {
					break
				}
				c.do(step.code, step.line)
			}
			if verb == "PASV" {
				c.say("EPSV")
			} else {
				c.say(verb + " a")
			}
			c.hear(421)
			c.hearEnd()
			close(over)
			r.recovers()
		})
	}
}

func TestUpstreamWithoutGreetingEndsTheSession(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.ReplyTimeout = soon })
	r.upstream.greets("220-wel")
	c := r.dial()
	c.secure()
	c.do(421, "USER anna")
	c.hearEnd()
	r.recovers()
}

// All bytes are through and the upstream says nothing more.
func TestUpstreamWithoutFinalReplyEndsTheSession(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.StallTimeout = short })
	r.upstream.on("RETR", func(v *visit, argument string) {
		v.reply("150 here it comes")
		conn, err := v.open()
		if err != nil {
			return
		}
		_, _ = conn.Write(bulk(5000))
		_ = conn.Close()
	})
	c := r.session()
	l := c.transfer("RETR a")
	l.receive(bulk(5000))
	l.hearEnd()
	c.hear(421)
	c.hearEnd()
	r.recovers()
}

func TestIdleSessionEnds(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.IdleTimeout = soon })
	c := r.session()
	c.hear(421)
	c.hearEnd()
	r.recovers()
}

// A transfer longer than the idle timeout goes on: the second session, begun
// later, is the clock.
func TestTransferIsNotIdle(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.IdleTimeout = soon })
	c := r.session()
	l := c.transfer("STOR a")
	l.send(bulk(1000))
	idle := r.session()
	idle.hear(421)
	idle.hearEnd()
	l.send(bulk(1000))
	l.end()
	c.hear(226)
	c.inStep()
	r.recovers()
}

// A transfer longer than the reply timeout, with commands that the upstream
// answers only after it: their time begins then. The second session is the clock.
func TestLateRepliesDuringALongTransfer(t *testing.T) {
	for _, upload := range []bool{true, false} {
		t.Run(map[bool]string{true: "upload", false: "download"}[upload], func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.limits.ReplyTimeout = soon })
			r.upstream.numbered(true)
			over := make(chan struct{})
			r.upstream.on("SYST", func(v *visit, _ string) { v.await(over) })
			c := r.session()
			// More than fits into the sockets: it runs until it is read.
			const size = 32 << 20
			l := c.transfer(map[bool]string{true: "STOR a", false: fmt.Sprintf("RETR %d", size)}[upload])
			c.say("NOOP 0", "STAT 1")
			clock := r.session()
			clock.say("SYST")
			clock.hear(421)
			clock.hearEnd()
			close(over)
			if upload {
				l.send(bulk(1000))
				l.end()
			} else {
				l.receive(bulk(size))
				l.hearEnd()
			}
			c.hearsNumbered(2, true)
			_ = l.tcp.Close()
			r.recoversAfter(c)
		})
	}
}

// Once the transfer is over, an upstream has no more than its time.
func TestNoReplyAfterATransfer(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.ReplyTimeout = soon })
	over := make(chan struct{})
	r.upstream.on("NOOP", func(v *visit, _ string) { v.await(over) })
	c := r.session()
	l := c.transfer("STOR a")
	c.say("NOOP")
	l.send(bulk(1000))
	l.end()
	c.hear(226)
	c.hear(421)
	c.hearEnd()
	close(over)
	r.recovers()
}

func TestLoginTimeout(t *testing.T) {
	for name, walk := range map[string]func(*client){
		"before a command":     func(*client) {},
		"in clear text":        func(c *client) { c.do(200, "NOOP") },
		"after TLS":            func(c *client) { c.secure() },
		"before PASS":          func(c *client) { c.secure(); c.do(331, "USER anna") },
		"after a failed login": func(c *client) { c.secure(); c.do(331, "USER anna"); c.do(530, "PASS wrong") },
		"by asking REIN":       func(c *client) { c.do(220, "REIN"); c.do(220, "REIN") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.limits.LoginTimeout = soon })
			r.upstream.on("PASS", func(v *visit, _ string) { v.reply("530 wrong") })
			c := r.dial()
			walk(c)
			c.hear(421)
			c.hearEnd()
			r.recovers()
		})
	}
}

// A client that never logs in cannot buy time with REIN: without an end, this
// test would not end.
func TestREINDoesNotProlongALogin(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.LoginTimeout = soon })
	c := r.dial()
	for end := time.Now().Add(patience); ; {
		if err := c.trySay("REIN"); err != nil {
			break
		}
		code, _, err := c.reply()
		if err != nil || code == 421 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a session without a login does not end")
		}
	}
	r.recovers()
}

// TLS may come long after the login, where clear text is allowed.
func TestLoginTimeoutBeginsAnewWithAUTH(t *testing.T) {
	r := newRig(t, allowClear, func(s *settings) { s.limits.LoginTimeout = soon })
	c := r.clear()
	late := r.dial()
	late.hear(421) // by now the time for c's first login is over as well
	late.hearEnd()
	c.secure()
	c.protect()
	c.login()
	c.downloads(1000)
	r.recoversAfter(c)
}

func TestLoginTimeoutInsideAnImplicitHandshake(t *testing.T) {
	r := newRig(t, implicit, func(s *settings) { s.limits.LoginTimeout = soon })
	c := r.connect()
	c.hearNoReply()
	c = r.connect()
	_, _ = c.tcp.Write([]byte{22, 3, 1, 2, 0, 1})
	c.hearNoReply()
	r.recovers()
}

func implicit(s *settings) { s.listener.TLS.Mode = proxy.TLSImplicit }

func TestTooManyFailedLoginsEndTheSession(t *testing.T) {
	for name, between := range map[string]func(*client){
		"in a row":  func(*client) {},
		"with REIN": func(c *client) { c.reinitialise(); c.secure() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.upstream.says("PASS", "530 wrong\r\n")
			c := r.dial()
			c.secure()
			for i := range proxy.DefaultLimits().LoginFailures {
				if i > 0 {
					between(c)
				}
				c.do(331, "USER anna")
				c.do(530, "PASS guess")
			}
			c.hear(421)
			c.hearEnd()
			r.recovers()
		})
	}
}

func TestTooManySessions(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.Sessions = 2 })
	first, second := r.session(), r.session()
	for range 5 {
		late := r.connect()
		late.hear(421)
		late.hearEnd()
	}
	second.do(221, "QUIT")
	second.hearEnd()
	eventually(t, func() bool { return r.isLetIn("") })
	r.recoversAfter(first)
}

// isLetIn tells whether a client from this address is greeted.
func (r *rig) isLetIn(host string) bool {
	r.t.Helper()
	conn, err := dialFrom(host, r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &client{rig: r, t: r.t, tcp: conn}
	c.use(conn)
	defer c.close()
	return c.hearOneOf(220, 421) == 220
}

func TestTooManySessionsOfOneClient(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.SessionsPerClient = 1 })
	first := r.session()
	if r.isLetIn("") {
		t.Error("a second session of the same client is let in")
	}
	if !r.isLetIn("127.0.0.2") {
		t.Error("another client is turned away")
	}
	first.do(221, "QUIT")
	first.hearEnd()
	eventually(t, func() bool { return r.isLetIn("") })
	r.recovers()
}

// On an implicit listener clear text means nothing: the connection just ends.
func TestTooManySessionsOnAnImplicitListener(t *testing.T) {
	r := newRig(t, implicit, func(s *settings) { s.limits.Sessions = 1 })
	first := r.session()
	late := r.connect()
	if heard, err := io.ReadAll(late.reader); len(heard) > 0 || isTimeout(err) {
		t.Fatalf("%q, %v", heard, err)
	}
	r.recoversAfter(first)
}

// A client that stops reading, and one that stops sending, while the upstream
// goes on; an upstream that stops. In all cases both legs are reset.
func TestStalledTransfers(t *testing.T) {
	for _, clear := range []bool{false, true} {
		suffix := map[bool]string{false: " private", true: " clear"}[clear]
		t.Run("client does not read"+suffix, func(t *testing.T) {
			r := newRig(t, allowClear, func(s *settings) { s.limits.StallTimeout = short })
			broke := r.upstream.endless("226 done")
			c := r.open(clear)
			l := c.transfer("RETR a")
			if !clear {
				l.handshake()
			}
			wantReset(t, <-broke)
			c.hear(426)
			l.hearBroken()
			r.recoversAfter(c)
		})
		t.Run("upstream does not send"+suffix, func(t *testing.T) {
			r := newRig(t, allowClear, func(s *settings) { s.limits.StallTimeout = short })
			r.upstream.on("RETR", func(v *visit, _ string) { v.stalls(1000, "426 broken") })
			c := r.open(clear)
			l := c.transfer("RETR a")
			l.receive(bulk(1000))
			l.hearBroken()
			c.hear(426)
			r.recoversAfter(c)
		})
		t.Run("upstream does not read"+suffix, func(t *testing.T) {
			r := newRig(t, allowClear, func(s *settings) { s.limits.StallTimeout = short })
			r.upstream.on("STOR", func(v *visit, _ string) { v.stalls(0, "426 broken") })
			c := r.open(clear)
			l := c.transfer("STOR a")
			l.writesUntilItBreaks()
			c.hear(426)
			r.recoversAfter(c)
		})
	}
}

// Slow is not stalled: a few bytes again and again, for longer than the stall
// timeout in all.
func TestSlowTransferIsNotStalled(t *testing.T) {
	for _, clear := range []bool{false, true} {
		r := newRig(t, allowClear, func(s *settings) { s.limits.StallTimeout = short })
		c := r.open(clear)
		l := c.transfer("STOR a")
		tick := time.NewTicker(short / 8)
		sent := 0
		for end := time.Now().Add(2 * short); time.Now().Before(end); <-tick.C {
			l.send([]byte{byte(sent)})
			sent++
		}
		tick.Stop()
		l.end()
		c.hear(226)
		if up := <-r.upstream.uploads; up.err != nil || len(up.data) != sent {
			t.Fatalf("%d of %d bytes arrived, then %v", len(up.data), sent, up.err)
		}
		r.recoversAfter(c)
	}
}
