package tlsterm

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/core"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// An authority is Pebble, Let's Encrypt's server for tests, in this process. It
// looks names up at a name server of the test, where all are 127.0.0.1, and asks
// for challenges at the ports that the rig has bound.
type authority struct {
	url    string
	tls    testCert // of its own web server
	db     *db.MemoryStore
	ca     *ca.CAImpl
	orders atomic.Int32
	down   atomic.Bool
	// odd, if set, answers in place of Pebble when it returns true.
	odd func(w http.ResponseWriter, r *http.Request) bool

	challenges  *Challenges
	names       *nameServer
	connections connections
}

// authorityOptions say in what an authority differs.
type authorityOptions struct {
	eab      bool
	profiles map[string]ca.Profile
	ocsp     string
	keys     string // of the authority itself: ecdsa or rsa
	httpPort int    // where http-01 is asked; 0: where it is answered
	tlsPort  int
}

func newAuthority(t *testing.T, o authorityOptions) *authority {
	t.Helper()
	a := &authority{
		tls: newCert(t, "127.0.0.1"), db: db.NewMemoryStore(),
		challenges: &Challenges{}, names: newNameServer(t),
	}
	if o.httpPort == 0 {
		o.httpPort = a.hold(t, HTTP01)
	}
	if o.tlsPort == 0 {
		o.tlsPort = a.hold(t, TLSALPN01)
	}
	if o.profiles == nil {
		o.profiles = map[string]ca.Profile{"default": {}}
	}
	quiet := log.New(io.Discard, "", 0)
	a.ca = ca.New(quiet, a.db, o.ocsp, cmp.Or(o.keys, "ecdsa"), 0, 1, o.profiles)
	validation := va.New(quiet, o.httpPort, o.tlsPort, false, a.names.addr, a.db)
	front := wfe.New(quiet, a.db, validation, a.ca, []string{"pebble.test"}, false, o.eab, 0, 0)
	a.serve(t, front.Handler())
	return a
}

// challengeAddress is bound by hold, and taken over by every ACME that is
// configured with it.
const challengeAddress = "127.0.0.1:0"

// hold binds the port for a challenge before there is anybody to answer, so that
// the authority can be told, and lets go of it with the test.
func (a *authority) hold(t *testing.T, challenge Challenge) (port int) {
	t.Helper()
	nobody := &ACME{cfg: ACMEConfig{Challenge: challenge, Address: challengeAddress}}
	held, err := a.challenges.answer(t.Context(), nobody)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(held.release)
	return portOf(t, held.address)
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (a *authority) serve(t *testing.T, h http.Handler) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.url = "https://" + ln.Addr().String() + wfe.DirectoryPath
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/order-plz") && r.Method == http.MethodPost {
				a.orders.Add(1)
			}
			a.awaitOrder(r)
			if strings.Contains(r.URL.Path, "renewalInfo") {
				// Pebble lets nobody ask again for six hours.
				w = withoutRetryAfter{w}
			}
			if a.odd == nil || !a.odd(w, r) {
				h.ServeHTTP(w, r)
			}
		}),
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: a.connections.observe,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{a.tls.cert}},
	}
	var running sync.WaitGroup
	running.Go(func() { _ = server.ServeTLS(turnstile{ln, &a.down}, "", "") })
	t.Cleanup(func() {
		_ = server.Close()
		running.Wait()
	})
}

// awaitOrder keeps a certificate back until Pebble has noted its order, which it does
// a moment later: until then it knows nothing of what a renewal says it replaces.
func (a *authority) awaitOrder(r *http.Request) {
	serial, ok := strings.CutPrefix(r.URL.Path, "/certZ/")
	if !ok {
		return
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		if _, err := a.db.GetOrderByIssuedSerial(serial); err == nil {
			return
		}
		select {
		case <-again.C:
		case <-r.Context().Done():
			return
		}
	}
}

// connections counts those that a server of the test has open.
type connections struct {
	mu      sync.Mutex
	open    int
	changed chan struct{}
}

func (c *connections) observe(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
	case http.StateClosed, http.StateHijacked:
		c.open--
	default:
		return
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// awaitNone waits until all are closed.
func (c *connections) awaitNone(t *testing.T) {
	t.Helper()
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		open := c.open
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%d connections stay open", open)
		}
	}
}

// A turnstile closes what it accepts while it is down.
type turnstile struct {
	net.Listener
	down *atomic.Bool
}

func (g turnstile) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil || !g.down.Load() {
			return conn, err
		}
		conn.Close()
	}
}

type withoutRetryAfter struct{ http.ResponseWriter }

func (w withoutRetryAfter) Write(p []byte) (int, error) {
	w.Header().Del("Retry-After")
	return w.ResponseWriter.Write(p)
}

func (w withoutRetryAfter) WriteHeader(code int) {
	w.Header().Del("Retry-After")
	w.ResponseWriter.WriteHeader(code)
}

// roots are what clients trust that are to accept the authority's certificates.
func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.ca.GetRootCert(0).Cert)
	return pool
}

// revoke revokes cert. The authority then recommends to have renewed it an hour
// ago. (Pebble's own window is a second long, which clients refuse.)
func (a *authority) revoke(t *testing.T, cert *tls.Certificate) {
	t.Helper()
	a.db.RevokeCertificate(&core.RevokedCertificate{Certificate: a.db.GetCertificateByDER(cert.Certificate[0])})
	window := fmt.Sprintf(`{"suggestedWindow": {"start": %q, "end": %q}}`,
		time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339), time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	if err := a.db.SetARIResponse(cert.Leaf.SerialNumber, window); err != nil {
		t.Fatal(err)
	}
}

// A wish is an ACME under test, with everything it has told.
type wish struct {
	*ACME
	events chan ACMEEvent

	mu    sync.Mutex
	lines []string
}

// told returns everything that was told so far.
func (w *wish) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "\n")
}

// wish returns an ACME for names that looks at its certificates all the time.
func (a *authority) wish(t *testing.T, storage certmagic.Storage, change func(*ACMEConfig), names ...string) *wish {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.tls.certPEM)
	cfg := ACMEConfig{
		Names: names, Email: "ops@example.com", Directory: a.url, Roots: pool,
		Challenge: HTTP01, Address: challengeAddress,
	}
	if change != nil {
		change(&cfg)
	}
	w := &wish{events: make(chan ACMEEvent, 1000)}
	env := ACMEEnvironment{Storage: storage, Challenges: a.challenges, Observe: func(e ACMEEvent) {
		w.mu.Lock()
		w.lines = append(w.lines, e.Text)
		w.mu.Unlock()
		select {
		case w.events <- e:
		default: // a test that is not interested
		}
	}}
	acme, err := NewACME(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	acme.pacing = pacing{every: 20 * time.Millisecond, pause: func(int, bool) time.Duration { return 20 * time.Millisecond }}
	w.ACME = acme
	return w
}

func (w *wish) start(t *testing.T) *wish {
	t.Helper()
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		w.running.Wait() // however long: the storage is removed next
	})
	return w
}

// await returns the next event of the kind.
func (w *wish) await(t *testing.T, kind ACMEKind) ACMEEvent {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case e := <-w.events:
			if e.Kind == kind {
				return e
			}
		case <-timeout.C:
			t.Fatalf("no event of kind %d; seen:\n%s\nstatus: %+v", kind, w.told(), w.Status(context.Background()))
		}
	}
}

// certificate returns what a client that asks for name is shown; nil for none.
func (w *wish) certificate(name string) *tls.Certificate {
	cert, err := w.Certificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil {
		return nil
	}
	return cert
}

// verify has a client of the authority connect to w's certificates.
func (a *authority) verify(t *testing.T, w *wish, name string) *x509.Certificate {
	t.Helper()
	raw, accepted := tcpPair(t)
	client := tls.Client(raw, &tls.Config{RootCAs: a.roots(), ServerName: name})
	shook := make(chan error, 1)
	go func() { shook <- client.HandshakeContext(t.Context()) }()
	if _, err := newTerminator(t, w, nil).Bind().Control(within(t), accepted); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := <-shook; err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return client.ConnectionState().PeerCertificates[0]
}

func newStorage(t *testing.T) certmagic.Storage {
	t.Helper()
	return FileStorage(t.TempDir())
}
