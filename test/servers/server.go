package servers

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// Kind names a server program.
type Kind string

// The servers that can be started.
const (
	VSFTPD    Kind = "vsftpd"
	ProFTPD   Kind = "proftpd"
	PureFTPd  Kind = "pure-ftpd"
	Pyftpdlib Kind = "pyftpdlib"
)

// All lists every server.
func All() []Kind { return []Kind{VSFTPD, ProFTPD, PureFTPd, Pyftpdlib} }

// Options are what a test may choose about a server.
type Options struct {
	// Address to listen on, a loopback address; 127.0.0.1 when it is not set.
	Address netip.Addr
	// TLS is absent for a server that knows none.
	TLS *TLS
}

// A Server is a running FTP server.
type Server struct {
	Kind     Kind
	Addr     netip.AddrPort
	User     string
	Password string
	// Root is the served folder's path on this machine: the user's "/" for a
	// server started by root, in any case where a login starts.
	Root string
	// TLS is what the server was started with; nil: it speaks clear text.
	TLS *TLS

	etc     string        // the server's configuration, outside of what it serves
	passive machine.Block // less its first port, which is the control connection's
	uid     int           // as whom the server acts on files
	gid     int
	process *machine.Process
}

// nobody is the number of Debian's nobody and of its nogroup.
const nobody = 65534

// Start starts the server and waits for its greeting. It ends with the test.
func Start(t testing.TB, kind Kind, o Options) *Server {
	t.Helper()
	ports := machine.Ports(t)
	if !o.Address.IsValid() {
		o.Address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	s := &Server{
		Kind: kind, User: "tester", Password: rand.Text(),
		Addr:    netip.AddrPortFrom(o.Address, ports.First),
		passive: machine.Block{First: ports.First + 1, Last: ports.Last},
		uid:     os.Getuid(), gid: os.Getgid(), TLS: o.TLS,
	}
	s.supportsTLS(t)
	if s.asRoot() && kind != VSFTPD {
		s.uid, s.gid = nobody, nobody
	}
	s.makeFolders(t)
	switch kind {
	case VSFTPD:
		s.startVSFTPD(t)
	case ProFTPD:
		s.startProFTPD(t)
	case PureFTPd:
		s.startPureFTPd(t)
	case Pyftpdlib:
		s.startPyftpdlib(t)
	default:
		t.Fatalf("no server is called %q", kind)
	}
	if err := s.process.Await(s.greets); err != nil {
		t.Fatal(err)
	}
	return s
}

// Log returns what the server has logged so far.
func (s *Server) Log() string {
	return s.process.Log() + s.ownLog()
}

// ownLog is what the server has logged into files.
func (s *Server) ownLog() string {
	text := ""
	for _, name := range []string{"log", "tlslog", "xferlog"} {
		if more, err := os.ReadFile(s.file(name)); err == nil {
			text += string(more)
		}
	}
	return text
}

// Path is where the file of that name, as the user sees it, lies on this machine.
func (s *Server) Path(name string) string { return filepath.Join(s.Root, filepath.FromSlash(name)) }

// Put creates a file in the served folder, as if the user had uploaded it.
func (s *Server) Put(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(s.Path(name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	s.own(t, s.Path(name))
}

// Mkdir creates a folder in the served folder, as if the user had.
func (s *Server) Mkdir(t testing.TB, name string) {
	t.Helper()
	if err := os.Mkdir(s.Path(name), 0o755); err != nil {
		t.Fatal(err)
	}
	s.own(t, s.Path(name))
}

func (s *Server) asRoot() bool { return os.Getuid() == 0 }

func (s *Server) own(t testing.TB, path string) {
	t.Helper()
	if err := os.Chown(path, s.uid, s.gid); err != nil {
		t.Fatal(err)
	}
}

// makeFolders makes the served folder and the configuration's. The folder above
// a test's temporary ones lets only the test in; the server may pass through.
func (s *Server) makeFolders(t testing.TB) {
	t.Helper()
	s.Root, s.etc = t.TempDir(), t.TempDir()
	if err := os.Chmod(filepath.Dir(s.Root), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.etc, 0o700); err != nil {
		t.Fatal(err)
	}
	s.own(t, s.Root)
}

// file is the path of a configuration file of this server.
func (s *Server) file(name string) string { return filepath.Join(s.etc, name) }

// write creates a configuration file, readable by the server alone: one of them
// has the password.
func (s *Server) write(t testing.TB, name, content string) string {
	t.Helper()
	if err := os.WriteFile(s.file(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.file(name)
}

// start runs the server program in the foreground.
func (s *Server) start(t testing.TB, p machine.Program, args ...string) {
	t.Helper()
	// t.Context ends before the cleanups run, in which the server is stopped.
	cmd := p.Command(context.Background(), args...)
	s.limitOpenSSL(t, cmd)
	s.process = machine.Start(t, string(s.Kind), cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("own log of %s:\n%s", s.Kind, s.ownLog())
		}
	})
}

// hash returns the password as crypt(3) keeps it. One round in thousands of the
// usual cost: tests log in often, and the file lives for a second.
func (s *Server) hash(t testing.TB) string {
	t.Helper()
	openssl := machine.Find(t, "openssl", "openssl").Command(t.Context(), "passwd", "-5", "-salt", "rounds=1000$"+rand.Text()[:16], "-stdin")
	openssl.Stdin = strings.NewReader(s.Password + "\n")
	out, err := openssl.Output()
	if err != nil {
		t.Fatalf("openssl passwd: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// greets says whether the server accepts connections and has greeted one.
func (s *Server) greets() error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read greeting: %w", err)
		}
		if strings.HasPrefix(line, "220 ") {
			break
		}
	}
	// A farewell, so that the server's log does not begin with a broken session.
	if _, err := io.WriteString(c, "QUIT\r\n"); err != nil {
		return err
	}
	_, err = r.ReadString('\n')
	return err
}
