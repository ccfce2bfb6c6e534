package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A carriage is a transfer under way: the goroutine's own half of it.
type carriage struct {
	*transfer
	client, upstream *leg
	watcher          chan struct{} // closed when the receiving leg's reader has ended
	pumped           atomic.Bool   // the last byte was handed to the receiving leg
	throttled        atomic.Bool   // the pump waits because of a rate
	truncated        bool
}

// carry takes a transfer from its command to the end of both legs, and returns
// the bytes moved. What went wrong is in t.failure; then both legs have been
// reset, so that neither side can take what it got for the whole.
func (c *carriage) carry(ctx context.Context) int64 {
	if !c.openDialled(ctx) {
		c.closeLegs()
		return 0
	}
	c.events <- eventOpen
	select {
	case <-c.begun:
	case <-ctx.Done():
		c.fail(sideUpstream, "await preliminary reply", context.Cause(ctx))
		if errors.Is(context.Cause(ctx), errRefused) {
			c.closeLegs()
		} else {
			c.resetLegs() // the upstream may have begun: an end must not look like an empty file
		}
		return 0
	}
	if c.implied.Load() && !c.spec.upload {
		return c.carryImplied(ctx)
	}
	if !c.openRest(ctx) {
		c.settled.Store(true)
		c.resetLegs()
		return 0
	}
	return c.move(ctx)
}

// openDialled waits for the legs that we dial. Only then does the upstream hear
// the command: a STOR whose data cannot come would empty the file for nothing.
func (c *carriage) openDialled(ctx context.Context) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.data, errNeverOpened)
	defer cancel()
	if c.upstreamDial != nil {
		conn, err := c.upstreamDial.take(ctx)
		if err != nil {
			c.fail(sideUpstream, stepOpen, err)
			return false
		}
		c.upstream = newLeg(sideUpstream, conn)
	}
	if c.clientDial != nil {
		conn, err := c.clientDial(ctx)
		if err != nil {
			c.fail(sideClient, stepOpen, err)
			return false
		}
		c.client = newLeg(sideClient, conn)
	}
	return true
}

// openRest takes the legs that are dialled to us, and makes private what is to
// be. Both handshakes run side by side: each is a round trip and a signature.
func (c *carriage) openRest(ctx context.Context) bool {
	if c.upstream == nil {
		conn, err := c.awaitUpstream(ctx)
		if err != nil {
			c.fail(sideUpstream, stepOpen, err)
			return false
		}
		c.upstream = newLeg(sideUpstream, conn)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	secured := make(chan bool, 1)
	go c.secureBeside(ctx, cancel, secured)
	opened := c.openClient(ctx)
	if !opened {
		cancel() // ends the upstream's handshake
	}
	if !<-secured || !opened {
		return false
	}
	c.opened.Store(true)
	c.release() // one data connection per PASV: the port is free while the file moves
	return true
}

// secureBeside secures the upstream's leg while the client's is opened. If that fails,
// a client that is silent so far need not be waited for.
func (c *carriage) secureBeside(ctx context.Context, cancel context.CancelFunc, secured chan<- bool) {
	ok := c.secureUpstream(ctx)
	if !ok {
		cancel()
	}
	secured <- ok
}

func (c *carriage) secureUpstream(ctx context.Context) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.data, errNeverOpened)
	defer cancel()
	leg, err := c.upstreamProver().prove(ctx)
	if err != nil {
		c.fail(sideUpstream, stepOpen, err)
		return false
	}
	c.upstream = leg
	return true
}

func (c *carriage) openClient(ctx context.Context) bool {
	leg, err := c.clientProver().prove(ctx)
	if err != nil {
		c.fail(sideClient, stepOpen, err)
		return false
	}
	c.client = leg
	return true
}

func (c *carriage) awaitUpstream(ctx context.Context) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.data, errNeverOpened)
	defer cancel()
	select {
	case conn, ok := <-c.upstreamAccept.conns:
		if !ok {
			return nil, errNeverOpened
		}
		return conn, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// move carries the file and ends both legs.
func (c *carriage) move(ctx context.Context) int64 {
	from, to := c.upstream, c.client
	if c.spec.upload {
		from, to = to, from
	}
	stop := context.AfterFunc(ctx, func() {
		c.breakOff(sideClient, "transfer", context.Cause(ctx))
	})
	defer stop()
	w := c.watchForStall()
	defer w.stop()
	c.watcher = make(chan struct{})
	go c.watch(to)

	p := pump{from: from, to: to, bounds: c.spec.bounds, waiting: &c.throttled}
	bytes, err := p.run(ctx)
	c.settled.Store(from.side == sideUpstream)
	if err == nil {
		c.pumped.Store(true)
		err = c.finish(from, to)
	}
	c.settled.Store(true)
	if err != nil {
		c.breakOff(sideOr(err, from.side), "transfer", err)
	}
	if c.failure.Load() != nil {
		c.resetLegs()
		<-c.watcher
	}
	return bytes
}

// sideOr is the side that err names, or else s.
func sideOr(err error, s side) side {
	var se *sideError
	if errors.As(err, &se) {
		return se.Side
	}
	return s
}

// finish judges the end of the file, and passes it on.
func (c *carriage) finish(from, to *leg) error {
	from.mayEnd()
	if from.tls == nil || from.truncated() {
		// Upstreams that wait for our end before their final word would wait for as
		// long as we wait for that word.
		_ = from.tcp.CloseWrite()
		if !c.believable(from.side) {
			return atSide(from.side, "read", errControlGone)
		}
	}
	if from.truncated() {
		// Of clients the operator may tolerate it; a server that ends TLS owes
		// its close_notify (RFC 8446 §6.1), and a FIN anybody can forge.
		if !c.spec.upload || c.spec.truncation == TruncationFail {
			return atSide(from.side, "read", errTruncated)
		}
		c.truncated = true
	}
	to.mayEnd()
	if err := to.closeWrite(); err != nil && (c.spec.upload || !to.delivered()) {
		return atSide(to.side, "write", err)
	}
	// Clients that end TLS in both directions wait for our close_notify before
	// they close (Python's unwrap). The file is through: errors no longer matter.
	_ = from.closeWrite()
	_ = from.tcp.Close()
	return nil
}

const (
	// wordTime is how long the end of a clear file waits for the upstream's word on
	// it, which is on its way or has gone astray with its control connection.
	wordTime = 100 * time.Millisecond
	// byeTime is how long it waits for the end of the client's control connection,
	// which the kernel of a client that died sends along with the data connection's.
	byeTime, byeTick = 10 * time.Millisecond, time.Millisecond
)

// believable judges the end of a file that no close_notify proves. A peer that
// died mid-file ends both its connections, and the end of the data connection
// alone looks like the end of the file. The two need not arrive in order.
func (c *carriage) believable(s side) bool {
	if s == sideUpstream {
		timer := time.NewTimer(wordTime)
		defer timer.Stop()
		select {
		case <-c.final:
		case <-timer.C:
		}
		if c.complete.Load() {
			return true // all of it had been sent by then, whatever has ended since
		}
		return !c.spec.ended(s)
	}
	for waited := time.Duration(0); waited < byeTime; waited += byeTick {
		if c.spec.ended(s) {
			return false
		}
		<-time.After(byeTick)
	}
	return !c.spec.ended(s)
}

// watch reads the receiving leg: it takes in TLS tickets, drops what flows the
// wrong way and notices a reset while we wait for the sender. An end of stream
// alone is no reason to stop: the peer may have closed only its sending half.
func (c *carriage) watch(to *leg) {
	defer close(c.watcher)
	err := discard(to)
	switch {
	case err != nil && !c.pumped.Load():
		c.breakOff(to.side, "read", err)
	case err != nil:
		// The file is through, and our TLS has ended: it answers no KeyUpdate any
		// more. But the peer may not have read to the end, and a leg that is closed
		// with something unread in it is reset.
		_, _ = io.Copy(io.Discard, to.tcp)
	}
}

// breakOff resets both legs, which wakes whoever reads or writes them, and ends
// the wait for a rate, which holds up others who share it.
func (c *carriage) breakOff(s side, step string, err error) {
	c.fail(s, step, err)
	c.abandon(err)
	reset(c.client.tcp)
	reset(c.upstream.tcp)
}

// closeLegs ends legs that carried nothing, so that there is nothing to break.
func (c *carriage) closeLegs() {
	for _, l := range []*leg{c.client, c.upstream} {
		if l != nil {
			l.mayEnd()
			_ = l.tcp.Close()
		}
	}
}

func (c *carriage) resetLegs() {
	for _, l := range []*leg{c.client, c.upstream} {
		if l != nil {
			reset(l.tcp)
		}
	}
}

// lingerTime is how long the receiver of a file may take to close its side, once it
// takes no more of the file.
const lingerTime = 5 * time.Second

// linger waits until the receiving side has closed: closing first could turn
// its close_notify into a reset that takes away bytes it has not read. If many
// legs linger already the wait is left out.
func (c *carriage) linger(ctx context.Context, lingering chan struct{}) {
	defer c.releaseLegs()
	if c.watcher == nil {
		return
	}
	if c.failure.Load() != nil {
		// It may have come while the legs were ending, and move has not waited.
		c.resetLegs()
		<-c.watcher
		return
	}
	to := c.client
	if c.spec.upload {
		to = c.upstream
	}
	select {
	case lingering <- struct{}{}:
		c.outwait(ctx, to)
		<-lingering
	default:
	}
	_ = to.tcp.Close()
	<-c.watcher
}

// outwait waits for the receiver's end, as long as it still takes what the kernel
// keeps for it. Until then its final reply is not due.
func (c *carriage) outwait(ctx context.Context, to *leg) {
	every := min(lingerTime, c.limits.stall/stallChecks)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last, idle := moved(to.tcp), time.Duration(0)
	for idle < lingerTime {
		select {
		case <-c.watcher:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		idle += every
		if now := moved(to.tcp); now != last {
			last, idle = now, 0
			c.taken.Store(time.Now().UnixNano())
		}
	}
}

func (c *carriage) releaseLegs() {
	for _, l := range []*leg{c.client, c.upstream} {
		if l == nil {
			continue
		}
		_ = l.tcp.Close()
		if l.wire != nil {
			l.wire.release()
		}
	}
}
