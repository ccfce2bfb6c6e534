package tlsterm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(selfSignedChild); dir != "" {
		os.Exit(runSelfSignedChild(dir))
	}
	if arguments := os.Getenv(acmeChild); arguments != "" {
		os.Exit(runACMEChild(arguments))
	}
	// Pebble at full speed, and the same each time.
	for _, name := range []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0"} {
		name, value, _ := strings.Cut(name, "=")
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m,
		// Both are theirs for as long as the process lives: Pebble's queue, and
		// certmagic's limit for each authority and account.
		goleak.IgnoreTopFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),
		goleak.IgnoreTopFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).permit"),
		goleak.IgnoreTopFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
	)
}

// patience is how long a test waits for what must happen: long enough for a
// busy machine, since it is used up only by a failure.
const patience = time.Minute

// versions are those that are terminated.
var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// A testCert is a self-signed certificate and its key.
type testCert struct {
	cert            tls.Certificate
	certPEM, keyPEM []byte
}

type validity struct{ from, to time.Time }

func newCert(t testing.TB, names ...string) testCert {
	t.Helper()
	return newCertValid(t, validity{time.Now().Add(-time.Hour), time.Now().Add(time.Hour)}, names...)
}

func newCertValid(t testing.TB, v validity, names ...string) testCert {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{NotBefore: v.from, NotAfter: v.to, BasicConstraintsValid: true}
	template.Subject.CommonName = names[0]
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return testCertOf(t, der, key)
}

func testCertOf(t testing.TB, der []byte, key crypto.PrivateKey) testCert {
	t.Helper()
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := testCert{
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
	if c.cert, err = tls.X509KeyPair(c.certPEM, c.keyPEM); err != nil {
		t.Fatal(err)
	}
	return c
}

// fixed serves one certificate.
type fixed struct{ cert *tls.Certificate }

func (f fixed) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.cert, nil }

func (c testCert) source() Source { return fixed{&c.cert} }

func (c testCert) fingerprint() []byte { return c.cert.Certificate[0] }

// file writes the certificate for programs that take a file.
func (c testCert) file(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(name, c.certPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func newTerminator(t testing.TB, src Source, change func(*Config)) *Terminator {
	t.Helper()
	cfg := Default()
	if change != nil {
		change(&cfg)
	}
	term, err := New(cfg, src)
	if err != nil {
		t.Fatal(err)
	}
	return term
}

func withReuse(r Reuse) func(*Config) { return func(c *Config) { c.Reuse = r } }

// tcpPair returns the two ends of a loopback TCP connection, closed with the
// test.
func tcpPair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// A goClient is a client made of crypto/tls: its connections share a cache of
// session tickets.
type goClient struct {
	cfg *tls.Config
}

func newGoClient(cert testCert, version uint16) *goClient {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert.certPEM)
	return &goClient{cfg: &tls.Config{
		RootCAs: pool, ServerName: cert.cert.Leaf.DNSNames[0],
		MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}}
}

// login makes a control connection of b and has the client read a greeting, so
// that the ticket before it has arrived as well.
func (c *goClient) login(t testing.TB, b *Binding) (*tls.Conn, *Conn) {
	t.Helper()
	raw, accepted := tcpPair(t)
	client := tls.Client(raw, c.cfg)
	shook := make(chan error, 1)
	go func() { shook <- client.HandshakeContext(t.Context()) }()
	server, err := b.Control(within(t), accepted)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-shook; err != nil {
		t.Fatal(err)
	}
	exchange(t, server, client, "220 ready\r\n")
	return client, server
}

// A dataResult is what became of a data connection.
type dataResult struct {
	client    *tls.Conn
	server    *tls.Conn
	serverErr error
}

// data makes a data connection. For a download the client reads a byte, and
// with it the ticket, if there is one.
func (c *goClient) data(t testing.TB, b *Binding, upload bool) dataResult {
	t.Helper()
	raw, accepted := tcpPair(t)
	client := tls.Client(raw, c.cfg)
	shook := make(chan error, 1)
	go func() { shook <- client.HandshakeContext(t.Context()) }()
	server, err := b.Data(within(t), accepted, upload)
	if err != nil {
		accepted.Close()
		<-shook                   //nolint:errcheck // the server's error tells enough
		_, _ = io.ReadAll(client) // takes in what tickets there are
		return dataResult{client: client, serverErr: err}
	}
	if err := <-shook; err != nil {
		t.Fatal(err)
	}
	if !upload {
		exchange(t, server, client, "x")
	}
	return dataResult{client: client, server: server}
}

// exchange sends text from one connection to the other.
func exchange(t testing.TB, from io.Writer, to io.Reader, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, []byte(text)) {
		t.Fatalf("got %q, want %q", got, text)
	}
}

func wantCounts(t *testing.T, b *Binding, resumed, full int) {
	t.Helper()
	if r, f := b.Resumed(); r != resumed || f != full {
		t.Errorf("resumed %d and made %d full handshakes, want %d and %d", r, f, resumed, full)
	}
}

func versionName(v uint16) string {
	return fmt.Sprintf("TLS1.%d", v-tls.VersionTLS10)
}
