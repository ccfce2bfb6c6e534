package faults

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

func versions() []uint16 { return []uint16{tls.VersionTLS12, tls.VersionTLS13} }

// requireReuse wants data connections to resume the session's TLS.
func requireReuse(s *settings) { s.tls.Reuse = tlsterm.ReuseRequire }

// sessionOf opens a session in this version of TLS, and no other.
func (r *rig) sessionOf(version uint16) *client {
	r.t.Helper()
	c := r.dial()
	c.config.MaxVersion = version
	c.secure()
	c.protect()
	c.login()
	return c
}

// Invariant 4: a leg that cannot show that it belongs to the session is closed
// unread and does not use up the listener.

func TestInvariant4StrangerOfAnotherAddress(t *testing.T) {
	for _, clear := range []bool{false, true} {
		t.Run(map[bool]string{false: "private", true: "clear"}[clear], func(t *testing.T) {
			r := newRig(t, allowClear)
			c := r.open(clear)
			for _, upload := range []bool{false, true} {
				to := c.epsv()
				for range 10 {
					s := c.stranger("127.0.0.2", to)
					s.hearClosed()
				}
				c.prepared = to
				if upload {
					c.uploads(30_000)
					if up := <-r.upstream.uploads; up.err != nil || !slices.Equal(up.data, bulk(30_000)) {
						t.Fatalf("%d bytes arrived, or others than the client's, then %v", len(up.data), up.err)
					}
				} else {
					c.downloads(30_000)
				}
			}
			r.recoversAfter(c)
		})
	}
}

// stranger opens a data connection from this address, and says something first.
func (c *client) stranger(host string, to netip.AddrPort) *leg {
	c.t.Helper()
	conn, err := dialFrom(host, to)
	if err != nil {
		c.t.Fatal(err)
	}
	s := c.leg(conn)
	_, _ = conn.Write([]byte("not for you\r\n")) // it may be closed by now
	return s
}

// Somebody behind the same address comes first, makes a perfect handshake, and
// cannot show that it belongs to the session.
func TestInvariant4StrangerOfTheSameAddressCannotResume(t *testing.T) {
	for _, version := range versions() {
		for _, upload := range []bool{false, true} {
			name := tls.VersionName(version) + map[bool]string{false: " download", true: " upload"}[upload]
			t.Run(name, func(t *testing.T) {
				r := newRig(t, requireReuse)
				c := r.sessionOf(version)
				to := c.epsv()
				s := c.thief(to, version)
				c.say(map[bool]string{false: "RETR 30000", true: "STOR a"}[upload])
				c.hear(150)
				s.isTurnedAway()
				l := c.open(to)
				if upload {
					l.send(bulk(30_000))
					l.end()
				} else {
					l.receive(bulk(30_000))
					l.hearEnd()
				}
				c.hear(226)
				if !l.Conn.(*tls.Conn).ConnectionState().DidResume {
					t.Error("the right data connection has not resumed")
				}
				r.recoversAfter(c)
			})
		}
	}
}

// thief opens a data connection from the client's own address, with a TLS
// session of its own.
func (c *client) thief(to netip.AddrPort, version uint16) *leg {
	c.t.Helper()
	conn, err := dialFrom("", to)
	if err != nil {
		c.t.Fatal(err)
	}
	s := c.leg(conn)
	config := c.config.Clone()
	config.MaxVersion = version
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	s.Conn = tls.Client(s.wire, config)
	return s
}

// isTurnedAway wants the connection closed before a byte of a file came.
func (l *leg) isTurnedAway() {
	l.t.Helper()
	n, err := l.Read(make([]byte, 1))
	if n != 0 || isTimeout(err) {
		l.t.Fatalf("a stranger gets %d bytes, %v", n, err)
	}
	_ = l.tcp.Close()
}

// A stranger that is refused must not earn a ticket with which its second try
// succeeds; and the client that never resumes gets its 522.
func TestInvariant4StrangerTriesTwice(t *testing.T) {
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := newRig(t, requireReuse)
			c := r.sessionOf(version)
			to := c.epsv()
			first := c.thief(to, version)
			second := c.thief(to, version)
			second.Conn = tls.Client(second.wire, first.config(c))
			c.do(150, "RETR 30000")
			first.isTurnedAway()
			second.isTurnedAway()
			c.hear(522)
			r.recoversAfter(c)
		})
	}
}

// config is a configuration that shares tickets with l, made anew.
func (l *leg) config(c *client) *tls.Config {
	shared := c.config.Clone()
	shared.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	l.Conn = tls.Client(l.wire, shared)
	return shared
}

// Another client of the same proxy, behind the same address, can resume a session:
// its own.
func TestInvariant4TicketOfAnotherSession(t *testing.T) {
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := newRig(t, requireReuse, func(s *settings) { s.ports = 3 })
			c, other := r.sessionOf(version), r.sessionOf(version)
			to := c.epsv()
			s := other.open(to)
			c.do(150, "RETR 30000")
			s.isTurnedAway()
			l := c.open(to)
			l.receive(bulk(30_000))
			l.hearEnd()
			c.hear(226)
			other.downloads(5000) // it could resume
			if !l.Conn.(*tls.Conn).ConnectionState().DidResume {
				t.Error("the right data connection has not resumed")
			}
			other.do(221, "QUIT")
			other.hearEnd()
			r.recoversAfter(c)
		})
	}
}

// Somebody behind the same address comes first and is silent.
func TestInvariant4SilentStrangerHoldsNobodyUp(t *testing.T) {
	for _, change := range []func(*settings){func(*settings) {}, requireReuse} {
		r := newRig(t, change)
		c := r.session()
		for range 3 {
			to := c.epsv()
			silent := c.open(to)
			l := c.open(to)
			c.do(150, "RETR 30000")
			l.receive(bulk(30_000))
			l.hearEnd()
			c.hear(226)
			silent.hearClosed()
		}
		r.recoversAfter(c)
	}
}

// Behind the upstream's own address there may be strangers too, who come first: one
// without the upstream's certificate does not use up the port.
func TestInvariant4StrangerOfTheUpstreamsAddress(t *testing.T) {
	for _, version := range versions() {
		for _, upload := range []bool{false, true} {
			name := tls.VersionName(version) + map[bool]string{false: " download", true: " upload"}[upload]
			t.Run(name, func(t *testing.T) { strangersBesideTheUpstream(t, version, upload) })
		}
	}
}

func strangersBesideTheUpstream(t *testing.T, version uint16, upload bool) {
	r := newRig(t, upstreamMode(true), explicitly(t, version))
	targets := r.upstream.targets()
	c := r.session()
	for _, comes := range []func(*net.TCPConn){
		func(*net.TCPConn) {}, // and is silent
		func(s *net.TCPConn) { _ = s.Close() },
		reset,
		func(s *net.TCPConn) { _, _ = s.Write([]byte("no TLS at all\r\n")) },
	} {
		c.prepared = c.epsv()
		stranger, err := dialFrom("", <-targets)
		if err != nil {
			t.Fatal(err)
		}
		r.keep(stranger)
		comes(stranger)
		if upload {
			c.uploads(30_000)
			if up := <-r.upstream.uploads; up.err != nil || !slices.Equal(up.data, bulk(30_000)) {
				t.Fatalf("%d bytes arrived, or others than the client's, then %v", len(up.data), up.err)
			}
		} else {
			c.downloads(30_000)
		}
	}
	r.recoversAfter(c)
}

// targets has PORT tell where the proxy waits for the upstream.
func (u *upstream) targets() <-chan netip.AddrPort {
	targets := make(chan netip.AddrPort, 1)
	u.on("PORT", func(v *visit, argument string) {
		target, err := parsePORT(argument)
		reply := v.aim(target, err)
		targets <- target
		v.reply(reply)
	})
	return targets
}

// Invariant 5: data TLS starts only after the upstream's 1yz.

func TestInvariant5HandshakeWaitsForThePreliminaryReply(t *testing.T) {
	r := newRig(t)
	asked, release := make(chan struct{}), make(chan struct{})
	r.upstream.on("RETR", func(v *visit, argument string) {
		close(asked)
		v.await(release)
		v.retrieve(argument)
	})
	c := r.session()
	l := c.open(c.epsv())
	c.say("RETR 5000")
	hello := l.handshakes()
	<-asked
	r.upstream.behave()
	r.meanwhile()
	if n := l.wire.bytes.Load(); n != 0 {
		t.Fatalf("%d bytes of TLS came before the 150", n)
	}
	close(release)
	c.hear(150)
	if err := <-hello; err != nil {
		t.Fatal(err)
	}
	l.receive(bulk(5000))
	l.hearEnd()
	c.hear(226)
	r.recoversAfter(c)
}

// handshakes starts the handshake in the background.
func (l *leg) handshakes() <-chan error {
	done := make(chan error, 1)
	go func() { done <- l.Conn.(*tls.Conn).Handshake() }()
	return done
}

// The client is in its handshake already when the upstream refuses: both legs
// are closed without TLS, and the one reply is relayed.
func TestInvariant5RefusalInPlaceOfThePreliminaryReply(t *testing.T) {
	for _, refusal := range []string{"425 no", "426 no", "450 no", "451 no", "452 no", "501 no", "530 no", "550 no", "552 no", "553 no"} {
		for _, active := range []bool{false, true} {
			t.Run(refusal[:3]+map[bool]string{false: " passive", true: " active"}[active], func(t *testing.T) {
				r := newRig(t)
				r.upstream.says("RETR", refusal+"\r\n")
				c := r.session()
				for range 2 {
					l := c.prepare(active).asks("RETR a")
					done := l.handshakes()
					if text := c.hear(int(refusal[0]-'0')*100 + int(refusal[1]-'0')*10 + int(refusal[2]-'0')); text != refusal {
						t.Fatalf("%q instead of %q", text, refusal)
					}
					if err := <-done; err == nil || isTimeout(err) {
						t.Fatalf("the handshake ended with %v", err)
					}
					l.hearClosed()
				}
				r.recoversAfter(c)
			})
		}
	}
}

// Invariant 6: the proxy is TLS server towards the client on every leg, whoever
// dialled, and whoever dialled the upstream's.
func TestInvariant6TLSServerOnEveryLeg(t *testing.T) {
	for _, version := range versions() {
		for _, active := range []bool{false, true} {
			for _, upstreamActive := range []bool{false, true} {
				name := fmt.Sprintf("%s client active %v upstream active %v", tls.VersionName(version), active, upstreamActive)
				t.Run(name, func(t *testing.T) { serverOnLeg(t, version, active, upstreamActive) })
			}
		}
	}
}

func serverOnLeg(t *testing.T, version uint16, active, upstreamActive bool) {
	for _, change := range []func(*settings){func(*settings) {}, requireReuse} {
		r := newRig(t, change, upstreamMode(upstreamActive))
		c := r.sessionOf(version)
		for range 2 {
			l := c.prepare(active).transfer("RETR 90000")
			l.receive(bulk(90_000))
			l.hearEnd()
			c.hear(226)

			l = c.prepare(active).transfer("STOR a")
			l.send(bulk(90_000))
			l.end()
			c.hear(226)
			if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 90_000 {
				t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
			}
		}
		r.recoversAfter(c)
	}
}

// Invariant 4, the upstream's side: where the upstream dials, only it may.
func TestInvariant4StrangerAtTheUpstreamsPort(t *testing.T) {
	for _, private := range []bool{false, true} {
		for _, upload := range []bool{false, true} {
			name := map[bool]string{false: "clear", true: "private"}[private] + map[bool]string{false: " download", true: " upload"}[upload]
			t.Run(name, func(t *testing.T) {
				r := newRig(t, upstreamMode(true), func(s *settings) {
					if private {
						explicitly(t, tls.VersionTLS13)(s)
					}
				})
				targets := r.upstream.targets()
				c := r.session()
				for range 2 {
					c.prepared = c.epsv()
					to := <-targets
					for range 10 {
						c.stranger("127.0.0.2", to).hearClosed()
					}
					if upload {
						c.uploads(30_000)
						if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 30_000 {
							t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
						}
					} else {
						c.downloads(30_000)
					}
				}
				r.recoversAfter(c)
			})
		}
	}
}
