package benchmarks

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"
)

// A client is a session over FTPS, private on both connections, passive. Its data
// connections resume the control connection's TLS session.
type client struct {
	control *textproto.Conn
	conn    net.Conn
	tls     *tls.Config
	address netip.Addr
}

// patience bounds a whole benchmark's session: only a broken proxy reaches it.
const patience = 10 * time.Minute

// login opens a session.
func login(s *subject) (*client, error) {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(s.authority)
	if err != nil {
		return nil, err
	}
	roots.AppendCertsFromPEM(pem)
	conn, err := net.Dial("tcp", s.address.String())
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, address: s.address.Addr(), tls: &tls.Config{
		RootCAs: roots, ServerName: s.address.Addr().String(), ClientSessionCache: tls.NewLRUClientSessionCache(1),
		CurvePreferences: []tls.CurveID{tls.X25519}, // what both proxies know
	}}
	if err := c.begin(s); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) begin(s *subject) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	c.control = textproto.NewConn(c.conn)
	if _, _, err := c.control.ReadResponse(220); err != nil {
		return err
	}
	if _, err := c.command(234, "AUTH TLS"); err != nil {
		return err
	}
	private := tls.Client(c.conn, c.tls)
	if err := private.Handshake(); err != nil {
		return err
	}
	c.control = textproto.NewConn(private)
	for _, step := range []struct {
		code int
		line string
	}{
		{331, "USER " + s.user}, {230, "PASS " + s.password}, {200, "PBSZ 0"}, {200, "PROT P"}, {200, "TYPE I"},
	} {
		if _, err := c.command(step.code, step.line); err != nil {
			return err
		}
	}
	return nil
}

// command sends a line and wants that code.
func (c *client) command(code int, line string) (string, error) {
	if err := c.control.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, text, err := c.control.ReadResponse(code)
	if err != nil {
		verb, _, _ := strings.Cut(line, " ")
		return "", fmt.Errorf("%s: %w", verb, err)
	}
	return text, nil
}

// open sends the transfer command and returns its data connection.
func (c *client) open(command string) (*tls.Conn, error) {
	text, err := c.command(229, "EPSV")
	if err != nil {
		return nil, err
	}
	fields := strings.Split(text, "|")
	if len(fields) < 4 {
		return nil, fmt.Errorf("EPSV: %q", text)
	}
	port, err := strconv.ParseUint(fields[3], 10, 16)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", netip.AddrPortFrom(c.address, uint16(port)).String())
	if err != nil {
		return nil, err
	}
	if err = conn.SetDeadline(time.Now().Add(patience)); err == nil {
		_, err = c.command(150, command)
	}
	private := tls.Client(conn, c.tls)
	if err == nil {
		err = private.Handshake()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return private, nil
}

// retrieve downloads a file and wants it to have so many bytes.
func (c *client) retrieve(name string, size int64) error {
	data, err := c.open("RETR " + name)
	if err != nil {
		return err
	}
	defer data.Close()
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{data}, make([]byte, 256<<10))
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes, want %d", name, n, size)
	}
	if err != nil {
		return err
	}
	_, _, err = c.control.ReadResponse(226)
	return err
}

// store uploads so many bytes, and waits until the other side has all of them.
func (c *client) store(name string, size int64) error {
	data, err := c.open("STOR " + name)
	if err != nil {
		return err
	}
	defer data.Close()
	piece := make([]byte, 256<<10)
	for size > 0 {
		n, err := data.Write(piece[:min(size, int64(len(piece)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	if err := data.CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, data); err != nil {
		return err
	}
	_, _, err = c.control.ReadResponse(226)
	return err
}

func (c *client) quit() error {
	_, err := c.command(221, "QUIT")
	c.conn.Close()
	return err
}
