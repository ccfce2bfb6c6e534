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
// end its TLS handshake, and under session_reuse = "require" must have resumed
// this session's TLS; candidates are tried side by side, so that a stranger
// behind the same address who connects first and is silent holds nobody up.
type prover struct {
	*transfer
	dialled *net.TCPConn // the leg was dialled by us: the only candidate

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
	// proofGrace is how long the right client may still take after a candidate
	// could not prove itself. It is short: the client that will never resume is
	// waiting for its 522.
	proofGrace = 2 * time.Second
)

// prove returns the client's leg, open and the caller's; every other candidate
// has been closed.
func (p *prover) prove(ctx context.Context) (*leg, error) {
	candidates := p.candidates()
	if !p.spec.private {
		return p.first(ctx, candidates)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer p.closeLosers()
	defer cancel()
	p.results = make(chan proof, maxTries)
	var grace <-chan time.Time
	for {
		if p.tried == maxTries {
			candidates = nil
		}
		if p.pending == 0 && candidates == nil {
			return nil, p.refusal()
		}
		select {
		case conn, ok := <-candidates:
			if !ok {
				candidates = nil
				continue
			}
			grace = nil
			p.try(ctx, conn)
		case r := <-p.results:
			p.pending--
			if r.err == nil {
				return r.leg, nil
			}
			p.last = r.err
			if p.pending == 0 {
				if !p.spec.required || p.dialled != nil {
					return nil, p.refusal()
				}
				grace = time.After(proofGrace)
			}
		case <-grace:
			return nil, p.refusal()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (p *prover) candidates() <-chan *net.TCPConn {
	if p.dialled == nil {
		return p.clientAccept.conns
	}
	one := make(chan *net.TCPConn, 1)
	one <- p.dialled
	close(one)
	return one
}

func (p *prover) first(ctx context.Context, candidates <-chan *net.TCPConn) (*leg, error) {
	select {
	case conn, ok := <-candidates:
		if !ok {
			return nil, errNeverOpened
		}
		return newLeg(sideClient, conn), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// refusal says why there is no leg.
func (p *prover) refusal() error {
	switch {
	case p.last == nil:
		return errNeverOpened
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

func (p *prover) handshake(ctx context.Context, conn *net.TCPConn) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.limits.data, errNeverOpened)
	defer cancel()
	l := newLeg(sideClient, conn)
	l.wire = newWire(conn)
	var err error
	l.tls, err = p.binding.Data(ctx, l.wire, p.spec.upload)
	if err != nil {
		l.mayEnd() // the client is to read the alert
		_ = conn.Close()
		l.wire.release()
	}
	p.results <- proof{leg: l, err: err}
}

// closeLosers waits for the candidates still in their handshake, which the
// cancelled context has cut short.
func (p *prover) closeLosers() {
	for ; p.pending > 0; p.pending-- {
		if r := <-p.results; r.err == nil {
			r.leg.mayEnd()
			_ = r.leg.tcp.Close()
			r.leg.wire.release()
		}
	}
}
