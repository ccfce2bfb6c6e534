package faults

import (
	"io"
	"regexp"
	"strings"
	"testing"
)

// Invariant 8: nothing crosses from clear text to TLS. What stands behind AUTH
// in the same segment was sent by somebody who did not wait for the 234: it ends
// the session, and the upstream hears none of it.
func TestInvariant8BytesBehindAUTHEndTheSession(t *testing.T) {
	for name, injected := range map[string]string{
		"a command":          "USER anna\r\n",
		"several commands":   "USER anna\r\nPASS secret\r\nDELE a\r\n",
		"part of a command":  "USER an",
		"one byte":           "\x16",
		"a ClientHello":      "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
		"another AUTH":       "AUTH TLS\r\n",
		"an empty line":      "\r\n",
		"too long a command": strings.Repeat("x", 10_000) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, allowClear)
			c := r.dial()
			if _, err := c.tcp.Write([]byte("AUTH TLS\r\n" + injected)); err != nil {
				t.Fatal(err)
			}
			c.hear(421)
			c.hearEnd()
			if n := r.upstream.visited(); n != 0 {
				t.Errorf("the upstream was contacted %d times", n)
			}
			r.recovers()
		})
	}
}

// Sent a moment later, the same bytes are no ClientHello.
func TestInvariant8ClearTextAfterTheReplyToAUTH(t *testing.T) {
	r := newRig(t, allowClear)
	c := r.dial()
	c.do(234, "AUTH TLS")
	c.say("USER anna", "PASS secret")
	c.hearNoReply()
	if n := r.upstream.visited(); n != 0 {
		t.Errorf("the upstream was contacted %d times", n)
	}
	r.recovers()
}

// hearNoReply wants the connection to end. What comes before that, if anything,
// are records of TLS and no reply.
func (c *client) hearNoReply() {
	c.t.Helper()
	heard, err := io.ReadAll(c.reader)
	if isTimeout(err) {
		c.t.Fatal("the control connection does not end")
	}
	if regexp.MustCompile(`[1-6]\d\d[ -][ -~]*\r\n`).Match(heard) {
		c.t.Fatalf("clear text after the promise of TLS: %q", heard)
	}
	c.close()
}

func TestLongCommandLinesAreSkipped(t *testing.T) {
	r := newRig(t)
	c := r.session()
	long := "STOR " + strings.Repeat("a", 10_000)
	for range 3 {
		c.do(500, long)
		c.inStep()
	}
	c.do(500, long)
	c.do(500, long)
	c.do(500, long)
	if r.upstream.count("STOR") != 0 {
		t.Error("part of a long line has reached the upstream")
	}
	r.recoversAfter(c)
}

func TestLongCommandLinesAgainAndAgainEndTheSession(t *testing.T) {
	for _, secure := range []bool{false, true} {
		r := newRig(t)
		c := r.dial()
		if secure {
			c.secure()
		}
		long := strings.Repeat("a", 10_000)
		c.say(long, long, long, long)
		c.hear(500)
		c.hear(500)
		c.hear(500)
		c.hear(421)
		c.hearEnd()
		r.recovers()
	}
}

// A line without an end costs no memory, and patience is bounded.
func TestEndlessLine(t *testing.T) {
	r := newRig(t)
	c := r.session()
	c.do(500, strings.Repeat("a", 512<<10))
	c.inStep()
	part := []byte(strings.Repeat("a", 64<<10))
	for err := error(nil); err == nil; _, err = c.conn.Write(part) {
		if n := r.upstream.count("A"); n != 0 {
			t.Fatal("part of a long line has reached the upstream")
		}
	}
	r.recovers()
}

func TestControlBytesInCommandsAreRefused(t *testing.T) {
	for name, line := range map[string]string{
		"NUL":                      "DELE a\x00b",
		"NUL at the end":           "DELE a\x00",
		"bare CR":                  "DELE a\rDELE b",
		"bare CR at the end":       "DELE a\r",
		"bare CR in the verb":      "DE\rLE a",
		"NUL in front":             "\x00DELE a",
		"smuggled second command":  "NOOP\rDELE b",
		"smuggled after an escape": "NOOP \xff\xf4\rDELE b",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := r.session()
			c.do(501, line)
			c.inStep()
			if n := r.upstream.count("DELE"); n != 0 {
				t.Error("a refused line has reached the upstream")
			}
			r.recoversAfter(c)
		})
	}
}

func TestTooLargeGreetingEndsTheSession(t *testing.T) {
	for name, greeting := range map[string]string{
		"one line":      "220 " + strings.Repeat("x", 2<<20) + "\r\n",
		"many lines":    "220-\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 2<<20/100) + "220 end\r\n",
		"endless lines": "220-\r\n" + strings.Repeat("220-\r\n", 2<<20/6),
		"no line end":   strings.Repeat("2", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.upstream.greets(greeting)
			c := r.dial()
			c.secure()
			c.do(421, "USER anna")
			c.hearEnd()
			r.recovers()
		})
	}
}

func TestGreetingsThatAreNoWelcome(t *testing.T) {
	for name, greeting := range map[string]string{
		"421":      "421 too many users\r\n",
		"530":      "530 not today\r\n",
		"unframed": "SSH-2.0-OpenSSH_9.2\r\n",
		"an end":   "",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.upstream.greets(greeting)
			c := r.dial()
			c.secure()
			c.do(421, "USER anna")
			c.hearEnd()
			r.recovers()
		})
	}
}
