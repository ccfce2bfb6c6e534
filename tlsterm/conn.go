package tlsterm

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// errDataBeforeClose is returned by Shutdown when the peer goes on talking inside
// TLS.
var errDataBeforeClose = errors.New("data instead of close_notify")

// errClearText is returned by recordConn when the peer has left TLS without
// close_notify.
var errClearText = errors.New("clear text instead of close_notify")

// A Conn is a control connection whose TLS ends here.
type Conn struct {
	*tls.Conn
	records *recordConn
}

// Shutdown ends TLS but not the connection, as REIN and CCC ask for (RFC 4217
// §11, §12): it sends close_notify, waits for the peer's, and returns the
// connection below with its deadlines cleared. What the peer sent after its
// close_notify is read from there, every byte of it. Clear text in place of the
// peer's close_notify is read from there as well: curl, for one, sends none.
//
// The peer has a moment to go first. lftp, when it finds our close_notify together
// with the reply to CCC, takes it for the end of the connection.
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
	exchange := func() error { return c.exchangeCloseNotify(ctx) }
	if err := interruptible(ctx, clearConn, exchange); err != nil {
		return nil, fmt.Errorf("end TLS: %w", err)
	}
	if err := clearConn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("end TLS: %w", err)
	}
	if len(c.records.first) > 0 {
		return &begunConn{Conn: clearConn, first: c.records.first}, nil
	}
	return clearConn, nil
}

func (c *Conn) exchangeCloseNotify(ctx context.Context) error {
	if err := c.records.await(ctx); err != nil {
		return err
	}
	if err := c.CloseWrite(); err != nil {
		return fmt.Errorf("send close_notify: %w", err)
	}
	c.records.silent = true
	var b [1]byte
	n, err := c.Read(b[:])
	switch {
	case n > 0:
		return errDataBeforeClose
	case errors.Is(err, io.EOF) && !c.records.eof, errors.Is(err, errClearText):
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

	peeked []byte // read by await, and still to be handed out
	first  []byte // the first bytes of clear text
}

func (r *recordConn) Read(p []byte) (int, error) {
	want := r.body
	if r.have < recordHeaderLen {
		want = recordHeaderLen - r.have
	}
	n, err := r.read(p[:min(len(p), want)])
	if r.shutdown && r.have == 0 && n > 0 && !beginsRecord(p[0]) {
		r.first = bytes.Clone(p[:n])
		return 0, errClearText
	}
	r.advance(p[:n])
	if errors.Is(err, io.EOF) {
		r.eof = true
	}
	return n, err
}

// read hands out first what await has read.
func (r *recordConn) read(p []byte) (int, error) {
	if len(r.peeked) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.peeked)
	r.peeked = r.peeked[n:]
	return n, nil
}

// beginsRecord reports whether b is a content type of TLS (RFC 8446 §5.1,
// RFC 6520): change_cipher_spec, alert, handshake, application_data, heartbeat.
// No command begins with one of these control characters.
func beginsRecord(b byte) bool { return b >= 20 && b <= 24 }

// afterYou is how long the peer may take to go first.
const afterYou = 500 * time.Millisecond

// await waits until the peer has sent something, or the time for it is over.
func (r *recordConn) await(ctx context.Context) error {
	if r.have > 0 {
		return nil // in the middle of a record
	}
	if err := r.SetReadDeadline(time.Now().Add(afterYou)); err != nil {
		return err
	}
	buf := make([]byte, recordHeaderLen)
	n, err := r.Conn.Read(buf)
	r.peeked = buf[:n]
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.EOF) {
		return err
	}
	if err := r.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // its deadline may be the one just cleared
	}
	return nil
}

// A begunConn is a connection of which some bytes have been read already.
type begunConn struct {
	net.Conn
	first []byte
}

func (b *begunConn) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
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
