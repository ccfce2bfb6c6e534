package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// A prover finds, among the connections that reach a transfer's port, the one
// that belongs to the session: RFC 4217 §10 leaves that to us.
//
// A clear leg belongs to the session by its address alone. A private one must
// end its TLS handshake, and a client's under session_reuse = "require" must have
// resumed this session's TLS; candidates are tried side by side, so that a stranger
// behind the same address who connects first and is silent holds nobody up.
type prover struct {
	side   side
	first  *net.TCPConn                      // a candidate that is here already; nil: none
	conns  <-chan *net.TCPConn               // the others; nil: the first was dialled by us, and is the only one
	over   <-chan struct{}                   // closed when nobody comes any more; nil: never
	secure func(context.Context, *leg) error // nil: the leg is clear
	within time.Duration                     // for a handshake
	// patient: the right one may still come after a candidate has failed.
	patient  bool
	turnAway func(*leg)
	proving
}

// proving is how far a prover has come.
type proving struct {
	results chan proof
	tried   int
	pending int
	last    error // why the latest candidate failed
}

type proof struct {
	leg *leg
	err error
}

const (
	// maxTries bounds the handshakes that one transfer may cost.
	maxTries = 16
	// proofGrace is how long the right peer may still take after a candidate
	// could not prove itself. It is short: the client that will never resume is
	// waiting for its 522.
	proofGrace = 2 * time.Second
)

// clientProver finds the client's leg.
func (c *carriage) clientProver() *prover {
	p := &prover{side: sideClient, within: c.limits.data, patient: c.spec.required, turnAway: endUnproven}
	if c.spec.private {
		p.secure = func(ctx context.Context, l *leg) (err error) {
			l.tls, err = c.binding.Data(ctx, l.wire, c.spec.upload)
			return err
		}
	}
	if c.client != nil {
		p.first, p.patient = c.client.tcp, false
	} else {
		p.conns = c.clientAccept.conns
	}
	return p
}

// upstreamProver finds the upstream's leg, of which one candidate is here. The proxy
// is TLS client there, whoever dialled (RFC 4217 §7). A candidate that turns out to
// be somebody else sees a reset: the upstream may be in the middle of STOR, and an
// end would look like an empty file.
func (c *carriage) upstreamProver() *prover {
	p := &prover{side: sideUpstream, first: c.upstream.tcp, over: c.final, within: c.limits.data, turnAway: breakUnproven}
	if c.upstreamAccept != nil {
		p.conns, p.patient = c.upstreamAccept.conns, true
	}
	if c.spec.origin != nil {
		p.secure = func(ctx context.Context, l *leg) (err error) {
			l.tls, err = c.spec.origin.Data(ctx, l.wire)
			return err
		}
	}
	return p
}

// endUnproven lets a peer read the alert that tells it why.
func endUnproven(l *leg) {
	l.mayEnd()
	_ = l.tcp.Close()
}

func breakUnproven(l *leg) { reset(l.tcp) }

// prove returns the leg, open and the caller's; every other candidate has been
// closed.
func (p *prover) prove(ctx context.Context) (*leg, error) {
	if p.secure == nil {
		return p.clear(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer p.closeLosers()
	defer cancel()
	p.results = make(chan proof, maxTries)
	if p.first != nil {
		p.try(ctx, p.first)
	}
	var grace <-chan time.Time
	var over <-chan struct{}
	for {
		if p.tried == maxTries {
			p.conns = nil
		}
		if p.pending == 0 && p.conns == nil {
			return nil, p.refusal()
		}
		select {
		case conn, ok := <-p.conns:
			if !ok {
				p.conns = nil
				continue
			}
			grace, over = nil, nil
			p.try(ctx, conn)
		case r := <-p.results:
			p.pending--
			if r.err == nil {
				return r.leg, nil
			}
			p.last = r.err
			if p.pending > 0 || p.tryQueued(ctx) {
				continue
			}
			if !p.patient {
				return nil, p.refusal()
			}
			grace, over = time.After(proofGrace), p.over
		case <-grace:
			return nil, p.refusal()
		case <-over:
			return nil, p.refusal()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// clear takes the first that comes.
func (p *prover) clear(ctx context.Context) (*leg, error) {
	if p.first != nil {
		return newLeg(p.side, p.first), nil
	}
	select {
	case conn, ok := <-p.conns:
		if !ok {
			return nil, errNeverOpened
		}
		return newLeg(p.side, conn), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// refusal says why there is no leg.
func (p *prover) refusal() error {
	switch {
	case p.last == nil:
		return errNeverOpened
	case p.side == sideUpstream:
		return p.last
	case errors.Is(p.last, tlsterm.ErrNotResumed):
		return fmt.Errorf("%w: %w", errUnprovenSender, p.last)
	default:
		return fmt.Errorf("%w: %w", errDataHandshake, p.last)
	}
}

func (p *prover) try(ctx context.Context, conn *net.TCPConn) {
	p.tried++
	p.pending++
	go p.handshake(ctx, conn)
}

// tryQueued tries one that is here and was not looked at yet.
func (p *prover) tryQueued(ctx context.Context) bool {
	select {
	case conn, ok := <-p.conns:
		if ok {
			p.try(ctx, conn)
		}
		return ok
	default:
		return false
	}
}

func (p *prover) handshake(ctx context.Context, conn *net.TCPConn) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.within, errNeverOpened)
	defer cancel()
	l := newLeg(p.side, conn)
	l.wire = newWire(conn)
	err := p.secure(ctx, l)
	if err != nil {
		p.turnAway(l)
		l.wire.release()
	}
	p.results <- proof{leg: l, err: err}
}

// closeLosers waits for the candidates still in their handshake, which the
// cancelled context has cut short.
func (p *prover) closeLosers() {
	for ; p.pending > 0; p.pending-- {
		if r := <-p.results; r.err == nil {
			p.turnAway(r.leg)
			r.leg.wire.release()
		}
	}
}
