package tlsterm

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"
)

// A kind says what a connection carries.
type kind int

const (
	kindControl  kind = iota
	kindDownload      // data, from us to the client
	kindUpload        // data, from the client to us
)

// extensionPreSharedKey is in a TLS 1.3 hello that offers to resume (RFC 8446
// §4.2.11).
const extensionPreSharedKey = 41

// An attempt is one handshake of a session. Its callbacks run on the goroutine
// that makes the handshake, and on no other.
type attempt struct {
	binding    *Binding
	terminator *Terminator // the binding's when this began
	kind       kind
	epoch      int
	cert       *tls.Certificate // to show; for a control connection, once the hello is there

	client clientIdentity // of the control connection; there: of this one

	config     *tls.Config // what crypto/tls goes by, after the hello
	refused    bool        // the hello offered only foreign protocols
	challenged bool        // an authority asks, not a client

	// What the peer earns, if the handshake succeeds.
	handle handle
	state  []byte
}

// handshake makes the handshake on conn. It returns no later than ctx ends, and
// does not close conn.
func (a *attempt) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	// This configuration lives until the hello has been read. Tickets are
	// disabled in it only to spare crypto/tls keys of its own.
	tc := tls.Server(conn, &tls.Config{
		MinVersion:             a.terminator.cfg.MinVersion,
		GetConfigForClient:     a.configure,
		SessionTicketsDisabled: true,
	})
	err := interruptible(ctx, conn, func() error {
		// crypto/tls would close conn when its context ends.
		return tc.HandshakeContext(context.WithoutCancel(ctx))
	})
	switch {
	case err == nil && a.challenged:
		return nil, ErrChallenge
	case err == nil:
		return tc, nil
	case a.refused:
		return nil, fmt.Errorf("handshake: %w: %w", ErrProtocol, err)
	default:
		return nil, fmt.Errorf("handshake: %w", err)
	}
}

// configure answers the hello. See [tls.Config.GetConfigForClient].
func (a *attempt) configure(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	cfg := a.terminator.cfg
	if challenge := a.challenge(hello); challenge != nil {
		a.challenged = true
		return challenge, nil
	}
	proto, ok := cfg.chooseALPN(hello.SupportedProtos, a.kind)
	if !ok {
		// Left to find no overlap, crypto/tls sends the alert that RFC 7301
		// wants; an error returned from here would become internal_error.
		a.refused = true
		return &tls.Config{MinVersion: cfg.MinVersion, NextProtos: []string{alpnControl}}, nil
	}
	if a.kind == kindControl {
		cert, err := a.terminator.src.Certificate(hello)
		if err != nil {
			return nil, err
		}
		a.cert = cert
	}
	a.config = &tls.Config{
		MinVersion:             cfg.MinVersion,
		Certificates:           []tls.Certificate{*a.cert},
		SessionTicketsDisabled: !a.wantsTickets(hello),
		WrapSession:            a.wrap,
		UnwrapSession:          a.unwrap,
	}
	if proto != "" {
		a.config.NextProtos = []string{proto}
	}
	if cfg.Clients != nil {
		cfg.Clients.ask(a)
	}
	return a.config, nil
}

// challenge returns what answers an authority (RFC 8737 §3), or nil when it is
// a client that says hello.
func (a *attempt) challenge(hello *tls.ClientHelloInfo) *tls.Config {
	source, ok := a.terminator.src.(challengeSource)
	if !ok || a.kind != kindControl || !a.terminator.cfg.AnswerChallenges || !offersChallenge(hello) {
		return nil
	}
	cert := source.challenge(hello)
	if cert == nil {
		return nil
	}
	return challengeConfig(cert)
}

// wantsTickets reports whether the connection may resume a session or hand out
// a ticket, as far as the hello tells.
func (a *attempt) wantsTickets(hello *tls.ClientHelloInfo) bool {
	switch {
	case a.terminator.cfg.Reuse == ReuseOff:
		return false
	case a.kind == kindControl:
		return true
	case slices.Contains(hello.SupportedVersions, tls.VersionTLS13):
		// Without an offer to resume, unwrap is not called, and the ticket
		// would go out to a connection that cannot earn it.
		return slices.Contains(hello.Extensions, extensionPreSharedKey)
	default:
		return true // TLS 1.2 always calls unwrap
	}
}

// unwrap looks a ticket up. See [tls.Config.UnwrapSession]. That it finds one
// proves nothing yet: the secret is checked later.
func (a *attempt) unwrap(identity []byte, _ tls.ConnectionState) (*tls.SessionState, error) {
	if a.kind == kindControl {
		return nil, nil
	}
	state := a.binding.find(identity)
	// crypto/tls reads this again when it comes to send a ticket.
	a.config.SessionTicketsDisabled = state == nil || !a.issues()
	if state == nil {
		return nil, nil
	}
	return tls.ParseSessionState(state)
}

// issues reports whether a data connection that resumes is given a new ticket.
//
// In TLS 1.3 the ticket follows the handshake. A client that sends its file and
// closes without reading leaves it unread in its socket, and its kernel then
// resets the connection: the end of the file is lost. Under [ReuseRequire] it
// is issued all the same, because OpenSSL uses a ticket of TLS 1.3 only once,
// and the client's next data connection would be refused. In TLS 1.2 the ticket
// is part of the handshake, and crypto/tls renews it whatever is answered here.
func (a *attempt) issues() bool {
	return a.kind != kindUpload || a.terminator.cfg.Reuse == ReuseRequire
}

// wrap names the state of this connection. See [tls.Config.WrapSession]. The
// name stands for nothing until [Binding.settle] stores the state, which it does
// not for a data connection that has not resumed: a stranger's second try must
// be no better than the first.
func (a *attempt) wrap(_ tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	state, err := ss.Bytes()
	if err != nil {
		return nil, err
	}
	a.handle, a.state = newHandle(), state
	return a.handle[:], nil
}

// interruptible runs f, which reads and writes conn, and makes it fail when ctx
// ends before it does, by moving the deadlines of conn into the past.
func interruptible(ctx context.Context, conn net.Conn, f func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	err := f()
	if !stop() {
		// Even if f was quicker: conn is of no use with such deadlines.
		<-interrupted
		return context.Cause(ctx)
	}
	return err
}
