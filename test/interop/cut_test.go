package interop

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestCutUploads has uploads end before their end, with and without TLS towards
// the server. After a reset or a fatal alert, and after a FIN without close_notify
// where truncation says so, no server takes the file for complete, and the client
// never hears that it is.
func TestCutUploads(t *testing.T) {
	for _, kind := range servers.All() {
		for _, private := range []bool{false, true} {
			for _, truncation := range []string{"fail", "log", "allow"} {
				upstream := map[bool]string{false: "clear", true: "private"}[private]
				t.Run(fmt.Sprintf("%s %s %s", kind, upstream, truncation), func(t *testing.T) {
					t.Parallel()
					pki := machine.NewPKI(t)
					var o servers.Options
					if private {
						o.TLS = &servers.TLS{Cert: pki.Cert, Key: pki.Key, Reuse: servers.InsistsOnReuse(kind)}
					}
					server := servers.Start(t, kind, o)
					p := startProxy(t, front{
						server: server, address: loopbacks()[0], pki: &pki, tls: fmt.Sprintf("truncation = %q", truncation),
					})
					cutEveryWay(t, p, truncation)
					p.settled(t)
				})
			}
		}
	}
}

// TestKilledProxy has the proxy die in the middle of an upload: the server must not
// take what it got for the file. Two signals in a row are such an end, too.
func TestKilledProxy(t *testing.T) {
	for _, kind := range []servers.Kind{servers.VSFTPD, servers.ProFTPD} {
		for _, private := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s private %t", kind, private), func(t *testing.T) {
				t.Parallel()
				pki := machine.NewPKI(t)
				var o servers.Options
				if private {
					o.TLS = &servers.TLS{Cert: pki.Cert, Key: pki.Key, Reuse: servers.InsistsOnReuse(kind)}
				}
				server := servers.Start(t, kind, o)
				p := startProxy(t, front{server: server, address: loopbacks()[0], pki: &pki})
				k := p.talk(t, true)
				data := k.data()
				k.begins("STOR killed")
				content := noise(43, 1<<20)
				if _, err := data.Write(content); err != nil {
					t.Fatal(err)
				}
				if err := p.process.Await(func() error {
					info, err := os.Stat(server.Path("killed"))
					if err == nil && info.Size() == 0 {
						err = errors.New("nothing has arrived")
					}
					return err
				}); err != nil {
					t.Fatal(err)
				}
				p.kill(t)
				if _, _, err := k.reply(); err == nil {
					t.Error("the client has heard a reply")
				}
				if err := machine.Eventually(func() error {
					if log := server.Log(); !regexp.MustCompile(`UPLOAD: .*/killed"|(?m)/killed .* [ci]$`).MatchString(log) {
						return errors.New("the server has not noticed")
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				wantCommitted(t, server, "killed", false)
			})
		}
	}
}

// cuts are the ways in which an upload can end too early.
func cuts() map[string]func(*testing.T, *cutter) {
	return map[string]func(*testing.T, *cutter){
		"reset": func(t *testing.T, c *cutter) {
			if err := c.tcp.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			_ = c.tcp.Close()
		},
		"fin": func(t *testing.T, c *cutter) {
			if err := c.tcp.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		},
		"alert": func(_ *testing.T, c *cutter) { c.alert() },
	}
}

func cutEveryWay(t *testing.T, p *proxy, truncation string) {
	t.Helper()
	content := noise(41, 200_003)
	k := p.talk(t, true)
	for name, cut := range cuts() {
		whole := name == "fin" && truncation != "fail"
		c := newCutter(k.data())
		k.begins("STOR " + name)
		if _, err := c.Write(content); err != nil {
			t.Fatal(err)
		}
		cut(t, c)
		code, text, err := k.reply()
		if err != nil || whole != (code == 226) || !whole && code/100 != 4 {
			t.Errorf("%s: heard %q, %v", name, text, err)
		}
		_ = c.tcp.Close()
		if whole {
			wantContent(t, p.server.Path(name), content)
		}
		k.do(200, "NOOP") // vsftpd logs an upload only when it has replied
		wantCommitted(t, p.server, name, whole)
	}
	k.do(221, "QUIT")
}

// wantCommitted looks into the server's own log of transfers. Pure-FTPd's does not
// say how one ended; pyftpdlib takes a reset for an end, so there the client's
// reply is all that can be right.
func wantCommitted(t *testing.T, server *servers.Server, name string, whole bool) {
	t.Helper()
	var complete, broken *regexp.Regexp
	switch server.Kind {
	case servers.VSFTPD:
		complete = regexp.MustCompile(`OK UPLOAD: .*/` + name + `"`)
		broken = regexp.MustCompile(`FAIL UPLOAD: .*/` + name + `"`)
	case servers.ProFTPD:
		complete = regexp.MustCompile(`(?m)/` + name + ` .* c$`)
		broken = regexp.MustCompile(`(?m)/` + name + ` .* i$`)
	default:
		return
	}
	log := server.Log()
	if complete.MatchString(log) != whole || broken.MatchString(log) == whole {
		t.Errorf("%s: the server's log does not say that it is complete: %t\n%s", name, whole, log)
	}
}

// A cutter is a data connection over TLS that can be cut below it.
type cutter struct {
	*tls.Conn
	tcp *net.TCPConn
	bad *badRecords
}

// newCutter takes the connection from under a client's TLS.
func newCutter(data net.Conn) *cutter {
	private := data.(*tls.Conn)
	wire := private.NetConn().(*badRecords)
	return &cutter{Conn: private, tcp: wire.TCPConn, bad: wire}
}

// alert makes our own TLS send a fatal alert, as TLS does that was given a record
// which nobody made.
func (c *cutter) alert() {
	c.bad.feed.Store(true)
	// The record must reach a read that is not already waiting.
	_, _ = c.Read(make([]byte, 1))
}

// badRecords reads from a connection, or else a record that cannot be right.
type badRecords struct {
	*net.TCPConn
	feed atomic.Bool
	rest bytes.Reader
}

func (b *badRecords) Read(p []byte) (int, error) {
	if !b.feed.Load() {
		return b.TCPConn.Read(p)
	}
	if b.rest.Len() == 0 {
		b.rest.Reset(append([]byte{23, 3, 3, 0, 64}, make([]byte, 64)...))
	}
	return b.rest.Read(p)
}
