package servers

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TLS is how a server speaks TLS. It accepts nothing in clear text then, neither
// logins nor, unless ClearData says so, data connections.
type TLS struct {
	Implicit bool
	// Cert and Key are PEM files.
	Cert, Key string
	// Reuse: data connections must resume the control connection's session.
	// vsftpd and ProFTPD know how to insist on it.
	Reuse bool
	// Max is the highest version, as crypto/tls numbers it; 0: no limit.
	Max uint16
	// NoTickets leaves only session IDs by which to resume in TLS 1.2.
	NoTickets bool
	// ClearData lets the client choose PROT C.
	ClearData bool
}

// HasImplicit tells whether the server knows TLS from the first byte.
func HasImplicit(kind Kind) bool { return kind != PureFTPd }

// InsistsOnReuse tells whether the server can demand that data connections
// resume.
func InsistsOnReuse(kind Kind) bool { return kind == VSFTPD || kind == ProFTPD }

// supportsTLS ends a test that asks for what the server does not have.
func (s *Server) supportsTLS(t testing.TB) {
	t.Helper()
	switch {
	case s.TLS == nil:
	case s.TLS.Implicit && !HasImplicit(s.Kind):
		t.Fatalf("%s has no implicit TLS", s.Kind)
	case s.TLS.Reuse && !InsistsOnReuse(s.Kind):
		t.Fatalf("%s cannot insist on reuse", s.Kind)
	}
}

// limitOpenSSL gives the program a configuration of OpenSSL: it reaches servers
// that have no settings of their own for versions and tickets.
func (s *Server) limitOpenSSL(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if s.TLS == nil {
		return
	}
	var limits strings.Builder
	if s.TLS.Max == tls.VersionTLS12 {
		fmt.Fprintln(&limits, "MaxProtocol = TLSv1.2")
	}
	if s.TLS.NoTickets {
		fmt.Fprintln(&limits, "Options = -SessionTicket")
	}
	cmd.Env = append(cmd.Env, "OPENSSL_CONF="+s.write(t, "openssl.cnf", `openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = limits
[limits]
`+limits.String()))
}

// connect opens a control connection as far as the greeting.
func (s *Server) connect() (net.Conn, error) {
	c, err := net.DialTimeout("tcp", s.Addr.String(), time.Second)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		_ = c.Close()
		return nil, err
	}
	if s.TLS == nil || !s.TLS.Implicit {
		return c, nil
	}
	private := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // to see whether it is up
	if err := private.HandshakeContext(context.Background()); err != nil {
		_ = c.Close()
		return nil, err
	}
	return private, nil
}

// yes is how vsftpd spells a boolean.
func yes(value bool) string {
	if value {
		return "YES"
	}
	return "NO"
}

// on is how ProFTPD spells one.
func on(value bool) string {
	if value {
		return "on"
	}
	return "off"
}
