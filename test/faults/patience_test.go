package faults

import "testing"

// Servers with one thread answer NOOP only after the transfer, however long that
// takes: reply_timeout is no bound for it. Two sessions, one after the
// other, are the clock.
func TestLateReplyDuringALongTransferIsAwaited(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.ReplyTimeout = short })
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
