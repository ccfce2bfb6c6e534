package faults

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// A client is an FTPS client that does what a test tells it.
type client struct {
	rig      *rig
	t        testing.TB
	tcp      *net.TCPConn
	conn     net.Conn // tcp, or TLS over it
	reader   *bufio.Reader
	config   *tls.Config
	private  bool           // data under TLS
	prepared netip.AddrPort // of an EPSV that the next transfer uses
}

// dial opens a control connection and hears the greeting, over TLS on an
// implicit listener.
func (r *rig) dial() *client {
	r.t.Helper()
	c := r.connect()
	if r.settings.listener.TLS.Mode == proxy.TLSImplicit {
		c.startTLS()
		c.private = true
	}
	c.hear(220)
	return c
}

// connect opens a control connection and hears nothing yet.
func (r *rig) connect() *client {
	r.t.Helper()
	conn, err := net.DialTimeout("tcp", r.addr.String(), patience)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &client{rig: r, t: r.t, tcp: conn.(*net.TCPConn), config: &tls.Config{
		RootCAs: r.roots, ServerName: r.addr.Addr().String(),
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}}
	c.use(conn)
	r.keep(conn)
	return c
}

// session opens a control connection and logs in, with private data where the
// listener has TLS.
func (r *rig) session() *client {
	r.t.Helper()
	c := r.dial()
	if r.settings.listener.TLS.Mode == proxy.TLSExplicit {
		c.secure()
		c.protect()
	}
	c.login()
	return c
}

// clear opens a session whose control and data connections are in clear text.
func (r *rig) clear() *client {
	r.t.Helper()
	c := r.dial()
	c.login()
	return c
}

// allowClear lets clients do without TLS.
func allowClear(s *settings) {
	s.listener.TLS.Control, s.listener.TLS.Data = proxy.Allow, proxy.Allow
}

func (c *client) use(conn net.Conn) {
	c.conn, c.reader = conn, bufio.NewReader(conn)
	_ = conn.SetDeadline(time.Now().Add(patience))
}

func (c *client) startTLS() {
	c.t.Helper()
	conn := tls.Client(c.tcp, c.config)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.use(conn)
}

func (c *client) secure() {
	c.t.Helper()
	c.do(234, "AUTH TLS")
	c.startTLS()
}

func (c *client) protect() {
	c.t.Helper()
	c.do(200, "PBSZ 0")
	c.do(200, "PROT P")
	c.private = true
}

func (c *client) login() {
	c.t.Helper()
	c.do(331, "USER anna")
	c.do(230, "PASS secret")
}

// say sends command lines in one write.
func (c *client) say(lines ...string) {
	c.t.Helper()
	if err := c.trySay(lines...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) trySay(lines ...string) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n")
	return err
}

// hear wants a reply with this code next, and returns it.
func (c *client) hear(code int) string {
	c.t.Helper()
	got, text, err := c.reply()
	if err != nil {
		c.t.Fatalf("instead of a %d: %v", code, err)
	}
	if got != code {
		c.t.Fatalf("instead of a %d: %s", code, text)
	}
	return text
}

// hearOneOf wants a reply with one of these codes next.
func (c *client) hearOneOf(codes ...int) int {
	c.t.Helper()
	got, text, err := c.reply()
	if err != nil {
		c.t.Fatalf("instead of one of %d: %v", codes, err)
	}
	for _, code := range codes {
		if got == code {
			return got
		}
	}
	c.t.Fatalf("instead of one of %d: %s", codes, text)
	return 0
}

// reply reads one reply.
func (c *client) reply() (int, string, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	var whole strings.Builder
	end := ""
	for {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return 0, "", err
		}
		whole.WriteString(line)
		if end == "" {
			if len(line) < 4 {
				return 0, "", fmt.Errorf("no reply: %q", line)
			}
			end = line[:3] + " "
		}
		if strings.HasPrefix(line, end) {
			var code int
			_, err := fmt.Sscanf(end, "%d", &code)
			return code, strings.TrimRight(whole.String(), "\r\n"), err
		}
	}
}

// do says a command and wants a reply with this code.
func (c *client) do(code int, line string) string {
	c.t.Helper()
	c.say(line)
	return c.hear(code)
}

// hearEnd wants the control connection to end without another reply.
func (c *client) hearEnd() {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	if b, err := c.reader.ReadByte(); err == nil {
		rest, _ := c.reader.ReadString('\n')
		c.t.Fatalf("instead of the end: %q", string(b)+rest)
	} else if isTimeout(err) {
		c.t.Fatal("the control connection does not end")
	}
	c.close()
}

// close is what the kernel does for a process that ends.
func (c *client) close() { _ = c.tcp.Close() }

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// inStep wants the next reply to be that to the next command.
func (c *client) inStep() {
	c.t.Helper()
	if text := c.do(200, "NOOP"); !strings.HasPrefix(text, "200 NOOP") {
		c.t.Fatalf("the reply to NOOP is %q", text)
	}
}

// reinitialise says REIN, which ends TLS in both directions and goes on in clear
// text.
func (c *client) reinitialise() {
	c.t.Helper()
	c.do(220, "REIN")
	conn, ok := c.conn.(*tls.Conn)
	if !ok {
		return
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		c.t.Fatalf("instead of the end of TLS: %d bytes, %v", n, err)
	}
	if err := conn.CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
	c.use(c.tcp)
	c.private = false
}
