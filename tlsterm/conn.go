package tlsterm

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// errDataBeforeClose is returned by Shutdown when the peer goes on talking.
var errDataBeforeClose = errors.New("data instead of close_notify")

// A Conn is a control connection whose TLS ends here.
type Conn struct {
	*tls.Conn
	records *recordConn
}

// Shutdown ends TLS but not the connection, as REIN and CCC ask for (RFC 4217
// §11, §12): it sends close_notify, waits for the peer's, and returns the
// connection below with its deadlines cleared. What the peer sent after its
// close_notify is read from there, every byte of it.
//
// It is an error when application data comes before the peer's close_notify,
// when the connection ends without one, or when ctx ends first. After an error
// the connection can only be closed.
//
// No Read or Write may be in progress, and the Conn must not be used
// afterwards: closing it would close the connection below.
func (c *Conn) Shutdown(ctx context.Context) (net.Conn, error) {
	c.records.shutdown = true
	clearConn := c.records.Conn
	if err := interruptible(ctx, clearConn, c.exchangeCloseNotify); err != nil {
		return nil, fmt.Errorf("end TLS: %w", err)
	}
	if err := clearConn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("end TLS: %w", err)
	}
	return clearConn, nil
}

func (c *Conn) exchangeCloseNotify() error {
	if err := c.CloseWrite(); err != nil {
		return fmt.Errorf("send close_notify: %w", err)
	}
	c.records.silent = true
	var b [1]byte
	n, err := c.Read(b[:])
	switch {
	case n > 0:
		return errDataBeforeClose
	case errors.Is(err, io.EOF) && !c.records.eof:
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	default:
		return fmt.Errorf("await close_notify: %w", err)
	}
}

// recordHeaderLen is the size of type, version and length, the same in all
// versions (RFC 8446 §5.1).
const recordHeaderLen = 5

// A recordConn lets its reader have one TLS record at a time. crypto/tls asks
// for more than it needs, and would take what stands behind a close_notify into
// a buffer of its own, out of reach. A record costs two reads, and there is
// nothing to keep between them.
type recordConn struct {
	net.Conn
	header   [recordHeaderLen]byte
	have     int  // bytes of the header that have been read
	body     int  // bytes of the record that are still to come, once the header is complete
	eof      bool // the connection has ended, as opposed to TLS
	shutdown bool // Shutdown has begun: the deadlines are its own
	silent   bool // close_notify is sent: nothing of TLS may follow it
}

func (r *recordConn) Read(p []byte) (int, error) {
	want := r.body
	if r.have < recordHeaderLen {
		want = recordHeaderLen - r.have
	}
	n, err := r.Conn.Read(p[:min(len(p), want)])
	r.advance(p[:n])
	if errors.Is(err, io.EOF) {
		r.eof = true
	}
	return n, err
}

// advance follows the reader through header and body.
func (r *recordConn) advance(p []byte) {
	if r.have < recordHeaderLen {
		r.have += copy(r.header[r.have:], p)
		if r.have == recordHeaderLen {
			r.body = int(binary.BigEndian.Uint16(r.header[3:]))
		}
	} else {
		r.body -= len(p)
	}
	if r.have == recordHeaderLen && r.body == 0 {
		r.have = 0
	}
}

// Write refuses what crypto/tls would send behind its close_notify, such as the
// answer to a key update: the peer would take it for clear text.
func (r *recordConn) Write(p []byte) (int, error) {
	if r.silent {
		return 0, net.ErrClosed
	}
	return r.Conn.Write(p)
}

// SetWriteDeadline is how crypto/tls bounds its close_notify and makes later
// writes fail. During Shutdown the caller's context bounds the one, and the
// others are going to be clear text.
func (r *recordConn) SetWriteDeadline(t time.Time) error {
	if r.shutdown {
		return nil
	}
	return r.Conn.SetWriteDeadline(t)
}
