package faults

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A leg is the client's end of a data connection. Its TLS handshake is made by
// the first Read or Write.
type leg struct {
	net.Conn // wire, or TLS over it
	t        testing.TB
	tcp      *net.TCPConn
	wire     *wire
}

// A wire counts what comes over a data connection, and remembers its FIN.
type wire struct {
	*net.TCPConn
	bytes atomic.Int64
	fin   atomic.Bool
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.TCPConn.Read(p)
	w.bytes.Add(int64(n))
	if errors.Is(err, io.EOF) {
		w.fin.Store(true)
	}
	return n, err
}

// epsv asks for a port and returns where it is.
func (c *client) epsv() netip.AddrPort {
	c.t.Helper()
	return c.portOf(c.do(229, "EPSV"))
}

func (c *client) portOf(reply string) netip.AddrPort {
	c.t.Helper()
	var port uint16
	if _, err := fmt.Sscanf(reply[strings.Index(reply, "(|||"):], "(|||%d|)", &port); err != nil {
		c.t.Fatalf("%s: %v", reply, err)
	}
	return netip.AddrPortFrom(c.peer(), port)
}

// pasv is epsv in IPv4's own words.
func (c *client) pasv() netip.AddrPort {
	c.t.Helper()
	reply := c.do(227, "PASV")
	addr, err := parsePORT(reply[strings.Index(reply, "(")+1:])
	if err != nil {
		c.t.Fatalf("%s: %v", reply, err)
	}
	return addr
}

// peer is the proxy's address.
func (c *client) peer() netip.Addr {
	return c.tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
}

// open dials a data connection.
func (c *client) open(to netip.AddrPort) *leg {
	c.t.Helper()
	conn, err := dialFrom("", to)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.leg(conn)
}

// leg makes a data connection of conn.
func (c *client) leg(conn *net.TCPConn) *leg {
	c.rig.keep(conn)
	_ = conn.SetDeadline(time.Now().Add(patience))
	w := &wire{TCPConn: conn}
	l := &leg{Conn: w, t: c.t, tcp: conn, wire: w}
	if c.private {
		l.Conn = tls.Client(w, c.config)
	}
	return l
}

func dialFrom(host string, to netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: patience}
	if host != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(host)}
	}
	conn, err := d.Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// An opening is a data connection that the client has asked for: it dials, or
// waits to be dialled.
type opening struct {
	client *client
	to     netip.AddrPort
	ln     *net.TCPListener // nil: the client dials
}

// prepare says EPSV, or EPRT when the client is active.
func (c *client) prepare(active bool) *opening {
	c.t.Helper()
	if !active {
		return &opening{client: c, to: c.epsv()}
	}
	return c.listens("EPRT")
}

// listens says EPRT or PORT.
func (c *client) listens(verb string) *opening {
	c.t.Helper()
	ln := c.listen()
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	if verb == "PORT" {
		a, p := at.Addr().As4(), at.Port()
		c.do(200, fmt.Sprintf("PORT %d,%d,%d,%d,%d,%d", a[0], a[1], a[2], a[3], p>>8, p&255))
	} else {
		family := map[bool]int{true: 1, false: 2}[at.Addr().Is4()]
		c.do(200, fmt.Sprintf("EPRT |%d|%s|%d|", family, at.Addr(), at.Port()))
	}
	return &opening{client: c, ln: ln}
}

// listen opens a port at the client's address.
func (c *client) listen() *net.TCPListener {
	c.t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: c.tcp.LocalAddr().(*net.TCPAddr).IP})
	if err != nil {
		c.t.Fatal(err)
	}
	c.rig.keep(ln)
	return ln
}

// open opens the data connection. When the client is active, a transfer command
// must have been said.
func (o *opening) open() *leg {
	o.client.t.Helper()
	if o.ln == nil {
		return o.client.open(o.to)
	}
	_ = o.ln.SetDeadline(time.Now().Add(patience))
	conn, err := o.ln.AcceptTCP()
	if err != nil {
		o.client.t.Fatal(err)
	}
	_ = o.ln.Close()
	return o.client.leg(conn)
}

// asks opens as early as can be, and says a transfer command.
func (o *opening) asks(command string) *leg {
	o.client.t.Helper()
	if o.ln == nil {
		defer o.client.say(command)
		return o.open()
	}
	o.client.say(command)
	return o.open()
}

// transfer says a transfer command, which must be begun, and opens.
func (o *opening) transfer(command string) *leg {
	o.client.t.Helper()
	o.client.do(150, command)
	return o.open()
}

// transfer opens a data connection and says a transfer command, which must be
// begun.
func (c *client) transfer(command string) *leg {
	c.t.Helper()
	to := c.prepared
	if c.prepared = (netip.AddrPort{}); !to.IsValid() {
		to = c.epsv()
	}
	l := c.open(to)
	c.do(150, command)
	return l
}

// downloads carries a file of n bytes from the upstream.
func (c *client) downloads(n int) {
	c.t.Helper()
	l := c.transfer(fmt.Sprintf("RETR %d", n))
	l.receive(bulk(n))
	l.hearEnd()
	c.hear(226)
}

// uploads carries a file of n bytes to the upstream. The upstream keeps it.
func (c *client) uploads(n int) {
	c.t.Helper()
	l := c.transfer(fmt.Sprintf("STOR file-%d", n))
	l.send(bulk(n))
	l.end()
	c.hear(226)
	_ = l.tcp.Close()
}

func (l *leg) send(b []byte) {
	l.t.Helper()
	if _, err := l.Write(b); err != nil {
		l.t.Fatal(err)
	}
}

// receive wants exactly these bytes next.
func (l *leg) receive(want []byte) {
	l.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(l, got); err != nil {
		l.t.Fatalf("%d of %d bytes, then %v", n, len(want), err)
	}
	if !bytes.Equal(got, want) {
		l.t.Fatal("the bytes received differ from those sent")
	}
}

// handshake makes the handshake now.
func (l *leg) handshake() {
	l.t.Helper()
	if err := l.Conn.(*tls.Conn).Handshake(); err != nil {
		l.t.Fatal(err)
	}
}

// end says close_notify where there is TLS, and FIN.
func (l *leg) end() {
	l.t.Helper()
	l.sayCloseNotify()
	l.cutOff()
}

func (l *leg) sayCloseNotify() {
	l.t.Helper()
	if conn, ok := l.Conn.(*tls.Conn); ok {
		if err := conn.CloseWrite(); err != nil {
			l.t.Fatal(err)
		}
	}
}

// cutOff says FIN alone.
func (l *leg) cutOff() {
	l.t.Helper()
	if err := l.tcp.CloseWrite(); err != nil {
		l.t.Fatal(err)
	}
}

// hearEnd wants the end of the file, under TLS with close_notify, and closes.
func (l *leg) hearEnd() {
	l.t.Helper()
	n, err := l.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, io.EOF) {
		l.t.Fatalf("instead of the end: %d bytes, %v", n, err)
	}
	if l.Conn != net.Conn(l.wire) {
		// crypto/tls gives io.EOF for a bare FIN as well, but only after reading it.
		if l.wire.fin.Load() {
			l.t.Fatal("FIN without close_notify")
		}
		if n, err := l.wire.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			l.t.Fatalf("after close_notify: %d bytes, %v", n, err)
		}
	}
	_ = l.tcp.Close()
}

// hearBroken wants the data connection to break before the end of the file.
func (l *leg) hearBroken() {
	l.t.Helper()
	n, err := io.Copy(io.Discard, l)
	if err == nil {
		l.t.Fatalf("after %d bytes the data connection has ended cleanly", n)
	}
	if isTimeout(err) {
		l.t.Fatal("the data connection does not break")
	}
	_ = l.tcp.Close()
}

// wantReset wants the error of a connection that was reset.
func wantReset(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("the connection was not reset, but %v", err)
	}
}

// finArrived tells whether the peer's FIN stands behind what has not been read.
func finArrived(t testing.TB, conn *net.TCPConn) bool {
	t.Helper()
	return tcpInfo(t, conn).State != 1 // TCP_ESTABLISHED
}

func tcpInfo(t testing.TB, conn *net.TCPConn) *unix.TCPInfo {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	if cerr := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return info
}

// hearClosed wants the data connection to end, cleanly or not, without one byte
// having come.
func (l *leg) hearClosed() {
	l.t.Helper()
	_, err := io.Copy(io.Discard, l.wire)
	if isTimeout(err) {
		l.t.Fatal("the data connection does not end")
	}
	if n := l.wire.bytes.Load(); n != 0 {
		l.t.Fatalf("%d bytes came", n)
	}
	_ = l.tcp.Close()
}
