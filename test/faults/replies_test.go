package faults

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
)

func codes(list []int) string { return strings.Trim(fmt.Sprint(list), "[]") }

// Every byte of every reply in a segment of its own.
func TestRepliesInPieces(t *testing.T) {
	r := newRig(t)
	r.upstream.piecemeal.Store(true)
	r.upstream.greets("220-Welcome\r\n220-\r\n 220 not yet\r\n220 here\r\n")
	r.upstream.says("STAT", "211-a\r\n211-b\r\n 211 c\r\n\r\n2111 d\r\n211 e\r\n")
	c := r.session()
	if got, want := c.do(211, "STAT"), "211-a\r\n211-b\r\n 211 c\r\n\r\n2111 d\r\n211 e"; got != want {
		t.Errorf("%q instead of %q", got, want)
	}
	c.downloads(5000)
	c.uploads(5000)
	r.upstream.piecemeal.Store(false)
	r.recoversAfter(c)
}

// The orders in which an upstream may say 150, send, and say 226.
func TestOrdersOfADownload(t *testing.T) {
	for _, order := range []string{
		"150 data 226", "data 150 226", "150 226 data", "data 226", "150 data 250", "125 data 226", "data 125 250",
		"150 150 data 226",
	} {
		for _, active := range []bool{false, true} {
			for _, clear := range []bool{false, true} {
				name := order + map[bool]string{false: " passive", true: " active"}[active] +
					map[bool]string{false: " private", true: " clear"}[clear]
				t.Run(name, func(t *testing.T) { orderOfADownload(t, order, clear, upstreamMode(active)) })
			}
		}
	}
}

// The same from an upstream with TLS: there nothing can be sent before the 150,
// which the proxy's handshake awaits.
func TestOrdersOfAPrivateDownload(t *testing.T) {
	for _, order := range []string{"150 data 226", "150 226 data", "125 data 250", "150 150 data 226"} {
		for _, active := range []bool{false, true} {
			name := order + map[bool]string{false: " passive", true: " active"}[active]
			t.Run(name, func(t *testing.T) {
				orderOfADownload(t, order, false, upstreamMode(active), explicitly(t, tls.VersionTLS13))
			})
		}
	}
}

func orderOfADownload(t *testing.T, order string, clear bool, change ...func(*settings)) {
	r := newRig(t, append(change, allowClear)...)
	r.upstream.on("RETR", func(v *visit, _ string) {
		tcp, err := v.open()
		if err != nil {
			return
		}
		conn := v.secured(tcp)
		for _, step := range strings.Fields(order) {
			if step != "data" {
				v.reply(step + " so be it")
				continue
			}
			_, _ = conn.Write(bulk(30_000))
			_ = conn.Close()
		}
		_ = conn.Close()
	})
	c := r.open(clear)
	for range 2 {
		l := c.open(c.epsv())
		c.say("RETR a")
		c.hearOneOf(150, 125)
		l.receive(bulk(30_000))
		l.hearEnd()
		c.hearOneOf(226, 250)
	}
	r.recoversAfter(c)
}

// No 150, and nothing to send: the client gets its empty listing, whether the
// upstream opens a data connection or not.
func TestCompletionWithoutADataConnection(t *testing.T) {
	for _, opens := range []bool{false, true} {
		for _, active := range []bool{false, true} {
			for _, clear := range []bool{false, true} {
				name := fmt.Sprintf("opens %v, active %v, clear %v", opens, active, clear)
				t.Run(name, func(t *testing.T) {
					r := newRig(t, allowClear, upstreamMode(active))
					r.upstream.on("LIST", func(v *visit, _ string) {
						if opens {
							if conn, err := v.open(); err == nil {
								_ = conn.Close()
							}
						}
						v.reply("226 nothing there")
					})
					c := r.open(clear)
					l := c.open(c.epsv())
					c.say("LIST")
					l.receive(nil)
					l.hearEnd()
					c.hear(226)
					c.inStep()
					r.recoversAfter(c)
				})
			}
		}
	}
}

// A reply that nobody asked for is not given to the next command.
func TestUnsolicitedReplies(t *testing.T) {
	r := newRig(t)
	c := r.session()
	r.upstream.on("STAT", func(v *visit, _ string) {
		v.reply("211 status")
		v.reply("200 and another thing")
	})
	c.do(211, "STAT")
	r.meanwhile()
	c.inStep()
	r.recoversAfter(c)
}

// An unsolicited 421 retires everything that is outstanding.
func TestUnsolicited421(t *testing.T) {
	r := newRig(t)
	c := r.session()
	r.upstream.on("STAT", func(v *visit, _ string) { v.reply("421 shutting down") })
	c.say("STAT", "NOOP", "NOOP")
	if text := c.hear(421); text != "421 shutting down" {
		t.Errorf("%q is not what the upstream said", text)
	}
	c.hearEnd()
	r.recovers()
}

// gated has the upstream say each reply only when it is let: see let.
func (u *upstream) gated() {
	gate := make(chan struct{})
	u.gate.Store(&gate)
}

// let lets n replies go.
func (r *rig) let(n int) {
	r.t.Helper()
	for range n {
		select {
		case *r.upstream.gate.Load() <- struct{}{}:
		case <-time.After(patience):
			r.t.Fatal("the upstream has nothing to say")
		}
	}
}

// Each of the upstream's replies comes only when the client has heard all before
// it, and has long sent everything: nothing is said out of turn, or twice.
func TestDelayedReplies(t *testing.T) {
	for _, active := range []bool{false, true} {
		t.Run(map[bool]string{false: "passive", true: "active"}[active], func(t *testing.T) {
			r := newRig(t, upstreamMode(active))
			c := r.session()
			r.upstream.gated()
			c.say("TYPE I", "NOOP", "EPSV", "RETR 5000", "NOOP", "EPSV", "STOR a", "NOOP")
			for _, code := range []int{200, 200} {
				r.let(1)
				c.hear(code)
			}
			r.let(1)
			l := c.open(c.portOf(c.hear(229)))
			r.let(1)
			c.hear(150)
			l.receive(bulk(5000))
			r.let(2) // 226 and 200 in either order
			l.hearEnd()
			if ends := []int{c.hearOneOf(200, 226), c.hearOneOf(200, 226)}; ends[0] == ends[1] {
				t.Fatalf("%d came twice", ends)
			}
			r.let(1)
			l = c.open(c.portOf(c.hear(229)))
			r.let(1)
			c.hear(150)
			l.send(bulk(5000))
			l.end()
			r.let(2)
			if ends := []int{c.hearOneOf(200, 226), c.hearOneOf(200, 226)}; ends[0] == ends[1] {
				t.Fatalf("%d came twice", ends)
			}
			<-r.upstream.uploads
			r.upstream.gate.Store(nil)
			r.recoversAfter(c)
		})
	}
}
