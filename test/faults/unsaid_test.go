package faults

import "testing"

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
