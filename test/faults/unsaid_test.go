package faults

import (
	"testing"

	"go.uber.org/zap/zapcore"
)

// Pure-FTPd ends a download that broke with a second 150 instead of a final
// reply: the client hears that it broke, and the session goes on.
func TestSecondPreliminaryReplyEndsABrokenDownload(t *testing.T) {
	for _, final := range []string{"150 0.002 seconds", "150 0.002 seconds\r\n426 broken after all"} {
		t.Run(final, func(t *testing.T) {
			r := newRig(t)
			r.upstream.on("RETR", func(v *visit, _ string) { v.stalls(4000, final) })
			c := r.session()
			l := c.transfer("RETR a")
			l.receive(bulk(4000))
			reset(l.tcp)
			c.hear(426)
			eventually(t, func() bool { return r.upstream.count("NOOP") == 1 })
			r.recoversAfter(c)
		})
	}
}

// A second 150 while both legs stand says nothing.
func TestSecondPreliminaryReplyOfARunningDownload(t *testing.T) {
	r := newRig(t)
	r.upstream.on("RETR", func(v *visit, _ string) {
		v.reply("150 here it comes")
		v.retrieve("70000")
	})
	c := r.session()
	l := c.transfer("RETR a")
	l.receive(bulk(70_000))
	l.hearEnd()
	c.hear(226)
	if n := r.upstream.count("NOOP"); n != 0 {
		t.Errorf("%d NOOP went upstream, want none", n)
	}
	r.recoversAfter(c)
}

// An upstream that hangs up without a word is what an operator wants to read
// about; a client that does so is everyday life.
func TestLostUpstreamIsLogged(t *testing.T) {
	for _, client := range []bool{false, true} {
		t.Run(map[bool]string{false: "upstream leaves", true: "client leaves"}[client], func(t *testing.T) {
			r := newRig(t)
			r.upstream.on("NOOP", func(v *visit, _ string) { v.drop() })
			c := r.session()
			if client {
				c.close()
			} else {
				c.do(421, "NOOP")
			}
			eventually(t, func() bool { return r.logged("session ended") == 1 })
			want := map[bool]zapcore.Level{false: zapcore.WarnLevel, true: zapcore.InfoLevel}[client]
			if e := r.log.FilterMessage("session ended").All()[0]; e.Level != want {
				t.Errorf("logged as %s: %v", e.Level, e.ContextMap())
			}
			r.recovers()
		})
	}
}

// An upstream that answers commands while it is still at the file: NOOP, which
// asks whether the transfer is over, has its answer before the final reply, which
// must not be taken for that to another command.
func TestFinalReplyBehindTheAnswerThatItWasMissing(t *testing.T) {
	for _, final := range []string{"426 broken after all", "451 broken after all", "226 done, nevertheless", ""} {
		t.Run(final, func(t *testing.T) {
			r := newRig(t)
			r.upstream.on("RETR", func(v *visit, _ string) { v.stalls(4000, "150 0.002 seconds") })
			r.upstream.on("CWD", func(v *visit, _ string) {
				if final != "" {
					v.reply(final)
				}
				v.reply("250 CWD")
			})
			c := r.session()
			for range 2 {
				l := c.transfer("RETR a")
				l.receive(bulk(4000))
				reset(l.tcp)
				c.hear(426)
				c.do(200, "STAT")
				c.do(250, "CWD /")
				c.inStep()
			}
			r.recoversAfter(c)
		})
	}
}
