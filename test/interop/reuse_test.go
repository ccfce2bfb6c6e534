package interop

import (
	"crypto/tls"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestReuseWithoutTickets: a server that insists on resumption, and knows sessions
// of TLS 1.2 by their ID alone, cannot be satisfied. The client hears the server's
// own words, and the operator reads why. vsftpd ends the session then, ProFTPD
// goes on.
func TestReuseWithoutTickets(t *testing.T) {
	for kind, want := range map[servers.Kind][]int{
		servers.VSFTPD:  {522, 421},
		servers.ProFTPD: {425, 425, 250},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			pki := machine.NewPKI(t)
			server := servers.Start(t, kind, servers.Options{TLS: &servers.TLS{
				Cert: pki.Cert, Key: pki.Key, Reuse: true, Max: tls.VersionTLS12, NoTickets: true,
			}})
			p := startProxy(t, front{server: server, address: loopbacks()[0], pki: &pki})
			server.Put(t, "down.bin", "never to be seen")
			server.Mkdir(t, "folder")
			local := filepath.Join(t.TempDir(), "down.bin")
			download := clients.Step{Op: clients.Refused, Code: want[0], Local: local, Remote: "down.bin"}
			said, _ := clients.NewJlaffaye().Run(t.Context(), p.target(clients.Explicit), []clients.Step{
				download, download, {Op: clients.Rmdir, Remote: "folder"},
			})
			if got := finals(said); !slices.Equal(got, want) {
				t.Errorf("the client heard %d of its transfers and after, want %d:\n%s", got, want, said)
			}
			wantContent(t, local, nil)
			const advice = "it gave no TLS session ticket to resume"
			if n := strings.Count(p.process.Log(), advice); n != 1 {
				t.Errorf("the log has the advice %d times, want once:\n%s", n, p.process.Log())
			}
			p.settled(t)
		})
	}
}

// TestClearDataTowardsAServer reaches the server that cannot be satisfied without
// TLS on its data connections, which shows that there is none: always with data =
// "clear", for clients with clear data connections with "match".
func TestClearDataTowardsAServer(t *testing.T) {
	for kind, refusal := range map[servers.Kind]int{servers.VSFTPD: 522, servers.ProFTPD: 425} {
		for _, data := range []string{"clear", "match"} {
			t.Run(string(kind)+" "+data, func(t *testing.T) {
				t.Parallel()
				pki := machine.NewPKI(t)
				server := servers.Start(t, kind, servers.Options{TLS: &servers.TLS{
					Cert: pki.Cert, Key: pki.Key, Reuse: true, Max: tls.VersionTLS12, NoTickets: true, ClearData: true,
				}})
				p := startProxy(t, front{
					server: server, address: loopbacks()[0], pki: &pki, tls: clearAllowed, upstream: fmt.Sprintf("data = %q", data),
				})
				content := noise(61, 100_003)
				server.Put(t, "file", string(content))
				for _, private := range []bool{false, true} {
					k := p.talk(t, private)
					opened := k.do(229, "EPSV")
					if err := k.say("RETR file"); err != nil {
						t.Fatal(err)
					}
					if data == "match" && private {
						data := k.dial(opened)
						k.hear(150)
						if got, _ := io.ReadAll(data); len(got) > 0 {
							t.Errorf("%d bytes came", len(got))
						}
						k.hear(refusal)
						_ = k.conn.Close() // vsftpd has left
						continue
					}
					k.fetches(opened, content)
					k.do(221, "QUIT")
				}
				p.settled(t)
			})
		}
	}
}

// finals lists the codes of final replies behind the first transfer's 150, but
// for those to EPSV.
func finals(said string) []int {
	_, after, _ := strings.Cut(said, "\n150 ")
	var codes []int
	for _, found := range regexp.MustCompile(`(?m)^([2-5]\d\d) `).FindAllStringSubmatch(after, -1) {
		if code, err := strconv.Atoi(found[1]); err == nil && code != 229 {
			codes = append(codes, code)
		}
	}
	return codes
}

// TestOpenSSLResumes: openssl's data connections must resume here, in both
// versions; its s_client says so to nobody but the proxy.
func TestOpenSSLResumes(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			pki := machine.NewPKI(t)
			server := servers.Start(t, servers.VSFTPD, servers.Options{})
			p := startProxy(t, front{server: server, address: loopbacks()[0], tls: `session_reuse = "require"`, pki: &pki})
			target := p.target(clients.Explicit)
			target.Version = version
			doEverything(t, server, clients.NewOpenSSL(t), target)
			p.settled(t)
		})
	}
}
