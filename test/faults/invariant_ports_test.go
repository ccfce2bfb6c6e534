package faults

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// Invariant 7: one client listener per session at a time; a new PASV, EPSV, PORT
// or EPRT replaces the old; ports return to the pool on every path.

func TestInvariant7NewOpeningReplacesTheOld(t *testing.T) {
	for _, first := range []string{"EPSV", "PASV", "PORT", "EPRT"} {
		for _, second := range []string{"EPSV", "PASV", "PORT", "EPRT"} {
			t.Run(first+" "+second, func(t *testing.T) {
				r := newRig(t)
				c := r.session()
				old := c.prepareBy(first)
				early := old.knock()
				l := c.prepareBy(second).asks("RETR 5000")
				c.hear(150)
				l.receive(bulk(5000))
				l.hearEnd()
				c.hear(226)
				old.isOver(early)
				r.recoversAfter(c)
			})
		}
	}
}

// prepareBy prepares a data connection with the given verb.
func (c *client) prepareBy(verb string) *opening {
	c.t.Helper()
	switch verb {
	case "EPSV":
		return &opening{client: c, to: c.epsv()}
	case "PASV":
		return &opening{client: c, to: c.pasv()}
	}
	return c.listens(verb)
}

// knock opens a passive data connection that will not be used; nil when active.
func (o *opening) knock() *leg {
	o.client.t.Helper()
	if o.ln != nil {
		return nil
	}
	return o.client.open(o.to)
}

// isOver wants that nobody listens at a passive port any more and that its early
// connection was closed, or that nobody ever dialled an active one.
func (o *opening) isOver(early *leg) {
	o.client.t.Helper()
	if o.ln == nil {
		early.hearClosed()
		return
	}
	if nobodyCame(o.client.t, o.ln) {
		return
	}
	o.client.t.Fatal("the old data connection was dialled")
}

// nobodyCame looks at what the kernel has accepted by now.
func nobodyCame(t testing.TB, ln *net.TCPListener) bool {
	t.Helper()
	own, err := dialFrom("", ln.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	return first.RemoteAddr().String() == own.LocalAddr().String()
}

// onePort leaves one passive port to the whole listener: whoever keeps it keeps
// everybody else from it.
func onePort(s *settings) { s.ports = 1 }

// Each path on which a transfer may end is followed by an EPSV that needs the
// same port.
func TestInvariant7PortReturnsOnEveryPath(t *testing.T) {
	for _, p := range portPaths() {
		t.Run(p.name, func(t *testing.T) {
			r := newRig(t, onePort, func(s *settings) { s.limits.DataTimeout = soon })
			for range 2 {
				c := r.session()
				p.walk(c)
				r.upstream.behave()
				if p.ends {
					r.closeClients()
					r.nothingLeft()
					continue
				}
				c.downloads(5000)
				c.do(221, "QUIT")
				c.hearEnd()
			}
			r.recovers()
		})
	}
}

type portPath struct {
	name string
	walk func(*client)
	ends bool // the session does not go on
}

func portPaths() []portPath {
	return append(portPathsOfUpstreams(), []portPath{
		{name: "another EPSV", walk: func(c *client) { c.epsv() }},
		{name: "EPRT", walk: func(c *client) { c.epsv(); c.prepare(true) }},
		{name: "an EPRT that is refused", walk: func(c *client) { c.epsv(); c.do(500, "EPRT |1|192.0.2.1|4000|") }},
		{name: "a download", walk: func(c *client) { c.downloads(5000) }},
		{name: "an upload", walk: func(c *client) { c.uploads(5000) }},
		{name: "nobody came", walk: func(c *client) { c.epsv(); c.do(150, "RETR 5000"); c.hear(425) }},
		{name: "handshake failed", walk: func(c *client) {
			l := c.transfer("RETR 5000")
			l.sendRaw([]byte("not TLS at all\r\n"))
			c.hear(522)
		}},
		{name: "ABOR", walk: func(c *client) {
			l := c.transfer("RETR 9000000")
			l.receive(bulk(1000)) // the upstream has opened its data connection by then
			c.say("ABOR")
			c.hear(426)
			c.hear(226)
		}},
		{name: "QUIT", ends: true, walk: func(c *client) { c.epsv(); c.do(221, "QUIT") }},
		{name: "QUIT with a connection waiting", ends: true, walk: func(c *client) { c.open(c.epsv()); c.do(221, "QUIT") }},
		{name: "wrong protection level", walk: func(c *client) {
			c.do(200, "PROT C")
			c.epsv()
			c.do(521, "RETR 5000")
			c.do(200, "PROT P")
		}},
		{name: "REIN", ends: true, walk: func(c *client) {
			c.epsv()
			c.do(220, "REIN")
			c.rig.session().epsv() // at once, not when the port has waited in vain
		}},
		{name: "end of the control connection", ends: true, walk: func(c *client) { c.epsv() }},
		{name: "reset of the control connection", ends: true, walk: func(c *client) { c.epsv(); reset(c.tcp) }},
		{name: "end in a transfer", ends: true, walk: func(c *client) { c.transfer("STOR a") }},
	}...)
}

func portPathsOfUpstreams() []portPath {
	return []portPath{
		{name: "refused PASV", walk: func(c *client) {
			c.rig.upstream.says("PASV", "425 no\r\n")
			c.do(425, "EPSV")
		}},
		{name: "senseless PASV", walk: func(c *client) {
			c.rig.upstream.says("PASV", "227 somewhere\r\n")
			c.do(425, "EPSV")
		}},
		{name: "unreachable data port", walk: func(c *client) {
			port := c.rig.closedPort()
			c.rig.upstream.on("PASV", func(v *visit, _ string) { v.announce("PASV", port) })
			c.epsv()
			c.do(425, "RETR 5000")
		}},
		{name: "refused transfer", walk: func(c *client) {
			c.rig.upstream.says("RETR", "550 no\r\n")
			c.epsv()
			c.do(550, "RETR 5000")
		}},
		{name: "farewell of the upstream", ends: true, walk: func(c *client) {
			c.rig.upstream.says("NOOP", "421 bye\r\n")
			c.epsv()
			c.do(421, "NOOP")
		}},
		{name: "end of the upstream", ends: true, walk: func(c *client) {
			c.rig.upstream.on("NOOP", func(v *visit, _ string) { v.drop() })
			c.epsv()
			c.do(421, "NOOP")
		}},
	}
}

// AUTH leaves the upstream, and what was prepared with it.
func TestInvariant7PortReturnsAtAUTH(t *testing.T) {
	r := newRig(t, onePort, allowClear)
	c := r.clear()
	early := c.open(c.epsv())
	c.secure()
	early.hearClosed()
	c.protect()
	other := r.session()
	other.epsv()
	other.do(221, "QUIT")
	other.hearEnd()
	c.login()
	r.recoversAfter(c)
}

// closedPort is a port of 127.0.0.1 where nobody listens. A socket stays bound to it
// until the test ends, so that the kernel gives it to nobody else.
func (r *rig) closedPort() int {
	r.t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.sockets++
	r.t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		r.t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		r.t.Fatal(err)
	}
	return at.(*unix.SockaddrInet4).Port
}

// The port is free while the file moves: one data connection per PASV.
func TestInvariant7PortServesOneDataConnection(t *testing.T) {
	r := newRig(t, onePort)
	c := r.session()
	to := c.epsv()
	l := c.open(to)
	c.do(150, "STOR a")
	l.send(bulk(10))
	other := r.session()
	eventually(t, func() bool { return other.tryEPSV() })
	l.end()
	c.hear(226)
	other.do(221, "QUIT")
	other.hearEnd()
	wantFree(t, to)
	r.recoversAfter(c)
}

// tryEPSV tells whether a port could be had.
func (c *client) tryEPSV() bool {
	c.t.Helper()
	c.say("EPSV")
	return c.hearOneOf(229, 425) == 229
}

// wantFree wants nobody to listen there any more.
func wantFree(t testing.TB, port netip.AddrPort) {
	t.Helper()
	at := machine.Block{First: port.Port(), Last: port.Port()}
	eventually(t, func() bool { return at.Free() == nil })
}

func TestPortRangeUsedUpIs425AndRecovers(t *testing.T) {
	r := newRig(t)
	var holders []*client
	for range r.settings.ports {
		c := r.session()
		c.epsv()
		holders = append(holders, c)
	}
	late := r.session()
	for range 5 {
		late.do(425, "EPSV")
		late.do(425, "PASV")
		late.do(425, "RETR 100")
	}
	holders[0].do(221, "QUIT")
	holders[0].hearEnd()
	eventually(t, func() bool { return late.tryEPSV() })
	late.downloads(5000)
	r.recoversAfter(late)
}

// A port of the range that another program holds is left out.
func TestPortHeldByAnotherProgramIsLeftOut(t *testing.T) {
	r := newRig(t)
	first := r.settings.listener.Passive.Ports.First
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(first)})
	if err != nil {
		t.Fatal(err)
	}
	c := r.session()
	for range 20 {
		if at := c.epsv(); at.Port() == first {
			t.Fatal("a port was leased that another program holds")
		}
		c.downloads(100)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	r.recoversAfter(c)
}
