package proxy

import (
	"context"
	"errors"
	"io"
	"time"
)

// Some upstreams end a transfer with 226 and never say 150, mostly for empty
// listings, and often without opening the data connection. Their reply came
// first, so what there is to send has been sent or is on its way.

// impliedGrace is how long either side may take over a data connection whose
// final reply has come without a preliminary one.
const impliedGrace = time.Second

// carryImplied carries a download or listing that the upstream reported complete
// without a preliminary reply.
func (c *carriage) carryImplied(ctx context.Context) int64 {
	first, err := c.firstBytes(ctx)
	if err != nil {
		c.fail(sideUpstream, "read", err)
		c.settled.Store(true)
		c.resetLegs()
		return 0
	}
	if len(first) == 0 {
		c.endEmpty(ctx)
		return 0
	}
	// Clients that wait for 150 before their hello would wait for ever.
	c.events <- eventUnannounced
	c.upstream.first = first
	if !c.openClient(ctx) {
		c.resetLegs()
		return 0
	}
	c.release()
	return c.move(ctx)
}

// firstBytes returns what the upstream has sent, or nothing if it has ended its
// leg, never opened it, never started TLS on it, or is silent. Once TLS stands,
// nothing but close_notify is believed to be the end of an empty listing.
func (c *carriage) firstBytes(ctx context.Context) ([]byte, error) {
	if c.upstream == nil {
		ctx, cancel := context.WithTimeout(ctx, impliedGrace)
		defer cancel()
		conn, err := c.awaitUpstream(ctx)
		if err != nil {
			return nil, nil
		}
		c.upstream = newLeg(sideUpstream, conn)
	}
	ctx, cancel := context.WithTimeout(ctx, impliedGrace)
	defer cancel()
	p := c.upstreamProver()
	p.turnAway = endUnproven // of a download that is complete: nothing can look broken
	leg, err := p.prove(ctx)
	if err != nil {
		return nil, nil
	}
	c.upstream = leg
	buf := make([]byte, 4096)
	_ = c.upstream.tcp.SetReadDeadline(time.Now().Add(impliedGrace))
	n, err := c.upstream.Read(buf)
	_ = c.upstream.tcp.SetReadDeadline(time.Time{})
	switch {
	case n > 0 || c.upstream.tls == nil:
		return buf[:n], nil
	case !errors.Is(err, io.EOF):
		return nil, err
	case c.upstream.truncated():
		return nil, errTruncated
	default:
		return nil, nil
	}
}

// endEmpty ends a transfer without a byte. A client that has begun its TLS
// handshake gets to end it; one that has not sees its leg closed.
func (c *carriage) endEmpty(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, impliedGrace)
	defer cancel()
	if leg, err := c.clientProver().prove(ctx); err == nil {
		c.client = leg
		leg.mayEnd()
		_ = leg.closeWrite()
	}
	if c.upstream != nil {
		c.upstream.mayEnd()
		_ = c.upstream.tcp.Close()
	}
}
