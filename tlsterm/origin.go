package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrOtherServer reports a data connection whose server showed another key than
// the control connection's, while certificates are not verified: nothing else
// says that both are one server.
var ErrOtherServer = errors.New("the server of the data connection has another key than that of the control connection")

// An Origin ties the TLS connections of one session to its upstream together:
// data connections resume what the control connection was given, which servers
// such as vsftpd and ProFTPD insist on, and reach the server it reached.
//
// Its methods may be called concurrently.
type Origin struct {
	originator *Originator

	mu      sync.Mutex
	bond    *bond // nil without a control connection
	resumed int
	full    int
}

// Control makes the handshake on a control connection, as TLS client. It starts
// from nothing: whatever an earlier control connection of this session left is
// forgotten, and nothing is ever resumed.
//
// Every byte read from conn so far must have been clear text that is dealt with,
// and no byte may have been read beyond it. In TLS 1.3 the ticket comes after the
// handshake, and so does a server's refusal of our certificate: both are met by
// the first Read.
//
// When ctx ends first, the deadlines of conn are left in the past. conn stays the
// caller's: on error to close, on success not to be used while the [tls.Conn] is.
func (o *Origin) Control(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	o.tie(nil)
	b, err := o.newBond()
	if err != nil {
		return nil, fmt.Errorf("control connection: client certificate: %w", err)
	}
	cfg := o.originator.cfg.config(b.cert)
	cfg.ClientSessionCache = learning{b}
	tc, err := originate(ctx, conn, cfg)
	if err != nil {
		return nil, fmt.Errorf("control connection: %w", err)
	}
	b.key = pinOf(tc.ConnectionState().PeerCertificates[0])
	o.tie(b)
	return tc, nil
}

// Data makes the handshake on a data connection, as TLS client, whoever opened
// it (RFC 4217 §7). It belongs after the server's preliminary reply: some servers
// read nothing before.
//
// The server must be that of the control connection: its certificate is valid for
// the same name or, with SkipVerify, has the same key ([ErrOtherServer]). Whether
// the session was resumed is the server's affair, and counted.
//
// When ctx ends first, the deadlines of conn are left in the past. On every error
// conn is still open and the caller's to close; no close_notify is sent.
func (o *Origin) Data(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	b := o.tied()
	if b == nil {
		return nil, fmt.Errorf("data connection: %w", errUnbound)
	}
	cfg := o.originator.cfg.config(b.cert)
	cfg.ClientSessionCache = pinned{b}
	if cfg.InsecureSkipVerify {
		cfg.VerifyConnection = o.sameServer(b)
	}
	tc, err := originate(ctx, conn, cfg)
	if err != nil {
		return nil, fmt.Errorf("data connection: %w", err)
	}
	o.count(tc.ConnectionState().DidResume)
	return tc, nil
}

// Resumable reports whether the control connection was given a ticket, in TLS 1.3
// as far as it has been read. A server that gives none cannot have its data
// connections resume: session IDs, which TLS 1.2 has beside tickets, are not
// resumed by crypto/tls. If such a server insists on it, every transfer fails.
func (o *Origin) Resumable() bool {
	b := o.tied()
	return b != nil && b.latest() != nil
}

// Resumed returns how many data connections resumed the session, and how many
// made a full handshake.
func (o *Origin) Resumed() (resumed, full int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.resumed, o.full
}

func (o *Origin) tie(b *bond) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bond = b
}

func (o *Origin) tied() *bond {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bond
}

func (o *Origin) count(resumed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if resumed {
		o.resumed++
	} else {
		o.full++
	}
}

func (o *Origin) newBond() (*bond, error) {
	src := o.originator.cfg.Certificate
	if src == nil {
		return &bond{}, nil
	}
	cert, err := src.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		return nil, err
	}
	return &bond{cert: cert}, nil
}

// sameServer returns the check of a data connection's server where no name is
// verified. See [tls.Config.VerifyConnection].
func (o *Origin) sameServer(b *bond) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		if pinOf(cs.PeerCertificates[0]) != b.key {
			return ErrOtherServer
		}
		return o.originator.cfg.checkPins(cs)
	}
}

// originate makes a handshake as TLS client. It returns no later than ctx ends,
// and does not close conn.
func originate(ctx context.Context, conn net.Conn, cfg *tls.Config) (*tls.Conn, error) {
	tc := tls.Client(conn, cfg)
	err := interruptible(ctx, conn, func() error {
		// crypto/tls would close conn when its context ends.
		return tc.HandshakeContext(context.WithoutCancel(ctx))
	})
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return tc, nil
}

// A bond is what a control connection leaves to the data connections of its
// session. A new control connection makes a new one: what the old connection may
// still be handed changes only the old bond.
type bond struct {
	cert *tls.Certificate // shown when asked for; nil: none
	key  Pin              // of the server's certificate

	mu     sync.Mutex
	ticket *tls.ClientSessionState // the latest; nil: none
}

func (b *bond) latest() *tls.ClientSessionState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ticket
}

// learning is the control connection's view of the session's one ticket: what
// the server hands out is kept. The key is ignored, since crypto/tls may derive
// it from an address with its port.
type learning struct{ bond *bond }

// Get resumes nothing: a session starts from nothing.
func (learning) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put keeps the latest ticket of the control connection.
func (l learning) Put(_ string, ticket *tls.ClientSessionState) {
	if ticket == nil {
		return
	}
	l.bond.mu.Lock()
	defer l.bond.mu.Unlock()
	l.bond.ticket = ticket
}

// pinned is a data connection's view of it. Nothing a data connection does
// changes the ticket: neither a new one, which some servers tie to the data
// connection's own session, nor crypto/tls's removal after a failed handshake,
// after which a server that insists on resumption would refuse everything.
type pinned struct{ bond *bond }

// Get returns the control connection's ticket, every time: that TLS 1.3 advises
// against using one twice (RFC 8446 §C.4) is to hide who resumes from those on
// the path, and they see the control connection anyway.
func (p pinned) Get(string) (*tls.ClientSessionState, bool) {
	ticket := p.bond.latest()
	return ticket, ticket != nil
}

// Put changes nothing.
func (pinned) Put(string, *tls.ClientSessionState) {}
