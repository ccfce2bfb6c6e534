package tlsterm

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// ErrProtocol reports a hello that offers application protocols (ALPN), none of
// them FTP's: the client, or whoever diverted it, wanted another kind of
// server. The peer has been sent the alert no_application_protocol (RFC 7301
// §3.2).
var ErrProtocol = errors.New("the client offers only protocols other than FTP")

// ErrChallenge is returned by [Binding.Control] when an authority has asked for
// a challenge and was answered: all has been said, and the connection is to be
// closed (RFC 8737 §3).
var ErrChallenge = errors.New("an authority asked for an ACME challenge and was answered")

// A Terminator ends the TLS of one listener's clients. It is safe for
// concurrent use and holds nothing about any of them.
type Terminator struct {
	cfg Config
	src Source
}

// New returns a terminator that shows the certificates of src. There need not
// be any yet, see [Terminator.Ready].
func New(cfg Config, src Source) (*Terminator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("TLS settings: %w", err)
	}
	if src == nil {
		return nil, errors.New("TLS settings: a source of certificates is missing")
	}
	return &Terminator{cfg: cfg, src: src}, nil
}

// Ready reports whether there is a certificate now. Until there is, AUTH TLS is
// best answered with 431 (RFC 4217 §4): every handshake would fail.
func (t *Terminator) Ready() bool {
	_, err := t.src.Certificate(&tls.ClientHelloInfo{})
	return err == nil
}

// Covers reports whether a client that asks for host, a name or the text of an
// IP address (an IPv6 address with or without brackets), is shown a certificate
// that is valid for it.
func (t *Terminator) Covers(host string) bool {
	cert, err := t.src.Certificate(&tls.ClientHelloInfo{ServerName: host})
	return err == nil && covers(cert, host)
}

// RequiresResumption reports whether a data connection must resume its
// session's TLS, [ReuseRequire].
func (t *Terminator) RequiresResumption() bool { return t.cfg.Reuse == ReuseRequire }

// Bind returns the binding of a new session.
func (t *Terminator) Bind() *Binding {
	return &Binding{terminator: t}
}
