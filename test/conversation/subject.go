package conversation

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// stopPatience is how long a proxy without sessions may take to stop.
const stopPatience = time.Minute

// certificateNames are the hosts that the proxy's certificate speaks for.
func certificateNames() []string {
	return []string{"ftp.example.com", "files.example.com", "127.0.0.1", "::1"}
}

// StartProxy returns a Player's Start for the real proxy. Its certificate is
// kept in dir.
func StartProxy(dir string) func(Settings, Upstream) (Subject, error) {
	return func(s Settings, behind Upstream) (Subject, error) {
		r := &runningProxy{roots: x509.NewCertPool(), done: make(chan error, 1)}
		cfg, err := r.configure(dir, s, behind)
		if err == nil {
			err = r.start(cfg)
		}
		if err != nil {
			r.release()
			return nil, err
		}
		if err := errors.Join(r.warmUp(s.Listener.TLS.Mode), r.awaitIdle()); err != nil {
			return nil, errors.Join(fmt.Errorf("first session: %w", err), r.Stop())
		}
		return r, nil
	}
}

// A runningProxy is a proxy.Server that serves.
type runningProxy struct {
	server  *proxy.Server
	config  proxy.Config
	addr    netip.AddrPort
	roots   *x509.CertPool
	log     lockedBuffer
	unclaim func() // nil: no ports were claimed
	cancel  context.CancelFunc
	done    chan error
}

func (r *runningProxy) Addr() netip.AddrPort  { return r.addr }
func (r *runningProxy) Roots() *x509.CertPool { return r.roots }
func (r *runningProxy) Log() string           { return r.log.String() }

// configure turns settings into the configuration of a server.
func (r *runningProxy) configure(dir string, s Settings, behind Upstream) (proxy.Config, error) {
	source, err := tlsterm.SelfSigned(dir, certificateNames())
	if err != nil {
		return proxy.Config{}, err
	}
	if err := r.trust(source); err != nil {
		return proxy.Config{}, err
	}
	if s.NoCertificate {
		source = noCertificate{}
	}
	l := s.Listener
	if err := s.issuer.ask(dir, s.ClientCertificates, &l, &s.TLS); err != nil {
		return proxy.Config{}, err
	}
	if l.TLS.Terminator, err = tlsterm.New(s.TLS, source); err != nil {
		return proxy.Config{}, err
	}
	if s.PassivePorts > 0 {
		if l.Passive.Ports, err = r.claim(s.PassivePorts); err != nil {
			return proxy.Config{}, err
		}
	}
	if l.Upstream, err = upstreamOf(s, behind); err != nil {
		return proxy.Config{}, err
	}
	return proxy.Config{Listeners: []proxy.ListenerConfig{l}, Limits: s.Limits}, nil
}

func upstreamOf(s Settings, behind Upstream) (*upstream.Upstream, error) {
	u := s.Upstream
	u.Address = behind.Addr.String()
	if u.TLS.Mode != upstream.TLSOff {
		origin := tlsterm.DefaultOrigin()
		origin.ServerName, origin.Roots, origin.SkipVerify = behind.Name, behind.Roots, s.UpstreamTLS.SkipVerify
		var err error
		if u.TLS.Originator, err = tlsterm.NewOriginator(origin); err != nil {
			return nil, err
		}
	}
	return upstream.New(u)
}

func (r *runningProxy) trust(source tlsterm.Source) error {
	cert, err := source.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return err
	}
	r.roots.AddCert(leaf)
	return nil
}

// claim takes n ports out of other test processes' reach.
func (r *runningProxy) claim(n int) (proxy.PortRange, error) {
	block, release, err := machine.Claim(n)
	r.unclaim = release
	return proxy.PortRange{First: block.First, Last: block.Last}, err
}

func (r *runningProxy) start(cfg proxy.Config) error {
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	log := zap.New(zapcore.NewCore(encoder, &r.log, zapcore.DebugLevel), zap.Development())
	r.config = cfg
	var err error
	if r.server, err = proxy.New(cfg, log); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := r.server.Listen(ctx); err != nil {
		cancel()
		return err
	}
	r.cancel = cancel
	r.addr = r.server.Listeners()[0].Addr.(*net.TCPAddr).AddrPort()
	go r.serve(ctx)
	return nil
}

func (r *runningProxy) serve(ctx context.Context) { r.done <- r.server.Serve(ctx) }

// awaitIdle waits until Serve blocks: then it has started all that it keeps for
// good. A goroutine that it started later would look like a session's.
func (r *runningProxy) awaitIdle() error {
	name := []byte("conversation.(*runningProxy).serve(")
	for deadline := time.Now().Add(stopPatience); time.Now().Before(deadline); runtime.Gosched() {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		for _, g := range bytes.Split(buf, []byte("\n\n")) {
			header, _, _ := bytes.Cut(g, []byte("\n"))
			isReady := bytes.Contains(header, []byte("[run")) // running, runnable
			if bytes.Contains(g, name) && !isReady {
				return nil
			}
		}
	}
	return errors.New("the server does not come to rest")
}

// warmUp runs a session without upstream, so that whatever the server keeps for
// good exists before the conversation begins.
func (r *runningProxy) warmUp(mode proxy.TLSMode) error {
	var conn net.Conn
	conn, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(stopPatience)); err != nil {
		return err
	}
	if mode == proxy.TLSImplicit {
		conn = tls.Client(conn, &tls.Config{RootCAs: r.roots, ServerName: r.addr.Addr().String()})
	}
	if _, err := io.WriteString(conn, "QUIT\r\n"); err != nil {
		return err
	}
	heard, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("heard %q: %w", heard, err)
	}
	return nil
}

// Reload changes nothing but the policy.
func (r *runningProxy) Reload(p *policy.Policy) error {
	next := r.config
	next.Listeners = slices.Clone(next.Listeners)
	next.Listeners[0].Policy = p
	return r.server.Reload(next)
}

// Stop drains the server.
func (r *runningProxy) Stop() error {
	defer r.release()
	r.cancel()
	select {
	case err := <-r.done:
		return err
	case <-time.After(stopPatience):
		return errors.New("the proxy does not stop")
	}
}

// release gives the ports back that were claimed.
func (r *runningProxy) release() {
	if r.unclaim != nil {
		r.unclaim()
	}
}

// noCertificate is the source of a listener that waits for its first one.
type noCertificate struct{}

func (noCertificate) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return nil, tlsterm.ErrNoCertificate
}

// A lockedBuffer keeps the log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Sync is wanted by zap.
func (l *lockedBuffer) Sync() error { return nil }

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
