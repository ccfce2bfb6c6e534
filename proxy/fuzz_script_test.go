package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// FuzzSession plays a session between a client and an upstream that both do what
// the input tells them, over real sockets and with limits that are soon reached.
// Whatever they do:
//
//   - every command has one final reply, in the order of the commands but for
//     what may overtake a transfer, or the session ends with 421 or without a word;
//   - no reply is lost, doubled, or given to another command: the upstream's
//     carry the number of the command they answer;
//   - a file that is reported complete is complete, and one that broke never
//     looks complete to the upstream;
//   - the session ends, and leaves no goroutine, socket or port behind.
//
// An upstream that lies about its replies (wayHostile) is held to less: whose a
// reply is then cannot be known, but there are as many as there are commands.
func FuzzSession(f *testing.F) {
	for _, s := range sessionSeeds() {
		f.Add(s.client, s.upstream, byte(s.ways))
	}
	g := newGround(f)
	f.Fuzz(func(t *testing.T, client, upstream []byte, flags byte) {
		p := g.play(t, setup{ways: way(flags)}, &script{bytes: client}, &script{bytes: upstream})
		p.judge(t)
	})
}

// A way is how a session is set up and ends.
type way byte

const (
	wayHostile  way = 1 << iota // the upstream lies about its replies
	wayPrivate                  // TLS towards the client, on data as well
	wayActive                   // the upstream dials
	wayReset                    // at the end the client resets its control connection
	waySilent                   // at the end the client is silent until the session ends
	wayHangUp                   // at the end the client closes its control connection
	wayClearOff                 // the client may not leave data in clear text: PROT C
	wayOrigin                   // TLS towards the upstream, on data as well
)

// A setup is what a session is played in.
type setup struct {
	ways  way
	reign *reign // nil: there is no policy
}

func (w way) has(other way) bool { return w&other != 0 }

// A script hands out the bytes of an input. After the last one they are all 0,
// which stands for good behaviour.
type script struct{ bytes []byte }

func (s *script) next() byte {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

// pick chooses one of n.
func (s *script) pick(n int) int { return int(s.next()) % n }

// take hands out up to n bytes, none of which could end a line or name a
// command's number.
func (s *script) take(n int) string {
	n = min(n, len(s.bytes))
	b := s.bytes[:n]
	s.bytes = s.bytes[n:]
	return string(bytes.Map(func(r rune) rune {
		if r == '\n' || r == '#' {
			return '_'
		}
		return r
	}, b))
}

// A ground is what all sessions of a process share.
type ground struct {
	ports      PortRange
	terminator *tlsterm.Terminator
	originator *tlsterm.Originator
	upstream   *tls.Config // of an upstream with TLS
	roots      *x509.CertPool
	laws       [lawKinds]*policy.Policy
}

const fuzzPorts = 4

func newGround(f *testing.F) *ground {
	f.Helper()
	source, err := tlsterm.SelfSigned(f.TempDir(), []string{"127.0.0.1"})
	if err != nil {
		f.Fatal(err)
	}
	cert, err := source.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		f.Fatal(err)
	}
	g := &ground{ports: freeRange(f, fuzzPorts), roots: x509.NewCertPool()}
	g.roots.AddCert(cert.Leaf)
	g.upstream = &tls.Config{Certificates: []tls.Certificate{*cert}}
	if g.terminator, err = tlsterm.New(tlsterm.Default(), source); err != nil {
		f.Fatal(err)
	}
	config := tlsterm.DefaultOrigin()
	config.ServerName, config.Roots = "127.0.0.1", g.roots
	if g.originator, err = tlsterm.NewOriginator(config); err != nil {
		f.Fatal(err)
	}
	return g
}

// fuzzLimits are soon reached, and yet give a busy machine time to behave well.
func fuzzLimits() Limits {
	l := DefaultLimits()
	l.LoginTimeout, l.IdleTimeout, l.ReplyTimeout = time.Second, 250*time.Millisecond, time.Second
	l.DataTimeout, l.StallTimeout = 120*time.Millisecond, 120*time.Millisecond
	return l
}

// config is that of a proxy for one session in front of the given upstream.
func (g *ground) config(t *testing.T, in setup, address string) Config {
	t.Helper()
	w := in.ways
	c := upstream.Default()
	c.Name, c.Address = "upstream", address
	if w.has(wayActive) {
		c.DataMode = upstream.DataActive
	}
	if w.has(wayOrigin) {
		c.TLS = upstream.TLSConfig{Mode: upstream.TLSExplicit, Originator: g.originator}
	}
	up, err := upstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l := DefaultListener()
	l.Name, l.Address, l.Upstream, l.Passive.Ports = "ftp", "127.0.0.1:0", up, g.ports
	l.TLS.Mode, l.TLS.Data = TLSOff, Allow
	if w.has(wayPrivate) {
		l.TLS.Mode, l.TLS.Terminator = TLSImplicit, g.terminator
	}
	if w.has(wayClearOff) {
		l.TLS.Data = Require
	}
	if in.reign != nil {
		l.Policy = g.laws[in.reign.first]
	}
	return Config{Listeners: []ListenerConfig{l}, Limits: fuzzLimits()}
}

func (g *ground) server(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := New(c, zap.New(zapcore.NewNopCore(), zap.Development()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A played session is what both sides remember of it.
type played struct {
	setup
	client   *fuzzClient
	upstream *fuzzUpstream
}

// play plays one session to its end, of which nothing may remain.
func (g *ground) play(t *testing.T, in setup, client, up *script) *played {
	t.Helper()
	before, sockets := goleak.IgnoreCurrent(), openSockets(t)
	u := startFuzzUpstream(t, g, in, up)
	config := g.config(t, in, u.ln.Addr().String())
	server := g.server(t, config)
	near, far := tcpPair(t)
	settings := server.listeners[0].settings.Load()
	s := server.newSession(settings, near)
	s.policing.current = server.listeners[0].policy
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.run(t.Context())
	}()
	c := newFuzzClient(g, in, far, server.drain)
	c.reload = sync.OnceFunc(func() {
		if err := server.Reload(g.reloaded(config, in)); err != nil {
			t.Error(err)
		}
	})
	c.play(client)
	select {
	case <-over:
	case <-time.After(longest):
		t.Fatalf("the session does not end\n%s", stacks())
	}
	c.stop()
	u.stop()
	_ = near.Close()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
	if n := openSockets(t); n > sockets {
		t.Errorf("%d sockets are open, %d were before", n, sockets)
	}
	if n := len(settings.ports.free); n != fuzzPorts {
		t.Errorf("%d of %d ports are in the pool", n, fuzzPorts)
	}
	if n := len(server.tallies.byName); n != 0 {
		t.Errorf("%d limits count the session", n)
	}
	return &played{setup: in, client: c, upstream: u}
}

// openSockets counts this process's sockets.
func openSockets(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

// contents of a file are told from those of every other.
func contents(number, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(number), byte(number >> 8)}).Read(b) // never fails
	return b
}

// fuzzSizes are those of files: none, less than a record, more than a buffer.
func fuzzSizes() []int { return []int{100, 0, 1, 70_000, 400_000} }

// A carried file is what one side knows of it.
type carried struct {
	upload bool
	data   []byte // as sent or as received
	clean  bool   // it was sent to its end, or received up to a clean end
	lies   bool   // the upstream says other than what it did
}

func (c *carried) String() string {
	if c == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes, clean %v, lies %v", len(c.data), c.clean, c.lies)
}
