package conversation

import (
	"encoding/binary"
	"io"
	"net"
)

// A recordConn hands crypto/tls the bytes of one TLS record at a time, so that
// whatever follows a close_notify stays in the TCP connection, where a session
// that goes on in clear text finds it (RFC 4217 §11).
type recordConn struct {
	net.Conn
	header []byte // of the current record, while it is incomplete
	body   int    // bytes of the current record not read yet
	ended  bool   // TCP has ended: tells close_notify from a bare FIN
	hello  chan struct{}
	// forgery is a record that the peer has not sent, to be read next; forged,
	// that it has been.
	forgery []byte
	forged  bool
}

func newRecordConn(c net.Conn) *recordConn {
	return &recordConn{Conn: c, hello: make(chan struct{}, 1)}
}

// recordHeader is the length of a TLS record's header, RFC 8446 §5.1.
const recordHeader = 5

func (c *recordConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.body == 0 && len(c.header) == 0 && len(c.forgery) > 0 {
		n := copy(p, c.forgery)
		c.forgery = c.forgery[n:]
		c.forged = true
		return n, nil
	}
	most := c.body
	if most == 0 {
		most = recordHeader - len(c.header)
	}
	n, err := c.Conn.Read(p[:min(len(p), most)])
	c.ended = c.ended || err == io.EOF //nolint:errorlint // net.Conn returns io.EOF itself
	if c.body > 0 {
		c.body -= n
		return n, err
	}
	c.header = append(c.header, p[:n]...)
	if len(c.header) == recordHeader {
		c.body = int(binary.BigEndian.Uint16(c.header[3:]))
		c.header = c.header[:0]
	}
	return n, err
}

// forge puts application data that nobody has encrypted in front of the next
// record.
func (c *recordConn) forge() {
	const length = 64
	c.forgery = append([]byte{23, 3, 3, 0, length}, make([]byte, length)...)
}

// Write also tells that the hello is out.
func (c *recordConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	select {
	case c.hello <- struct{}{}:
	default:
	}
	return n, err
}
