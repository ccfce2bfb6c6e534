package tlsterm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// OriginConfig is what an operator chooses about TLS that the proxy starts, as
// client. Start from [DefaultOrigin] and set ServerName.
type OriginConfig struct {
	// ServerName is the host name or IP address that the server's certificate
	// must be valid for, on data connections as well: never an address that the
	// server named. A name is also sent as SNI; an address is not (RFC 6066 §3).
	ServerName string

	// Roots are the authorities that may vouch for the server, see [Roots]; nil:
	// the system's.
	Roots *x509.CertPool

	// Certificate is what the server is shown when it asks for a certificate;
	// nil: none. It is looked up once for each control connection, with an empty
	// hello, so that a renewed file serves the next session.
	Certificate Source

	// SkipVerify accepts any certificate that Pins allow. Somebody on the path
	// can then take the server's place, unless there are Pins. Data connections
	// must all the same show the key that the control connection showed.
	SkipVerify bool

	// Pins, if there are any, must contain the key of a certificate of a verified
	// chain, its root included; with SkipVerify, the key of the server's own
	// certificate. They come on top of verification and replace no part of it.
	Pins []Pin

	// MinVersion is the oldest version the server may speak: tls.VersionTLS12 or
	// tls.VersionTLS13. Older ones are forbidden by RFC 8996 and not offered.
	MinVersion uint16
}

// DefaultOrigin verifies, with the system's authorities.
func DefaultOrigin() OriginConfig { return OriginConfig{MinVersion: tls.VersionTLS12} }

// Validate says, in one sentence, what is wrong with c.
func (c OriginConfig) Validate() error {
	if c.MinVersion != tls.VersionTLS12 && c.MinVersion != tls.VersionTLS13 {
		return fmt.Errorf("TLS version %s cannot be the minimum: it must be TLS 1.2 or TLS 1.3",
			tls.VersionName(c.MinVersion))
	}
	if c.ServerName == "" {
		return errors.New("a server name to verify is missing")
	}
	if !isHost(c.ServerName) {
		return fmt.Errorf("%q is no server name: it must be a host name or an IP address, without a port",
			c.ServerName)
	}
	return nil
}

// An Originator starts TLS towards one upstream. It is safe for concurrent use
// and holds nothing about any session.
type Originator struct{ cfg OriginConfig }

// NewOriginator checks the settings and makes no connection.
func NewOriginator(cfg OriginConfig) (*Originator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("TLS settings: %w", err)
	}
	return &Originator{cfg: cfg}, nil
}

// Verifies reports whether the server's name and issuer count. Without, only Pins
// say who it is.
func (o *Originator) Verifies() bool { return !o.cfg.SkipVerify }

// Bind returns the origin of a new session.
func (o *Originator) Bind() *Origin {
	return &Origin{originator: o}
}

// config returns the configuration for a connection of the session whose client
// certificate is cert, or nil. Control and data connections go by the same one:
// crypto/tls offers a ticket only under the versions, the verification, the name
// and the authorities it was earned under.
func (c OriginConfig) config(cert *tls.Certificate) *tls.Config {
	if cert == nil {
		cert = &tls.Certificate{} // says that there is none
	}
	return &tls.Config{
		ServerName:         c.ServerName,
		RootCAs:            c.Roots,
		InsecureSkipVerify: c.SkipVerify, //nolint:gosec // the operator's choice, documented above
		MinVersion:         c.MinVersion,
		// In Certificates it would be held back from a server whose list of
		// authorities lacks its issuer, and the server's refusal would then say
		// that there was no certificate.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
		VerifyConnection:     c.checkPins,
	}
}

// isHost reports whether s is an IP address, an IPv6 address with or without
// brackets, or can be the name of a host. Underscores occur in private networks.
func isHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Zone() == ""
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || strings.Trim(label, hostCharacters) != "" {
			return false
		}
	}
	return true
}

const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
