package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrNotResumed reports a data connection whose TLS did not resume this
// session's, under [ReuseRequire]: nothing shows that it belongs to the client
// on the control connection.
var ErrNotResumed = errors.New("the data connection did not resume the session's TLS")

// errUnbound is returned by Data, towards either side, when no control connection
// shows a certificate that the data connection would have to show as well.
var errUnbound = errors.New("no TLS on the control connection to belong to")

// A Binding ties the TLS connections of one session together: the data
// connections show the certificate that the control connection showed, and can
// resume only what the control connection, or a data connection that itself
// resumed, handed out.
//
// Its methods may be called concurrently.
type Binding struct {
	mu         sync.Mutex
	terminator *Terminator
	epoch      int              // counts Resets: a handshake that began before one leaves nothing behind
	cert       *tls.Certificate // shown by the control connection; nil without one
	client     clientIdentity   // of the client on the control connection
	tickets    tickets
	resumed    int
	full       int
	latest     bool // the latest data connection resumed the session
}

// Control makes the handshake on a control connection, as TLS server. It starts
// from nothing: whatever an earlier control connection of this session left is
// forgotten, as by [Binding.Reset], and nothing is ever resumed.
//
// Every byte read from conn so far must have been clear text that is dealt with;
// from here on conn is read record by record and never beyond the end of one.
//
// When ctx ends first, the deadlines of conn are left in the past. conn stays
// the caller's: on error to close, on success not to be used while the [Conn]
// is.
func (b *Binding) Control(ctx context.Context, conn net.Conn) (*Conn, error) {
	b.Reset()
	a := b.attempt(kindControl)
	records := &recordConn{Conn: conn}
	tc, err := a.handshake(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("control connection: %w", err)
	}
	b.settle(a, false)
	return &Conn{Conn: tc, records: records}, nil
}

// Data makes the handshake on a data connection, as TLS server, whoever opened
// it (RFC 4217 §7). upload says that the client is going to send: it then gets
// no ticket that it would have to read, see DESIGN.md. Under [ReuseRequire] a
// handshake that succeeds without resuming this session gives [ErrNotResumed].
//
// When ctx ends first, the deadlines of conn are left in the past. On every
// error conn is still open and the caller's to close; no close_notify is sent.
func (b *Binding) Data(ctx context.Context, conn net.Conn, upload bool) (*tls.Conn, error) {
	k := kindDownload
	if upload {
		k = kindUpload
	}
	a := b.attempt(k)
	if a.cert == nil {
		return nil, fmt.Errorf("data connection: %w", errUnbound)
	}
	tc, err := a.handshake(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("data connection: %w", err)
	}
	// Only now does DidResume prove anything: in TLS 1.3 a ticket is looked up
	// before its binder is checked, in TLS 1.2 before the client's Finished.
	resumed := b.settle(a, tc.ConnectionState().DidResume)
	if !resumed && a.terminator.cfg.Reuse == ReuseRequire {
		return nil, ErrNotResumed
	}
	return tc, nil
}

// Resumed returns how many data connections resumed the session, and how many
// made a full handshake, refused ones included. Reset does not change it.
func (b *Binding) Resumed() (resumed, full int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.resumed, b.full
}

// LatestResumed reports whether the latest data connection whose handshake
// succeeded resumed the session.
func (b *Binding) LatestResumed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.latest
}

// Reset forgets the session's tickets and its certificate: at its end, at REIN
// and before another AUTH. A handshake that is under way does not bring them
// back.
func (b *Binding) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	b.cert, b.client, b.latest = nil, clientIdentity{}, false
	b.tickets.wipe()
}

// Adopt has control connections to come show the certificates of t, that of a
// newer configuration. The settings stay those with which the session began.
func (b *Binding) Adopt(t *Terminator) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.terminator = &Terminator{cfg: b.terminator.cfg, src: t.src}
}

// Client returns what is known of the client from its certificate, which was
// verified in the handshake of the control connection; the zero value without
// one.
func (b *Binding) Client() ClientCertificate {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.client.facts()
}

// attempt prepares a handshake.
func (b *Binding) attempt(k kind) *attempt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &attempt{binding: b, terminator: b.terminator, kind: k, epoch: b.epoch, cert: b.cert, client: b.client}
}

// find returns the state that identity names, if the session has it still.
func (b *Binding) find(identity []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tickets.find(identity)
}

// settle takes what a successful handshake has earned. It reports whether the
// handshake resumed the session as it is now.
func (b *Binding) settle(a *attempt, didResume bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	current := a.epoch == b.epoch
	if a.kind == kindControl {
		if current {
			b.cert, b.client = a.cert, a.client
			if a.state != nil {
				b.tickets.pin(a.handle, a.state)
			}
		}
		return false
	}
	b.latest = didResume && current
	if !b.latest {
		b.full++
		return false
	}
	b.resumed++
	if a.state != nil {
		b.tickets.earn(a.handle, a.state)
	}
	return true
}
