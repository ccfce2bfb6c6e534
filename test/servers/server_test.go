package servers_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

func TestServers(t *testing.T) {
	for _, kind := range servers.All() {
		for _, address := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()} {
			t.Run(fmt.Sprintf("%s on %s", kind, address), func(t *testing.T) {
				t.Parallel()
				needAddress(t, address)
				servesItsUser(t, servers.Start(t, kind, servers.Options{Address: address}))
			})
		}
	}
}

func servesItsUser(t *testing.T, s *servers.Server) {
	t.Helper()
	s.Put(t, "down.txt", "from the server\n")
	c := dial(t, s)
	if err := c.Login(s.User, "not "+s.Password); err == nil {
		t.Error("a wrong password was accepted")
	}
	c = dial(t, s)
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
			if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
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

func dial(t *testing.T, s *servers.Server) *ftp.ServerConn {
	t.Helper()
	c, err := ftp.Dial(s.Addr.String(), ftp.DialWithTimeout(10*time.Second))
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
