package tlsterm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSelectByServerName(t *testing.T) {
	first := newCert(t, "ftp.example.com", "192.0.2.1")
	second := newCert(t, "files.example.org", "*.wild.example.org")
	third := newCert(t, "files.example.org", "third.example.net") // covers a name of the second, too
	src := Select(first.source(), second.source(), third.source())
	tests := []struct {
		name string // as asked for; "" is no SNI
		want testCert
	}{
		{"", first},
		{"ftp.example.com", first},
		{"FTP.Example.Com", first},
		{"files.example.org", second},
		{"a.wild.example.org", second},
		{"a.b.wild.example.org", first},
		{"third.example.net", third},
		{"unknown.example.net", first},
		{"192.0.2.1", first},
		{"not a name", first},
	}
	for _, tt := range tests {
		got, err := src.Certificate(&tls.ClientHelloInfo{ServerName: tt.name})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Certificate[0], tt.want.fingerprint()) {
			t.Errorf("%q: got the certificate of %s", tt.name, got.Leaf.Subject.CommonName)
		}
	}
}

// The same over the wire, with OpenSSL's way of leaving SNI out.
func TestSNIWithOpenSSL(t *testing.T) {
	first, second := newCert(t, "ftp.example.com"), newCert(t, "files.example.org")
	term := newTerminator(t, Select(first.source(), second.source()), nil)
	tests := []struct {
		args []string
		want testCert
	}{
		{[]string{"-noservername"}, first},
		{[]string{"-servername", "ftp.example.com"}, first},
		{[]string{"-servername", "files.example.org"}, second},
		{[]string{"-servername", "unknown.example.net"}, first},
	}
	forVersions(t, func(t *testing.T, version uint16) {
		for _, tt := range tests {
			out, err := newOpenSSL(t, tt.want, version).control(t, term.Bind(), tt.args...)
			if err != nil || !strings.Contains(out, "Verification: OK") {
				t.Errorf("%v: %v\n%s", tt.args, err, out)
			}
		}
	})
}

// A source that has no certificate yet does not stand in the way of the others.
func TestSelectPassesOverSourcesWithoutCertificate(t *testing.T) {
	pending, second := &changing{}, newCert(t, "files.example.org")
	src := Select(pending, second.source())
	for _, name := range []string{"", "files.example.org", "ftp.example.com"} {
		got, err := src.Certificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil || !bytes.Equal(got.Certificate[0], second.fingerprint()) {
			t.Errorf("%q: %v", name, err)
		}
	}
	first := newCert(t, "ftp.example.com")
	pending.set(&first.cert)
	got, err := src.Certificate(&tls.ClientHelloInfo{})
	if err != nil || !bytes.Equal(got.Certificate[0], first.fingerprint()) {
		t.Errorf("once it has one: %v", err)
	}
	for _, none := range []Source{Select(), Select(&changing{}), Select(&changing{}, &changing{})} {
		if _, err := none.Certificate(&tls.ClientHelloInfo{}); !errors.Is(err, ErrNoCertificate) {
			t.Errorf("got %v, want ErrNoCertificate", err)
		}
	}
}

// broken is a source that fails in a way of its own.
type broken struct{ err error }

func (b broken) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, b.err }

func TestSelectReportsOtherErrors(t *testing.T) {
	errDisk := errors.New("disk on fire")
	src := Select(broken{errDisk}, newCert(t, "ftp.example.com").source())
	if _, err := src.Certificate(&tls.ClientHelloInfo{}); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
}

// Two certificates for one name, RSA and ECDSA: a client gets the one that it
// can verify.
func TestSelectByWhatTheClientVerifies(t *testing.T) {
	ec := newCert(t, "ftp.example.com")
	rsaCert := newRSACert(t, "ftp.example.com")
	term := newTerminator(t, Select(ec.source(), rsaCert.source()), nil)
	o := newOpenSSL(t, rsaCert, tls.VersionTLS12)
	out, err := o.control(t, term.Bind(), "-servername", "ftp.example.com", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256")
	if err != nil || !strings.Contains(out, "Verification: OK") {
		t.Errorf("only RSA: %v\n%s", err, out)
	}
	out, err = newOpenSSL(t, ec, tls.VersionTLS12).control(t, term.Bind(), "-servername", "ftp.example.com")
	if err != nil || !strings.Contains(out, "Verification: OK") {
		t.Errorf("both: %v\n%s", err, out)
	}
}

func newRSACert(t *testing.T, name string) testCert {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return testCertOf(t, der, key)
}

func TestCovers(t *testing.T) {
	first := newCert(t, "ftp.example.com", "192.0.2.1", "2001:db8::1")
	second := newCert(t, "*.example.org")
	term := newTerminator(t, Select(first.source(), second.source()), nil)
	tests := map[string]bool{
		"ftp.example.com":  true,
		"FTP.EXAMPLE.COM":  true,
		"ftp.example.com.": true,
		"www.example.com":  false,
		"a.example.org":    true,
		"a.b.example.org":  false,
		"example.org":      false,
		"192.0.2.1":        true,
		"192.0.2.2":        false,
		"2001:db8::1":      true,
		"[2001:db8::1]":    true,
		"2001:db8::2":      false,
		"":                 false,
		"*":                false,
	}
	for host, want := range tests {
		if got := term.Covers(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

// A certificate that was made by hand, without its parsed form.
func TestCoversWithoutLeaf(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	bare := &tls.Certificate{Certificate: cert.cert.Certificate, PrivateKey: cert.cert.PrivateKey.(*ecdsa.PrivateKey)}
	if !newTerminator(t, fixed{bare}, nil).Covers("ftp.example.com") {
		t.Error("not covered")
	}
	for _, bad := range []*tls.Certificate{{}, {Certificate: [][]byte{{1, 2, 3}}}} {
		if newTerminator(t, fixed{bad}, nil).Covers("ftp.example.com") {
			t.Error("covered by nothing")
		}
	}
}
