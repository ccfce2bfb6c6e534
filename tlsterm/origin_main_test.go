package tlsterm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// A goServer is an upstream's TLS made of crypto/tls. All its connections go by
// one configuration, whose ticket keys crypto/tls makes by itself, so that one
// resumes what another handed out.
type goServer struct{ cfg *tls.Config }

func newGoServer(cert testCert, version uint16) *goServer {
	return &goServer{&tls.Config{
		Certificates: []tls.Certificate{cert.cert}, MinVersion: version, MaxVersion: version,
	}}
}

// A meeting is what became of a handshake between an origin and a server.
type meeting struct {
	client    *tls.Conn
	server    *tls.Conn
	clientErr error
	serverErr error
}

func (m meeting) mustSucceed(t testing.TB) meeting {
	t.Helper()
	if err := errors.Join(m.clientErr, m.serverErr); err != nil {
		t.Fatal(err)
	}
	return m
}

// resumed is what both ends say about it.
func (m meeting) resumed(t testing.TB) bool {
	t.Helper()
	m.mustSucceed(t)
	resumed := m.client.ConnectionState().DidResume
	if m.server.ConnectionState().DidResume != resumed {
		t.Error("the two ends do not agree whether the session was resumed")
	}
	return resumed
}

// control makes the control connection of o, nothing read.
func (s *goServer) control(t testing.TB, o *Origin) meeting {
	t.Helper()
	return s.meet(t, func(conn net.Conn) (*tls.Conn, error) { return o.Control(within(t), conn) })
}

// data makes a data connection of o.
func (s *goServer) data(t testing.TB, o *Origin) meeting {
	t.Helper()
	return s.meet(t, func(conn net.Conn) (*tls.Conn, error) { return o.Data(within(t), conn) })
}

// login makes a control connection and reads a reply, so that a ticket in front
// of it has been read as well.
func (s *goServer) login(t testing.TB, o *Origin) meeting {
	t.Helper()
	m := s.control(t, o).mustSucceed(t)
	exchange(t, m.server, m.client, "200 PBSZ=0\r\n")
	return m
}

func (s *goServer) meet(t testing.TB, originate func(net.Conn) (*tls.Conn, error)) meeting {
	t.Helper()
	raw, accepted := tcpPair(t)
	m := meeting{server: tls.Server(accepted, s.cfg)}
	done := make(chan error, 1)
	go func() {
		err := m.server.HandshakeContext(t.Context())
		if err != nil {
			_ = accepted.Close()
		}
		done <- err
	}()
	m.client, m.clientErr = originate(raw)
	if m.clientErr != nil {
		_ = raw.Close()
	}
	m.serverErr = <-done
	return m
}

// A testCA issues certificates.
type testCA struct {
	testCert
	key *ecdsa.PrivateKey
}

func newCA(t testing.TB, name string) testCA {
	t.Helper()
	key := newECKey(t)
	template := caTemplate(name)
	return testCA{testCertOf(t, createCert(t, template, template, key, key), key), key}
}

func caTemplate(name string) *x509.Certificate {
	template := &x509.Certificate{
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	template.Subject.CommonName = name
	return template
}

// issue returns a certificate of the authority for a name or an address.
func (ca testCA) issue(t testing.TB, name string) testCert {
	t.Helper()
	return ca.issueFor(t, name, newECKey(t))
}

func (ca testCA) issueFor(t testing.TB, name string, key *ecdsa.PrivateKey) testCert {
	t.Helper()
	template := &x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	template.Subject.CommonName = name
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	return testCertOf(t, createCert(t, template, ca.cert.Leaf, key, ca.key), key)
}

func createCert(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func poolOf(certs ...testCert) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AppendCertsFromPEM(c.certPEM)
	}
	return pool
}

const upstreamName = "ftp.example.com"

// newOriginator trusts the given certificates for upstreamName.
func newOriginator(t testing.TB, change func(*OriginConfig), trusted ...testCert) *Originator {
	t.Helper()
	cfg := DefaultOrigin()
	cfg.ServerName, cfg.Roots = upstreamName, poolOf(trusted...)
	if change != nil {
		change(&cfg)
	}
	o, err := NewOriginator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func skipVerify(c *OriginConfig) { c.SkipVerify, c.Roots = true, nil }

// hears reads to the end, as the upstream that waits for a client to speak.
func hears(conn io.Reader) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}
