package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// bufferSize holds sixteen TLS records: large enough that system calls cost
// little per byte, small enough that a thousand transfers fit in memory.
const bufferSize = 256 << 10

// buffers lend out bufferSize bytes. Only running transfers hold one.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A wire lies between crypto/tls and a data connection. crypto/tls reads and
// writes record by record; the wire makes few large system calls of them:
//
//   - corked, it collects what is written and sends it in one write(2);
//   - it reads as much as there is, and feeds crypto/tls from memory;
//   - in.starved runs just before a read(2) that may block, so that whoever
//     collects plaintext over several reads can pass it on and nothing is held
//     back while the peer is silent.
//
// It also remembers the peer's FIN, by which an end without close_notify is
// told from one with it: crypto/tls reports both as io.EOF.
//
// One goroutine may read while another writes.
type wire struct {
	*net.TCPConn
	in  inbound
	out outbound
}

// inbound is what one goroutine reads.
type inbound struct {
	starved func() error
	buf     []byte // small for a handshake, from the pool while a pump reads
	r, w    int
	ended   atomic.Bool // the peer's FIN was read
}

// outbound is what is written, under its lock: crypto/tls may answer a KeyUpdate
// from the reader's goroutine.
type outbound struct {
	mu       sync.Mutex
	buf      *[bufferSize]byte
	n        int
	corked   bool
	counting bool          // add to sent
	patient  bool          // deadlines no longer count
	sent     atomic.Uint64 // bytes that ought to reach the peer
}

// handshakeBuffer takes a hello with room to spare.
const handshakeBuffer = 4 << 10

func newWire(tcp *net.TCPConn) *wire {
	return &wire{TCPConn: tcp, out: outbound{counting: true}}
}

// Read implements net.Conn.
func (c *wire) Read(p []byte) (int, error) {
	if c.in.r == c.in.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.in.buf[c.in.r:c.in.w])
	c.in.r += n
	return n, nil
}

func (c *wire) fill() error {
	if c.in.starved != nil {
		if err := c.in.starved(); err != nil {
			return err
		}
	}
	if c.in.buf == nil {
		c.in.buf = make([]byte, handshakeBuffer)
	}
	if c.in.starved != nil && len(c.in.buf) != bufferSize {
		c.in.buf = buffers.Get().(*[bufferSize]byte)[:]
	}
	n, err := c.TCPConn.Read(c.in.buf)
	c.in.r, c.in.w = 0, n
	if c.in.starved == nil {
		acknowledgeAtOnce(c.TCPConn) // a handshake: see there
	}
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		c.in.ended.Store(true)
	}
	return err
}

// Write implements net.Conn.
func (c *wire) Write(p []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if !c.out.corked {
		return c.pass(p)
	}
	if c.out.n+len(p) > bufferSize {
		if err := c.send(); err != nil {
			return 0, err
		}
	}
	if len(p) > bufferSize {
		return c.pass(p)
	}
	if c.out.buf == nil {
		c.out.buf = buffers.Get().(*[bufferSize]byte)
	}
	c.out.n += copy(c.out.buf[c.out.n:], p)
	return len(p), nil
}

// cork starts collecting what is written.
func (c *wire) cork() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.corked = true
}

// endFile is called at the end of a file: what follows is no part of it, and
// waits as long as the file's own bytes would.
func (c *wire) endFile() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.counting, c.out.patient = false, true
}

// SetWriteDeadline implements net.Conn. At the end of a file it does nothing:
// crypto/tls gives close_notify five seconds, which a slow client's full socket
// buffer outlasts. The stall watch bounds the wait.
func (c *wire) SetWriteDeadline(t time.Time) error {
	c.out.mu.Lock()
	patient := c.out.patient
	c.out.mu.Unlock()
	if patient {
		return nil
	}
	return c.TCPConn.SetWriteDeadline(t)
}

// uncork sends what was collected and stops collecting.
func (c *wire) uncork() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.corked = false
	return c.send()
}

// send is called with mu held.
func (c *wire) send() error {
	if c.out.n == 0 {
		return nil
	}
	_, err := c.pass(c.out.buf[:c.out.n])
	c.out.n = 0
	return err
}

func (c *wire) pass(p []byte) (int, error) {
	if c.out.counting {
		c.out.sent.Add(uint64(len(p)))
	}
	return c.TCPConn.Write(p)
}

// release gives the buffers back. Nobody may use the wire afterwards.
func (c *wire) release() {
	if len(c.in.buf) == bufferSize {
		buffers.Put((*[bufferSize]byte)(c.in.buf))
	}
	c.in.buf = nil
	if c.out.buf != nil {
		buffers.Put(c.out.buf)
		c.out.buf = nil
	}
}
