package servers_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// patience bounds what a server must do. It is only ever reached when something is
// broken.
const patience = time.Minute

func TestServers(t *testing.T) {
	for _, kind := range servers.All() {
		for _, address := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()} {
			t.Run(fmt.Sprintf("%s on %s", kind, address), func(t *testing.T) {
				t.Parallel()
				needAddress(t, address)
				servesItsUser(t, servers.Start(t, kind, servers.Options{Address: address}), inClearText)
			})
		}
	}
}

func inClearText() ftp.DialOption { return ftp.DialWithTLS(nil) }

// protections are the ways in which a server can speak TLS.
func protections(kind servers.Kind, pki machine.PKI) map[string]servers.TLS {
	all := map[string]servers.TLS{
		"explicit":             {},
		"explicit, TLS 1.2":    {Max: tls.VersionTLS12},
		"explicit, no tickets": {Max: tls.VersionTLS12, NoTickets: true},
	}
	if servers.HasImplicit(kind) {
		all["implicit"] = servers.TLS{Implicit: true}
	}
	if servers.InsistsOnReuse(kind) {
		all["reuse"] = servers.TLS{Reuse: true}
		all["reuse, TLS 1.2"] = servers.TLS{Reuse: true, Max: tls.VersionTLS12}
	}
	for name, p := range all {
		p.Cert, p.Key = pki.Cert, pki.Key
		all[name] = p
	}
	return all
}

func TestServersWithTLS(t *testing.T) {
	for _, kind := range servers.All() {
		t.Run(string(kind), func(t *testing.T) {
			pki := machine.NewPKI(t)
			for name, protection := range protections(kind, pki) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s := servers.Start(t, kind, servers.Options{TLS: &protection})
					seen := &handshakes{}
					servesItsUser(t, s, func() ftp.DialOption { return seen.with(pki, protection.Implicit) })
					seen.check(t, protection)
					refusesClearText(t, s, protection.Implicit)
				})
			}
		})
	}
}

// handshakes notes what the client's TLS has agreed on.
type handshakes struct {
	states []tls.ConnectionState
}

// with makes a client's options; each client starts from nothing: ProFTPD takes no
// data connection of a session whose control connection resumed another's.
func (h *handshakes) with(pki machine.PKI, implicit bool) ftp.DialOption {
	config := &tls.Config{
		RootCAs: pki.Pool(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(0),
		VerifyConnection: func(state tls.ConnectionState) error {
			h.states = append(h.states, state)
			return nil
		},
	}
	if implicit {
		return ftp.DialWithTLS(config)
	}
	return ftp.DialWithExplicitTLS(config)
}

func (h *handshakes) check(t *testing.T, p servers.TLS) {
	t.Helper()
	resumed := 0
	for _, state := range h.states {
		if p.Max != 0 && state.Version > p.Max {
			t.Errorf("agreed on %s", tls.VersionName(state.Version))
		}
		if p.Max == 0 && state.Version != tls.VersionTLS13 {
			t.Errorf("agreed on %s", tls.VersionName(state.Version))
		}
		if state.DidResume {
			resumed++
		}
	}
	if p.Reuse && resumed == 0 || p.NoTickets && resumed != 0 {
		t.Errorf("%d of %d connections resumed", resumed, len(h.states))
	}
}

// refusesClearText: behind the proxy nobody else would notice a session without
// TLS.
func refusesClearText(t *testing.T, s *servers.Server, implicit bool) {
	t.Helper()
	if implicit {
		answersNothingInClearText(t, s)
		return
	}
	c := dial(t, s)
	if err := c.Login(s.User, s.Password); err == nil {
		t.Error("a login in clear text was accepted")
	}
}

// answersNothingInClearText speaks first, so that a server which awaits a
// handshake has something to refuse.
func answersNothingInClearText(t *testing.T, s *servers.Server) {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.Addr.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "USER "+s.User+"\r\n")
	if answer, _ := io.ReadAll(c); strings.Contains(string(answer), "220") {
		t.Errorf("the greeting came in clear text: %q", answer)
	}
}

func servesItsUser(t *testing.T, s *servers.Server, option func() ftp.DialOption) {
	t.Helper()
	s.Put(t, "down.txt", "from the server\n")
	c := dial(t, s, option())
	if err := c.Login(s.User, "not "+s.Password); err == nil {
		t.Error("a wrong password was accepted")
	}
	c = dial(t, s, option())
	if err := c.Login(s.User, s.Password); err != nil {
		t.Fatal(err)
	}
	names, err := c.NameList("")
	if err != nil || !slices.Contains(names, "down.txt") {
		t.Errorf("names %q, %v; want down.txt", names, err)
	}
	if err := c.Stor("up.txt", strings.NewReader("one\n")); err != nil {
		t.Error(err)
	}
	if err := c.Append("up.txt", strings.NewReader("two\n")); err != nil {
		t.Error(err)
	}
	if err := c.Append("down.txt", strings.NewReader("and back\n")); err != nil {
		t.Error(err)
	}
	wantFile(t, s.Path("up.txt"), "one\ntwo\n")
	wantFile(t, s.Path("down.txt"), "from the server\nand back\n")
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

func TestServerIsGoneAfterTheTest(t *testing.T) {
	for _, kind := range servers.All() {
		t.Run(string(kind), func(t *testing.T) {
			var addr, root string
			t.Run("server", func(t *testing.T) {
				s := servers.Start(t, kind, servers.Options{})
				addr, root = s.Addr.String(), s.Root
				// A session that the end of the test finds open.
				dial(t, s)
			})
			if addr == "" {
				t.Skip("the server was not started")
			}
			if c, err := net.DialTimeout("tcp", addr, patience); err == nil {
				c.Close()
				t.Error("somebody still accepts connections on the server's port")
			}
			for _, process := range processesIn(t, filepath.Dir(root)) {
				t.Errorf("%s still works in the test's folder", process)
			}
		})
	}
}

// processesIn lists the processes with the folder in their command line or as
// their working folder.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		cwd, _ := os.Readlink(process + "/cwd")
		line, _ := os.ReadFile(process + "/cmdline")
		if strings.HasPrefix(cwd, dir) || strings.Contains(string(line), dir) {
			found = append(found, process+" "+string(line))
		}
	}
	return found
}

func dial(t *testing.T, s *servers.Server, options ...ftp.DialOption) *ftp.ServerConn {
	t.Helper()
	c, err := ftp.Dial(s.Addr.String(), append(options, ftp.DialWithTimeout(patience))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Quit() })
	return c
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s has %q, want %q", filepath.Base(path), got, want)
	}
}

func needAddress(t *testing.T, address netip.Addr) {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
	if err != nil {
		t.Skipf("no %s on this machine: %v", address, err)
	}
	l.Close()
}
