package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	dialling "github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// patience bounds every wait of a peer. It is reached only by a test that fails.
const patience = time.Minute

// short is a limit that a test waits for, and within which nothing has to happen.
const short = 700 * time.Millisecond

// soon is a limit that a test waits for, and long enough for what a session has to
// do within it on a busy machine.
const soon = 1500 * time.Millisecond

// settings are what a test may change of its proxy.
type settings struct {
	listener     proxy.ListenerConfig
	limits       proxy.Limits
	tls          tlsterm.Config
	upstream     dialling.Config
	upstreamHost string
	upstreamTLS  *tls.Config // nil: the upstream has clear text alone
	ports        int         // how many passive ports there are
}

// A rig is a proxy in front of an upstream.
type rig struct {
	t        testing.TB
	upstream *upstream
	settings settings
	addr     netip.AddrPort
	roots    *x509.CertPool
	server   *proxy.Server
	log      *observer.ObservedLogs
	stop     context.CancelFunc // nil: Serve has returned
	served   chan error

	goroutines goleak.Option // those that were there before
	sockets    int           // how many were open before
	ports      machine.Block // the passive ones

	mu    sync.Mutex
	conns []io.Closer // of clients
}

// newRig starts a proxy with explicit TLS on 127.0.0.1 and two passive ports,
// unless change wants otherwise. When the test ends, everything must be gone.
func newRig(t testing.TB, change ...func(*settings)) *rig {
	t.Helper()
	r := &rig{t: t, roots: x509.NewCertPool(), served: make(chan error, 1)}
	r.settings = settings{
		listener: proxy.DefaultListener(), limits: proxy.DefaultLimits(),
		tls: tlsterm.Default(), upstream: dialling.Default(),
		upstreamHost: "127.0.0.1", ports: 2,
	}
	r.settings.listener.Name, r.settings.listener.Address = "ftp", "127.0.0.1:0"
	for _, c := range change {
		c(&r.settings)
	}
	r.claimPorts()
	r.goroutines, r.sockets = goleak.IgnoreCurrent(), openSockets(t)
	r.upstream = startUpstream(t, r.settings)
	t.Cleanup(r.tearDown)
	r.start()
	return r
}

// claimPorts takes the passive ports out of other test processes' reach.
func (r *rig) claimPorts() {
	r.t.Helper()
	ports, release, err := machine.Claim(r.settings.ports)
	if err != nil {
		r.t.Fatal(err)
	}
	r.ports = ports
	r.t.Cleanup(release)
}

func (r *rig) start() {
	r.t.Helper()
	core, log := observer.New(zapcore.InfoLevel)
	r.log = log
	server, err := proxy.New(r.config(), zap.New(core, zap.Development()))
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = server
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	if err := server.Listen(ctx); err != nil {
		r.t.Fatal(err)
	}
	r.addr = server.Listeners()[0].Addr.(*net.TCPAddr).AddrPort()
	go func() { r.served <- server.Serve(ctx) }()
}

func (r *rig) config() proxy.Config {
	r.t.Helper()
	s := r.settings
	source, err := tlsterm.SelfSigned(r.t.TempDir(), []string{"127.0.0.1", "::1"})
	if err != nil {
		r.t.Fatal(err)
	}
	cert, err := source.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.roots.AddCert(cert.Leaf)
	l := s.listener
	if l.TLS.Terminator, err = tlsterm.New(s.tls, source); err != nil {
		r.t.Fatal(err)
	}
	l.Passive.Ports = proxy.PortRange{First: r.ports.First, Last: r.ports.Last}
	s.upstream.Name, s.upstream.Address = "upstream", r.upstream.address().String()
	if l.Upstream, err = dialling.New(s.upstream); err != nil {
		r.t.Fatal(err)
	}
	r.settings.listener = l
	return proxy.Config{Listeners: []proxy.ListenerConfig{l}, Limits: s.limits}
}

// tearDown stops the proxy and its upstream, of which nothing may remain.
func (r *rig) tearDown() {
	r.closeClients()
	if r.stop != nil {
		r.stop()
		r.hasStopped()
	}
	r.upstream.stop()
	if err := goleak.Find(r.goroutines); err != nil {
		r.t.Error(err)
	}
	if n := openSockets(r.t); n > r.sockets {
		r.t.Errorf("%d sockets are open, %d were before", n, r.sockets)
	}
}

// hasStopped waits until Serve has returned.
func (r *rig) hasStopped() {
	r.t.Helper()
	select {
	case err := <-r.served:
		if err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	case <-time.After(2 * patience):
		r.t.Error("Serve does not return")
	}
	r.stop = nil
}

// relax gives the sessions to come the limits that a proxy normally has.
func (r *rig) relax() {
	r.t.Helper()
	err := r.server.Reload(proxy.Config{
		Listeners: []proxy.ListenerConfig{r.settings.listener}, Limits: proxy.DefaultLimits(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// serving are the goroutines of a proxy and an upstream without sessions.
func serving() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/ftpsproxy/ftpsproxy/proxy.(*Server).Serve"),
		goleak.IgnoreAnyFunction("github.com/ftpsproxy/ftpsproxy/proxy.(*Server).accept"),
		goleak.IgnoreAnyFunction("github.com/ftpsproxy/ftpsproxy/proxy.(*Server).follow"),
		goleak.IgnoreAnyFunction("github.com/ftpsproxy/ftpsproxy/test/faults.(*upstream).accept"),
	}
}

// nothingLeft waits until no session has left a goroutine or a socket behind.
func (r *rig) nothingLeft() {
	r.t.Helper()
	const listeners = 2 // the proxy's and the upstream's
	eventually(r.t, func() bool { return openSockets(r.t) <= r.sockets+listeners })
	if err := goleak.Find(append(serving(), r.goroutines)...); err != nil {
		r.t.Error(err)
	}
}

// recovers is the end of every test of a fault: nothing is left of the sessions
// so far, every passive port can be had, and the next sessions carry files.
func (r *rig) recovers() {
	r.t.Helper()
	r.recoversWith(r.settings.ports)
}

// recoversWith is recovers with so many sessions at once.
func (r *rig) recoversWith(n int) {
	r.t.Helper()
	r.upstream.behave()
	r.closeClients()
	r.nothingLeft()
	r.relax()
	var sessions []*client
	for range n {
		c := r.session()
		c.prepared = c.epsv() // each holds one port
		sessions = append(sessions, c)
	}
	for _, c := range sessions {
		c.downloads(70_000)
		c.uploads(70_000)
		c.do(221, "QUIT")
		c.close()
	}
	r.nothingLeft()
}

// resetClients does so with RST.
func (r *rig) resetClients() {
	r.mu.Lock()
	for _, conn := range r.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	r.mu.Unlock()
	r.closeClients()
}

// recoversAfter is recovers after a session that must still be usable.
func (r *rig) recoversAfter(c *client) {
	r.t.Helper()
	r.upstream.behave()
	c.inStep()
	c.downloads(20_000)
	c.uploads(20_000)
	c.do(221, "QUIT")
	c.hearEnd()
	r.recovers()
}

// keep remembers a client's connection, to be closed at the end.
func (r *rig) keep(conn io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conn)
}

// closeClients closes whatever clients have left open.
func (r *rig) closeClients() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.conns {
		_ = conn.Close()
	}
	r.conns = nil
}

// logged counts the log lines of the proxy with this message.
func (r *rig) logged(message string) int { return r.log.FilterMessage(message).Len() }

// eventually waits for a condition that nobody announces.
func eventually(t testing.TB, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("what was awaited has not come")
		}
	}
}

// openSockets counts this process's sockets. Pipes are left out: the runtime
// keeps those it spliced through for the next time.
func openSockets(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		// A descriptor may be gone by now: that of the folder itself is.
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

// upstreamMode chooses who opens the upstream's data connection.
func upstreamMode(active bool) func(*settings) {
	return func(s *settings) {
		if active {
			s.upstream.DataMode = dialling.DataActive
		}
	}
}
