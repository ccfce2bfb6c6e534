package faults

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	dialling "github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// The invariants towards an upstream with TLS, where the proxy is the client.

// explicitly is an upstream with explicit TLS of this version.
func explicitly(t testing.TB, version uint16, change ...func(*tls.Config)) func(*settings) {
	t.Helper()
	return overTLS(t, dialling.TLSExplicit, version, change...)
}

// openPrivate opens a data connection whose TLS has not said anything yet.
func (v *visit) openPrivate() (*privateData, error) {
	tcp, err := v.open()
	if err != nil {
		return nil, err
	}
	conn, ok := v.secured(tcp).(*privateData)
	if !ok {
		_ = tcp.Close()
		return nil, errors.New("nobody said PROT P")
	}
	return conn, nil
}

// Invariant 1: the end of an upload, close_notify and FIN, is on its way to the
// upstream before the client hears of it, though the upstream's 226 was there
// before the first byte.
func TestInvariant1UploadIsReportedWhenItsEndHasBeenSent(t *testing.T) {
	r := newRig(t, explicitly(t, tls.VersionTLS13))
	opened := make(chan *privateData, 1)
	r.upstream.on("STOR", func(v *visit, _ string) {
		v.reply("150 go on")
		v.transfers.Go(func() {
			conn, err := v.openPrivate()
			if err != nil {
				close(opened)
				return
			}
			v.reply("226 stored")
			_ = conn.Handshake() // if it fails, so does receive
			opened <- conn
		})
	})
	c := r.session()
	for range 20 {
		l := c.transfer("STOR a")
		l.send(bulk(60_000))
		conn := <-opened
		if conn == nil {
			t.Fatal("no private data connection at the upstream")
		}
		l.end()
		c.hear(226)
		if !finArrived(t, conn.wire.TCPConn) {
			t.Fatal("226 came before the end of the file was sent")
		}
		_ = newVisit(r.upstream, nil).receive("a", conn)
		_ = conn.Close()
		if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 60_000 {
			t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
		}
	}
	r.recoversAfter(c)
}

// Invariant 2: what breaks on the client's side is no clean end under TLS either:
// neither close_notify nor FIN, but a reset.
func TestInvariant2BrokenUploadToAPrivateUpstream(t *testing.T) {
	for _, b := range breakages() {
		if b.clear {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			b.with = and(b.with, explicitly(t, tls.VersionTLS13))
			brokenUpload(t, b, "226 stored")
		})
	}
}

// and makes both changes.
func and(first, second func(*settings)) func(*settings) {
	return func(s *settings) {
		if first != nil {
			first(s)
		}
		second(s)
	}
}

// A heldWire keeps back what its owner writes after the first flight of its
// handshake: in TLS 1.3, when a client certificate is asked for, its tickets.
type heldWire struct {
	*wire
	release <-chan struct{}
	writes  int
}

func (w *heldWire) Write(p []byte) (int, error) {
	if w.writes++; w.writes == 2 {
		<-w.release
	}
	return w.wire.Write(p)
}

// Invariant 3: an upload over TLS ends with close_notify, half-close, and reading
// to the end. Here the upstream's tickets come when the proxy has ended the file
// and part of it is still in the proxy's kernel, which would throw that away if
// the connection were simply closed.
func TestInvariant3UploadToAnUpstreamWhoseTicketsComeLate(t *testing.T) {
	r := newRig(t, explicitly(t, tls.VersionTLS13, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }))
	release := make(chan struct{})
	r.upstream.on("STOR", func(v *visit, name string) {
		v.reply("150 go on")
		v.transfers.Go(func() {
			conn, err := v.openPrivate()
			if err != nil {
				return
			}
			_ = conn.wire.SetReadBuffer(16 << 10)
			held := &heldWire{wire: conn.wire, release: release}
			server := r.upstream.tls.Clone()
			server.SetSessionTicketKeys([][32]byte{{1}}) // else it resumes, and asks for no certificate
			conn.Conn = tls.Server(held, server)
			if err := conn.Handshake(); err != nil || held.writes != 2 {
				t.Errorf("%d writes in a handshake that ended with %v", held.writes, err)
			}
			eventually(t, func() bool { return tcpInfo(t, conn.wire.TCPConn).Unacked == 0 })
			_ = v.receive(name, conn)
			_ = conn.Close()
			v.reply("226 stored")
		})
	})
	c := r.session()
	const size = 160 << 10 // the kernel takes it over, and the upstream's only in part
	l := c.transfer("STOR a")
	l.send(bulk(size))
	l.end()
	l.hearEnd() // the upstream's leg has been ended before
	close(release)
	c.hear(226)
	if up := <-r.upstream.uploads; up.err != nil || !slices.Equal(up.data, bulk(size)) {
		t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
	}
	r.recoversAfter(c)
}

// The same with an upstream that talks out of turn, in both versions.
func TestInvariant3UploadToAPrivateUpstreamThatTalks(t *testing.T) {
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := newRig(t, explicitly(t, version))
			release := make(chan struct{}, 1)
			r.upstream.on("STOR", func(v *visit, name string) {
				v.transfer(func(conn dataConn) error {
					_ = conn.(*privateData).wire.SetReadBuffer(16 << 10)
					if err := conn.(*privateData).Handshake(); err != nil {
						return err
					}
					v.await(release)
					if _, err := conn.Write(bulk(5000)); err != nil {
						return err
					}
					eventually(t, func() bool { return tcpInfo(t, conn.(*privateData).wire.TCPConn).Unacked == 0 })
					return v.receive(name, conn)
				})
			})
			c := r.session()
			for range 3 {
				l := c.transfer("STOR a")
				l.send(bulk(160 << 10))
				l.end()
				l.hearEnd()
				release <- struct{}{}
				c.hear(226)
				if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 160<<10 {
					t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
				}
			}
			r.recoversAfter(c)
		})
	}
}

// Invariant 5, upstream: the proxy's hello waits for the 150.
func TestInvariant5UpstreamHandshakeWaitsForThePreliminaryReply(t *testing.T) {
	for _, active := range []bool{false, true} {
		t.Run(map[bool]string{false: "passive upstream", true: "active upstream"}[active], func(t *testing.T) {
			r := newRig(t, explicitly(t, tls.VersionTLS13), upstreamMode(active))
			asked, release := make(chan *net.TCPConn, 1), make(chan struct{})
			r.upstream.on("RETR", func(v *visit, _ string) {
				conn, err := v.openPrivate()
				if err != nil {
					close(asked)
					return
				}
				asked <- conn.wire.TCPConn
				v.await(release)
				v.reply("150 here it comes")
				_, _ = conn.Write(bulk(5000))
				_ = conn.CloseWrite()
				v.reply("226 done")
				_ = conn.Close()
			})
			c := r.session()
			l := c.open(c.epsv())
			c.say("RETR 5000")
			conn := <-asked
			if conn == nil {
				t.Fatal("no private data connection at the upstream")
			}
			r.upstream.behave()
			r.meanwhile()
			if n := unread(conn); n != 0 {
				t.Fatalf("%d bytes of TLS came before the 150", n)
			}
			close(release)
			c.hear(150)
			l.receive(bulk(5000))
			l.hearEnd()
			c.hear(226)
			r.recoversAfter(c)
		})
	}
}

// unread counts the bytes that a connection's kernel holds for its reader.
func unread(conn *net.TCPConn) (n int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	return n
}

// A refusal in place of the 150: the upstream's leg is closed without TLS.
func TestInvariant5RefusalClosesThePrivateLegUnused(t *testing.T) {
	for _, active := range []bool{false, true} {
		t.Run(map[bool]string{false: "passive upstream", true: "active upstream"}[active], func(t *testing.T) {
			r := newRig(t, explicitly(t, tls.VersionTLS13), upstreamMode(active))
			came := make(chan error, 1)
			r.upstream.on("STOR", func(v *visit, _ string) {
				conn, err := v.openPrivate()
				if err != nil {
					came <- err
					return
				}
				v.reply("550 no")
				if n, err := conn.wire.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
					came <- fmt.Errorf("%d bytes of TLS, %w", n, err)
				}
				_ = conn.wire.Close()
				close(came)
			})
			c := r.session()
			l := c.open(c.epsv())
			c.do(550, "STOR a")
			if err := <-came; err != nil {
				t.Fatal(err)
			}
			l.hearClosed()
			r.recoversAfter(c)
		})
	}
}

// Invariant 6: the proxy is TLS client towards the upstream on every leg, whoever
// dialled.
func TestInvariant6TLSClientOnEveryUpstreamLeg(t *testing.T) {
	for _, version := range versions() {
		for _, mode := range []dialling.TLSMode{dialling.TLSExplicit, dialling.TLSImplicit} {
			for _, active := range []bool{false, true} {
				for _, upstreamActive := range []bool{false, true} {
					name := fmt.Sprintf("%s mode %d client active %v upstream active %v", tls.VersionName(version), mode, active, upstreamActive)
					t.Run(name, func(t *testing.T) {
						r := newRig(t, overTLS(t, mode, version), upstreamMode(upstreamActive))
						carriesBothWays(r, active)
					})
				}
			}
		}
	}
}

// carriesBothWays transfers files over legs that are private on both sides.
func carriesBothWays(r *rig, active bool) {
	r.t.Helper()
	c := r.session()
	for range 2 {
		l := c.prepare(active).transfer("RETR 90000")
		l.receive(bulk(90_000))
		l.hearEnd()
		c.hear(226)

		l = c.prepare(active).transfer("STOR a")
		l.send(bulk(90_000))
		l.end()
		c.hear(226)
		if up := <-r.upstream.uploads; up.err != nil || !slices.Equal(up.data, bulk(90_000)) {
			r.t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
		}
	}
	r.recoversAfter(c)
}

// Invariant 8, upstream: bytes behind the 234 were sent in clear text by somebody
// who wants them taken for part of the private session. They end the session, and
// the upstream hears nothing more.
func TestInvariant8BytesBehindThe234EndTheSession(t *testing.T) {
	for name, injected := range map[string]string{
		"a reply":         "230 logged in\r\n",
		"several replies": "331 go on\r\n230 logged in\r\n227 Entering Passive Mode (127,0,0,1,4,1)\r\n",
		"part of a reply": "230 log",
		"one byte":        "\x16",
		"an empty line":   "\r\n",
		"TLS records":     "\x15\x03\x03\x00\x02\x01\x00",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, explicitly(t, tls.VersionTLS13))
			r.upstream.on("AUTH", func(v *visit, _ string) {
				v.write("234 go on\r\n" + injected)
				v.startTLS()
			})
			c := r.dial()
			c.secure()
			c.do(421, "USER anna")
			c.hearEnd()
			if heard := r.upstream.commands(); !slices.Equal(heard, []string{"AUTH TLS"}) {
				t.Errorf("the upstream heard %q", heard)
			}
			r.recovers()
		})
	}
}

// An upstream that refuses TLS, or privacy of data, hears of no user: there is no
// falling back to clear text.
func TestUpstreamThatRefusesTLSHearsOfNoUser(t *testing.T) {
	for _, refused := range []struct {
		verb, reply string
		heard       []string
	}{
		{"AUTH", "500 unknown", []string{"AUTH TLS", "AUTH SSL"}},
		{"AUTH", "502 unknown", []string{"AUTH TLS", "AUTH SSL"}},
		{"AUTH", "504 unknown", []string{"AUTH TLS", "AUTH SSL"}},
		{"AUTH", "530 no", []string{"AUTH TLS"}},
		{"AUTH", "431 not now", []string{"AUTH TLS"}},
		{"AUTH", "334 ADAT=", []string{"AUTH TLS"}},
		{"AUTH", "631 protected", []string{"AUTH TLS"}},
		{"PBSZ", "500 unknown", []string{"AUTH TLS", "PBSZ 0"}},
		{"PROT", "534 no", []string{"AUTH TLS", "PBSZ 0", "PROT P"}},
		{"PROT", "431 not now", []string{"AUTH TLS", "PBSZ 0", "PROT P"}},
	} {
		t.Run(refused.verb+" "+refused.reply, func(t *testing.T) {
			r := newRig(t, explicitly(t, tls.VersionTLS13), func(s *settings) { s.listener.TLS.Control = proxy.Allow })
			r.upstream.says(refused.verb, refused.reply+"\r\n")
			c := r.dial()
			c.do(421, "USER anna")
			c.hearEnd()
			// QUIT is what a client owes its server, and names nobody.
			heard := slices.DeleteFunc(r.upstream.commands(), func(line string) bool { return line == "QUIT" })
			if !slices.Equal(heard, refused.heard) {
				t.Errorf("the upstream heard %q", heard)
			}
			r.recovers()
		})
	}
}
