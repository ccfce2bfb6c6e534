package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A leg is one side's half of a data connection, open.
type leg struct {
	side side
	tcp  *net.TCPConn
	wire *wire     // nil on a clear leg
	tls  *tls.Conn // nil on a clear leg
	sent int64     // bytes written to a clear leg
	// shaken is what the kernel counts as acknowledged before a byte was sent: the
	// SYN of a connection that we dialled.
	shaken uint64

	first []byte // read from the leg already, to be passed on first
}

// socketBuffer is asked of the kernel for what we send: the writer then seldom
// sleeps between two writes of bufferSize.
const socketBuffer = 256 << 10

// newLeg makes a leg of a connection on which nothing has been sent. Until it may
// end well, whatever closes it breaks it: also the kernel, when the process dies in
// the middle of a file, which would look whole with an ordinary end.
func newLeg(s side, tcp *net.TCPConn) *leg {
	_ = tcp.SetWriteBuffer(socketBuffer)
	_ = tcp.SetLinger(0)
	return &leg{side: s, tcp: tcp, shaken: acknowledged(tcp)}
}

// Read implements io.Reader. On a private leg io.EOF also means a FIN without
// close_notify: truncated tells.
func (l *leg) Read(p []byte) (int, error) {
	if l.tls != nil {
		return l.tls.Read(p)
	}
	return l.tcp.Read(p)
}

// write sends p in as few writes as the wire can make of it.
func (l *leg) write(p []byte) error {
	if l.tls == nil {
		n, err := l.tcp.Write(p)
		l.sent += int64(n)
		return err
	}
	l.wire.cork()
	_, err := l.tls.Write(p)
	return errors.Join(err, l.wire.uncork())
}

// truncated tells, after Read gave io.EOF, that a private leg ended without
// close_notify.
func (l *leg) truncated() bool { return l.wire != nil && l.wire.in.ended.Load() }

// delivered tells whether the peer's kernel has acknowledged all that was
// written. Clients that know a file's size close after its last byte, before
// our close_notify and FIN reach them; for them the file is whole.
func (l *leg) delivered() bool {
	sent := uint64(l.sent)
	if l.wire != nil {
		sent = l.wire.out.sent.Load()
	}
	return acknowledged(l.tcp) >= l.shaken+sent
}

// mayEnd lets the leg end without breaking.
func (l *leg) mayEnd() { _ = l.tcp.SetLinger(-1) }

// closeWrite ends our half: close_notify on a private leg, then FIN. The other
// half stays open, so that nothing the peer still sends turns into a reset that
// would take our last bytes from it.
func (l *leg) closeWrite() error {
	if l.tls != nil {
		l.wire.endFile()
		if err := l.tls.CloseWrite(); err != nil {
			return err
		}
	}
	return l.tcp.CloseWrite()
}

// An acceptor waits on a leased port for one side's data connection. It runs
// from PASV on, so that a connection opened early is not taken for none.
//
// Connections from other addresses than the control connection's are closed
// unread and change nothing: the port goes on waiting for the right one.
type acceptor struct {
	ln    closingListener
	peer  netip.Addr
	conns chan *net.TCPConn
	done  chan struct{}
	once  sync.Once
	came  atomic.Bool // a connection of the right address has
}

// closingListener is a lease, or a listener of the kernel's choice.
type closingListener interface {
	AcceptTCP() (*net.TCPConn, error)
	SetDeadline(time.Time) error
	Close() error
}

// maxCandidates bounds how many connections of the right address wait for
// their handshake.
const maxCandidates = 4

// accept starts an acceptor, which now owns ln and waits for ever. expired is
// called once if expire has been and nobody came.
func accept(ln closingListener, peer netip.Addr, expired func()) *acceptor {
	a := &acceptor{ln: ln, peer: peer, conns: make(chan *net.TCPConn, maxCandidates), done: make(chan struct{})}
	go a.run(expired)
	return a
}

// expire gives the peer, who has been told of the port now, so long to come.
func (a *acceptor) expire(within time.Duration) {
	if a.came.Load() {
		return
	}
	_ = a.ln.SetDeadline(time.Now().Add(within))
	if a.came.Load() { // meanwhile: see run
		_ = a.ln.SetDeadline(time.Time{})
	}
}

func (a *acceptor) run(expired func()) {
	defer close(a.done)
	defer close(a.conns)
	for {
		conn, err := a.ln.AcceptTCP()
		if err != nil {
			_ = a.ln.Close()
			if !a.came.Load() && !errors.Is(err, net.ErrClosed) {
				expired()
			}
			return
		}
		if peerAddr(conn).Addr() != a.peer {
			_ = conn.Close()
			continue
		}
		if !a.came.Swap(true) {
			_ = a.ln.SetDeadline(time.Time{})
		}
		select {
		case a.conns <- conn:
		default:
			_ = conn.Close()
		}
	}
}

// stop closes the port, and ends every connection that nobody took.
func (a *acceptor) stop(end func(*net.TCPConn)) {
	a.once.Do(func() { _ = a.ln.Close() })
	<-a.done
	for conn := range a.conns {
		end(conn)
	}
}

func closeUnused(conn *net.TCPConn) { _ = conn.Close() }

// A dialler opens one side's data connection in the background.
type dialler struct {
	cancel context.CancelFunc
	done   chan struct{}
	conn   *net.TCPConn // valid once done is closed; nil when taken or failed
	err    error
}

func dial(ctx context.Context, connect func(context.Context) (*net.TCPConn, error)) *dialler {
	ctx, cancel := context.WithCancel(ctx)
	d := &dialler{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.conn, d.err = connect(ctx)
	}()
	return d
}

// take waits for the connection, which then is the caller's.
func (d *dialler) take(ctx context.Context) (*net.TCPConn, error) {
	select {
	case <-d.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	conn := d.conn
	d.conn = nil
	return conn, d.err
}

// stop gives up, and closes the connection if nobody took it.
func (d *dialler) stop() {
	d.cancel()
	<-d.done
	if d.conn != nil {
		_ = d.conn.Close()
		d.conn = nil
	}
}

// discard reads until the peer ends. Whatever comes flows the wrong way and is
// dropped; an error is returned, an end is not one.
func discard(l *leg) error {
	buf := make([]byte, 1024)
	for {
		if _, err := l.Read(buf); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
