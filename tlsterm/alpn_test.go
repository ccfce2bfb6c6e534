package tlsterm

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
)

// What a client offers, and what it gets. "!" is a refusal, "-" no protocol.
func TestALPN(t *testing.T) {
	tests := []struct {
		offered       string
		control, data string
	}{
		{"", "-", "-"},
		{"ftp", "ftp", "ftp"},
		{"ftp-data", "!", "ftp-data"},
		{"ftp,ftp-data", "ftp", "ftp-data"},
		{"ftp-data,ftp", "ftp", "ftp-data"},
		{"x-filezilla-ftp,ftp", "ftp", "ftp"},
		{"x-filezilla-ftp,ftp-data", "!", "ftp-data"},
		{"x-filezilla-ftp", "!", "!"},
		{"http/1.1", "-", "-"},
		{"http/1.1,ftp", "ftp", "ftp"},
		{"h2,http/1.1,ftp", "ftp", "ftp"},
		{"h2,http/1.1", "!", "!"},
		{"http/1.1,h2", "!", "!"},
		{"h2", "!", "!"},
		{"http/1.0", "!", "!"},
		{"smtp", "!", "!"},
		{"imap,pop3", "!", "!"},
		{"acme-tls/1", "!", "!"},
		{"FTP", "!", "!"},
	}
	cert := newCert(t, "ftp.example.com")
	term := newTerminator(t, cert.source(), nil)
	for _, version := range versions {
		for _, tt := range tests {
			t.Run(versionName(version)+"/"+tt.offered, func(t *testing.T) {
				if got := negotiated(t, term, cert, version, tt.offered, false); got != tt.control {
					t.Errorf("control: got %q, want %q", got, tt.control)
				}
				if got := negotiated(t, term, cert, version, tt.offered, true); got != tt.data {
					t.Errorf("data: got %q, want %q", got, tt.data)
				}
			})
		}
	}
}

// negotiated makes a handshake with a Go client and returns what TestALPN
// writes for its outcome.
func negotiated(t *testing.T, term *Terminator, cert testCert, version uint16, offered string, data bool) string {
	t.Helper()
	client := newGoClient(cert, version)
	b := term.Bind()
	if data {
		client.login(t, b)
	}
	client.cfg = client.cfg.Clone()
	if offered != "" {
		client.cfg.NextProtos = strings.Split(offered, ",")
	}
	raw, accepted := tcpPair(t)
	shook := make(chan error, 1)
	tc := tls.Client(raw, client.cfg)
	go func() { shook <- tc.HandshakeContext(t.Context()) }()
	err := handshakeOnly(t, b, accepted, data)
	clientErr := <-shook
	if errors.Is(err, ErrProtocol) {
		if clientErr == nil || !strings.Contains(clientErr.Error(), "no application protocol") {
			t.Errorf("the client got %v, want the alert no_application_protocol", clientErr)
		}
		return "!"
	}
	if err != nil || clientErr != nil {
		t.Fatal(err, clientErr)
	}
	if proto := tc.ConnectionState().NegotiatedProtocol; proto != "" {
		return proto
	}
	return "-"
}

func handshakeOnly(t *testing.T, b *Binding, conn net.Conn, data bool) error {
	t.Helper()
	var err error
	if data {
		_, err = b.Data(within(t), conn, false)
	} else {
		_, err = b.Control(within(t), conn)
	}
	return err
}

func TestALPNHTTP11IsRefusedWhenNotAllowed(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	term := newTerminator(t, cert.source(), func(c *Config) { c.AllowHTTP11 = false })
	for _, version := range versions {
		if got := negotiated(t, term, cert, version, "http/1.1", false); got != "!" {
			t.Errorf("%s: got %q", versionName(version), got)
		}
		if got := negotiated(t, term, cert, version, "http/1.1,ftp", false); got != "ftp" {
			t.Errorf("%s: beside ftp: got %q", versionName(version), got)
		}
		if got := negotiated(t, term, cert, version, "", false); got != "-" {
			t.Errorf("%s: without ALPN: got %q", versionName(version), got)
		}
	}
}

// OpenSSL's view of the three outcomes.
func TestALPNWithOpenSSL(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	term := newTerminator(t, cert.source(), nil)
	for _, version := range versions {
		t.Run(versionName(version), func(t *testing.T) {
			o := newOpenSSL(t, cert, version)
			out, err := o.control(t, term.Bind(), "-alpn", "x-filezilla-ftp,ftp")
			if err != nil || !strings.Contains(out, "ALPN protocol: ftp\n") {
				t.Errorf("%v\n%s", err, out)
			}
			out, err = o.control(t, term.Bind())
			if err != nil || !strings.Contains(out, "No ALPN negotiated") {
				t.Errorf("%v\n%s", err, out)
			}
			out, err = o.control(t, term.Bind(), "-alpn", "h2,http/1.1")
			if !errors.Is(err, ErrProtocol) || !strings.Contains(out, "SSL alert number 120") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
