package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// front says how a proxy is set up.
type front struct {
	server   *servers.Server // the upstream
	address  netip.Addr      // of both listeners
	dataMode string          // of the upstream; passive when empty
	tls      string          // more lines in the tls block of the listeners
	upstream string          // more lines in the tls block of the upstream
	pki      *machine.PKI    // absent: self_signed
	// implicitPort is the port of the implicit listener; 0: any.
	implicitPort uint16
	acme         string // instead of both: the block acme of the certificate
	storage      string // the storage folder; absent: one of its own
	policy       string // inside of the listeners' policy; absent: none
}

// A proxy is the program under test, running.
type proxy struct {
	front
	process  *machine.Process
	file     string // its configuration
	passive  []machine.Block
	explicit netip.AddrPort
	implicit netip.AddrPort
	idle     int // descriptors at rest, when no session runs
	killed   bool
}

// startProxy runs the proxy until the test ends, and then checks that it stops
// as it should. It has two listeners, explicit and implicit.
func startProxy(t *testing.T, f front) *proxy {
	t.Helper()
	p := &proxy{front: f, passive: []machine.Block{machine.Ports(t), machine.Ports(t)}}
	p.file = filepath.Join(t.TempDir(), "ftpsproxy.hcl")
	if err := os.WriteFile(p.file, []byte(p.config(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	// The context outlives the test's own, which ends before the cleanups run.
	cmd := program(t).Command(context.Background(), "run", "--config", p.file)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = write
	p.process = machine.Start(t, "ftpsproxy", cmd)
	write.Close()
	p.awaitListeners(t, read)
	p.atRest(t)
	t.Cleanup(func() { p.stop(t) })
	return p
}

// config is the configuration file.
func (p *proxy) config(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for i, mode := range []string{"explicit", "implicit"} {
		port := uint16(0)
		if mode == "implicit" {
			port = p.implicitPort
		}
		fmt.Fprintf(&b, `
listener %[1]q {
  address     = %[2]q
  upstream    = "real"
  certificate = "main"
  tls {
    mode = %[1]q
    %[3]s
  }
  passive { ports = %[4]q }
  %[5]s
}
`, mode, netip.AddrPortFrom(p.address, port), p.tls, p.passive[i], p.policyName())
	}
	if p.policy != "" {
		fmt.Fprintf(&b, "policy \"tested\" {\n%s\n}\n", p.policy)
	}
	certificate := `self_signed { names = ["localhost", "127.0.0.1", "::1"] }`
	if p.pki != nil {
		certificate = fmt.Sprintf("files {\n    cert = %q\n    key = %q\n  }", p.pki.Cert, p.pki.Key)
	}
	if p.acme != "" {
		certificate = p.acme
	}
	storage := p.storage
	if storage == "" {
		storage = filepath.Join(t.TempDir(), "storage")
	}
	mode := p.dataMode
	if mode == "" {
		mode = "passive"
	}
	fmt.Fprintf(&b, `
upstream "real" {
  address   = %q
  data_mode = %q
  %s
}
certificate "main" {
  %s
}
storage { dir = %q }
`, p.server.Addr, mode, p.upstreamTLS(), certificate, storage)
	return b.String()
}

// upstreamTLS is the block about TLS towards the server, whose certificate is the
// same authority's as the proxy's own.
func (p *proxy) upstreamTLS() string {
	if p.server.TLS == nil {
		return ""
	}
	mode := "explicit"
	if p.server.TLS.Implicit {
		mode = "implicit"
	}
	return fmt.Sprintf("tls {\n    mode = %q\n    ca = %q\n    %s\n  }", mode, p.pki.CA, p.upstream)
}

func (p *proxy) policyName() string {
	if p.policy == "" {
		return ""
	}
	return `policy = "tested"`
}

// awaitListeners reads the two lines that say where the proxy listens.
func (p *proxy) awaitListeners(t *testing.T, out *os.File) {
	t.Helper()
	t.Cleanup(func() { out.Close() })
	if err := out.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for !p.explicit.IsValid() || !p.implicit.IsValid() {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the proxy does not say where it listens: %v, said %q", err, line)
		}
		var name, address string
		if _, err := fmt.Sscanf(line, "listening %s %s\n", &name, &address); err != nil {
			t.Fatalf("the proxy says %q, want \"listening NAME ADDRESS\"", line)
		}
		addr, err := netip.ParseAddrPort(address)
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "explicit":
			p.explicit = addr
		case "implicit":
			p.implicit = addr
		default:
			t.Fatalf("the proxy listens as %q, which nobody asked for", name)
		}
	}
	// A full pipe would stop the proxy.
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// hangUp has the proxy read its configuration again.
func (p *proxy) hangUp(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(p.process.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// awaitLog waits until the words stand in so many lines of the log.
func (p *proxy) awaitLog(t *testing.T, words string, times int) {
	t.Helper()
	if err := p.process.Await(func() error {
		if n := strings.Count(p.process.Log(), words); n < times {
			return fmt.Errorf("the log has %q %d times, want %d", words, n, times)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// target is the proxy as clients see it.
func (p *proxy) target(protection clients.TLS) clients.Target {
	target := clients.Target{
		Addr: p.explicit, User: p.server.User, Password: p.server.Password, TLS: protection,
	}
	if protection == clients.Implicit {
		target.Addr = p.implicit
	}
	if p.pki != nil {
		target.CA = p.pki.CA
	}
	return target
}

// atRest notes what the proxy has open now, when no session runs.
func (p *proxy) atRest(t *testing.T) {
	t.Helper()
	p.idle = len(p.descriptors(t))
}

// settled checks that nothing of the sessions so far is left in the proxy. It may
// have less open than at rest: a connection to the authority that was kept for
// another request ends when it likes.
func (p *proxy) settled(t *testing.T) {
	t.Helper()
	select {
	case <-p.process.Exited():
		t.Fatal("the proxy has ended")
	default:
	}
	err := p.process.Await(func() error {
		if open := p.descriptors(t); len(open) > p.idle {
			return fmt.Errorf("%d descriptors are open, %d at rest: %q", len(open), p.idle, open)
		}
		return p.passivePortsFree()
	})
	if err != nil {
		t.Error(err)
	}
}

func (p *proxy) passivePortsFree() error {
	for _, block := range p.passive {
		if err := block.Free(); err != nil {
			return fmt.Errorf("a passive port is still listening: %w", err)
		}
	}
	return nil
}

func (p *proxy) descriptors(t *testing.T) []string {
	t.Helper()
	open, err := p.process.Descriptors()
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// kill ends the proxy as a crash would, or the kernel when memory has run out.
func (p *proxy) kill(t *testing.T) {
	t.Helper()
	p.killed = true
	if err := syscall.Kill(p.process.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.process.Exited()
}

// stop ends the proxy as an administrator does. Exit status 0 also says that the
// race detector, which is built in, has found nothing.
func (p *proxy) stop(t *testing.T) {
	if err := p.process.Stop(syscall.SIGTERM); err != nil && !p.killed {
		t.Errorf("SIGTERM: %v, want exit status 0", err)
	}
	if err := p.passivePortsFree(); err != nil {
		t.Error(err)
	}
	log := p.process.Log()
	for _, word := range []string{"DATA RACE", "panic:", p.server.Password} {
		if strings.Contains(log, word) {
			t.Errorf("the proxy's log has %q:\n%s", word, log)
		}
	}
}
