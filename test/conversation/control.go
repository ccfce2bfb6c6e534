package conversation

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A control is one peer's end of a control connection.
type control struct {
	tcp      *net.TCPConn
	record   *recordConn // under TLS only
	conn     net.Conn    // tcp, or TLS over record
	reader   *bufio.Reader
	patience time.Duration
	// over: both directions are done with, and the socket is closed.
	over bool
	// ended: this peer has sent its FIN.
	ended bool
	// isUpstream: the proxy may leave with QUIT, and with bytes unread.
	isUpstream bool
	// hasHeardQuit: QUIT is nothing to be heard any more.
	hasHeardQuit bool
}

func newControl(tcp *net.TCPConn, patience time.Duration) *control {
	return &control{tcp: tcp, conn: tcp, reader: bufio.NewReader(tcp), patience: patience}
}

// peerAddr is the address of the proxy.
func (c *control) peerAddr() netip.AddrPort {
	return c.tcp.RemoteAddr().(*net.TCPAddr).AddrPort()
}

// say writes bytes in one segment.
func (c *control) say(b []byte) error {
	if c.ended || c.over {
		return errors.New("the connection has ended already")
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// sayUrgent writes bytes of which the last is urgent data, RFC 959 §4.1.3.
func (c *control) sayUrgent(b []byte) error {
	if c.record != nil {
		return errors.New("TLS has no urgent data")
	}
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = raw.Write(func(fd uintptr) bool {
		sendErr = unix.Send(int(fd), b, unix.MSG_OOB)
		return !errors.Is(sendErr, unix.EAGAIN)
	})
	return errors.Join(err, sendErr)
}

// hear reads one line and strips its CRLF. A line that ends otherwise is wrong.
func (c *control) hear() ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
		return nil, err
	}
	line, err := c.reader.ReadBytes('\n')
	if err != nil {
		return nil, heardError(line, err)
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return nil, fmt.Errorf("heard %q, a line without CRLF", line)
	}
	c.hasHeardQuit = c.hasHeardQuit || string(text) == "QUIT"
	return text, nil
}

// heardError says in words what was there instead of a line.
func heardError(line []byte, err error) error {
	what := err.Error()
	switch {
	case errors.Is(err, io.EOF):
		what = "the end"
	case isTimeout(err):
		what = "nothing"
	case errors.Is(err, syscall.ECONNRESET):
		what = "a reset"
	}
	if len(line) > 0 {
		return fmt.Errorf("heard %q and then %s", line, what)
	}
	return fmt.Errorf("heard %s", what)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// startTLS makes the handshake. Bytes that came in the clear before it are a
// mistake of the proxy.
func (c *control) startTLS(cfg *tls.Config) error {
	if n := c.reader.Buffered(); n > 0 {
		return fmt.Errorf("%d bytes in the clear in front of the handshake", n)
	}
	record := newRecordConn(c.tcp)
	return c.shakeHands(record, tls.Client(record, cfg))
}

// endTLS exchanges close_notify and goes back to clear text.
func (c *control) endTLS() error {
	conn, ok := c.conn.(*tls.Conn)
	if !ok {
		return errors.New("TLS has not started")
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	return c.leaveTLS()
}

// leaveTLS hears close_notify and goes back to clear text.
func (c *control) leaveTLS() error {
	if c.record == nil {
		return errors.New("TLS has not started")
	}
	if err := c.hearEOF(); err != nil {
		return err
	}
	if c.record.ended {
		return errors.New("heard a FIN in place of close_notify")
	}
	c.record, c.conn = nil, c.tcp
	c.reader.Reset(c.tcp)
	return nil
}

// end says close_notify, if need be, and FIN.
func (c *control) end() error {
	c.ended = true
	var err error
	if conn, ok := c.conn.(*tls.Conn); ok {
		err = conn.CloseWrite()
	}
	err = errors.Join(err, c.tcp.CloseWrite())
	if c.hasHeardQuit && errors.Is(err, syscall.ENOTCONN) {
		return nil // the proxy was quicker, and did not wait for our last words
	}
	return err
}

// reset sends RST.
func (c *control) reset() error {
	c.over, c.ended = true, true
	return errors.Join(c.tcp.SetLinger(0), c.tcp.Close())
}

// hearEnd wants the proxy to end the connection without another byte, and
// closes the socket. Under TLS a FIN must come behind close_notify.
func (c *control) hearEnd() error {
	if err := c.hearEOF(); err != nil {
		return err
	}
	if c.isUpstream && c.record != nil && c.record.ended {
		return errors.New("heard a FIN in place of close_notify")
	}
	c.over, c.ended = true, true
	return c.tcp.Close()
}

func (c *control) hearEOF() error {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
		return err
	}
	line, err := c.reader.ReadBytes('\n')
	if c.isUpstream && !c.hasHeardQuit && string(line) == "QUIT\r\n" {
		c.hasHeardQuit = true
		line, err = c.reader.ReadBytes('\n')
	}
	if len(line) == 0 && (errors.Is(err, io.EOF) || c.isUpstream && errors.Is(err, syscall.ECONNRESET)) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("heard %q", line)
	}
	return heardError(line, err)
}

// nothing wants no byte to have arrived.
func (c *control) nothing() error {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return err
	}
	n := c.reader.Buffered()
	err = raw.Control(func(fd uintptr) {
		waiting, _, _ := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		n += max(waiting, 0)
	})
	if err == nil && n > 0 {
		line, err := c.hear()
		return errors.Join(fmt.Errorf("heard %q", line), err)
	}
	return err
}

// rest returns what else can be heard shortly, for the report of a failure.
func (c *control) rest() string {
	if c == nil || c.over {
		return ""
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return ""
	}
	b, _ := io.ReadAll(io.LimitReader(c.reader, 4096))
	return string(b)
}
