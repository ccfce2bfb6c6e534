package faults

import "testing"

// Servers with one thread answer NOOP only after the transfer, however long that
// takes: reply_timeout is no bound for it. Two sessions, one after the
// other, are the clock.
func TestLateReplyDuringALongTransferIsAwaited(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.ReplyTimeout = soon })
	over := make(chan struct{})
	c := r.session()
	l := c.transfer("STOR a")
	l.send(bulk(1000))
	r.upstream.on("NOOP", func(v *visit, _ string) { v.transfers.Wait(); v.reply("200 at last") })
	r.upstream.on("SYST", func(v *visit, _ string) { v.await(over) })
	c.say("NOOP")
	eventually(t, func() bool { return r.upstream.count("NOOP") == 1 })
	for range 2 {
		clock := r.session()
		clock.say("SYST")
		clock.hear(421)
	}
	close(over)
	l.send(bulk(1000))
	l.end()
	c.hear(226)
	c.hear(200)
	r.recoversAfter(c)
}

// An upstream that says 226 and then 421 has retired what it has not answered, but
// not the file, whose rest is under way: neither an unanswered command nor a new
// one may cut it short. Two other sessions are the clock again.
func TestFileOutlivesItsUpstreamsFarewell(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.ReplyTimeout = soon })
	over, farewell := make(chan struct{}), make(chan struct{})
	file := bulk(200_000)
	r.upstream.on("NOOP", func(*visit, string) {})
	r.upstream.on("SYST", func(v *visit, _ string) { v.await(over) })
	r.upstream.on("RETR", func(v *visit, _ string) {
		v.reply("150 here it comes")
		v.transfers.Go(func() {
			conn, err := v.open()
			if err != nil {
				t.Error(err)
				return
			}
			v.await(farewell)
			v.write("226 done\r\n421 bye\r\n")
			v.await(over)
			if _, err := conn.Write(file); err != nil {
				t.Error(err)
			}
			_ = conn.Close()
		})
	})
	c := r.session()
	l := c.transfer("RETR a")
	c.say("NOOP")
	eventually(t, func() bool { return r.upstream.count("NOOP") == 1 })
	close(farewell)
	clock := r.session()
	clock.say("SYST")
	clock.hear(421)
	c.say("NOOP")
	clock = r.session()
	clock.say("SYST")
	clock.hear(421)
	if n := r.upstream.count("NOOP"); n != 1 {
		t.Errorf("%d commands were said to an upstream that had ended the session", n-1)
	}
	close(over)
	l.receive(file)
	l.hearEnd()
	c.hear(226)
	c.hear(421)
	c.hearEnd()
}
