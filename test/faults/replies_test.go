package faults

import (
	"fmt"
	"strings"
	"testing"
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
				t.Run(name, func(t *testing.T) { orderOfADownload(t, order, active, clear) })
			}
		}
	}
}

func orderOfADownload(t *testing.T, order string, active, clear bool) {
	r := newRig(t, allowClear, upstreamMode(active))
	r.upstream.on("RETR", func(v *visit, _ string) {
		conn, err := v.open()
		if err != nil {
			return
		}
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
