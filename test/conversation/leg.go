package conversation

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// A leg is one peer's end of a data connection, and of the listener or the
// address that will open it.
type leg struct {
	patience time.Duration
	// listener and here: this side listens. listener is nil when nobody does.
	listener *net.TCPListener
	nowhere  *os.File // bound to here without listening
	here     netip.AddrPort
	// target and former: where to dial, and where it was before.
	target, former netip.AddrPort
	tcp            *net.TCPConn
	conn           net.Conn // tcp, or TLS over record
	record         *recordConn
	// pending is a handshake or a long write under way.
	pending chan error
	ended   bool // this side has sent its FIN
	broken  bool // this side has broken its TLS: nothing of it can be read any more
}

func (l *leg) accept() error {
	if l.listener == nil {
		return errors.New("nobody listens")
	}
	if err := l.listener.SetDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	c, err := l.listener.AcceptTCP()
	if err != nil {
		return fmt.Errorf("no data connection came: %w", err)
	}
	return l.open(c)
}

func (l *leg) dial() error {
	c, err := dialTCP(l.target, netip.Addr{}, l.patience)
	if err != nil {
		return err
	}
	return l.open(c)
}

// open takes over a new data connection; the one before it must be done with.
func (l *leg) open(c *net.TCPConn) error {
	err := l.finish()
	l.tcp, l.conn, l.record, l.ended, l.broken = c, c, nil, false, false
	return err
}

// dialInVain wants a connection to addr to be refused, or closed unread. If the port
// is no longer ours the kernel may have given it to another program by now: what
// that one does with the connection is its own affair.
func dialInVain(addr netip.AddrPort, patience time.Duration) error {
	c, err := dialTCP(addr, netip.Addr{}, patience)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	err = hearClosed(c, patience)
	if err != nil && !isHere(addr.Port()) {
		return nil
	}
	return err
}

// dialTCP connects from the given local address, or from any.
func dialTCP(to netip.AddrPort, from netip.Addr, patience time.Duration) (*net.TCPConn, error) {
	if !to.IsValid() {
		return nil, errors.New("no address has been heard")
	}
	d := net.Dialer{Timeout: patience}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// startTLS sends the hello and returns; the handshake goes on by itself, as the
// proxy answers only after the upstream's 150.
func (l *leg) startTLS(cfg *tls.Config) error {
	if l.tcp == nil {
		return errNoData
	}
	l.record = newRecordConn(l.tcp)
	conn := tls.Client(l.record, cfg)
	l.conn = conn
	l.pending = make(chan error, 1)
	go l.handshake(conn, l.pending)
	select {
	case <-l.record.hello:
		return nil
	case err := <-l.pending:
		l.pending <- err
		return nil
	}
}

func (l *leg) handshake(conn *tls.Conn, done chan<- error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.patience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		done <- fmt.Errorf("handshake: %w", err)
		return
	}
	done <- nil
}

var errNoData = errors.New("there is no data connection")

// settle waits for a handshake or a long write under way.
func (l *leg) settle() error {
	if l.conn == nil {
		return errNoData
	}
	if l.pending == nil {
		return nil
	}
	err := <-l.pending
	l.pending = nil
	return err
}

func (l *leg) failTLS() error {
	if l.record == nil {
		return errors.New("no handshake has started")
	}
	if err := l.settle(); err == nil {
		return errors.New("the handshake has succeeded")
	} else if isTimeout(err) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return l.drop()
}

// send writes in the background, as the proxy may stop reading until the other
// side has read.
func (l *leg) send(b []byte) error {
	if err := l.settle(); err != nil {
		return err
	}
	if l.ended {
		return errors.New("the data connection has ended already")
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	l.pending = make(chan error, 1)
	go write(l.conn, b, l.pending)
	return nil
}

func write(w io.Writer, b []byte, done chan<- error) {
	_, err := w.Write(b)
	done <- err
}

// receive wants exactly these bytes next.
func (l *leg) receive(want []byte) error {
	if err := l.settle(); err != nil {
		return err
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(l.conn, got)
	if !bytes.Equal(got[:n], want[:n]) {
		at := firstDifference(got[:n], want)
		return fmt.Errorf("byte %d differs: received %.60q, expected %.60q", at, got[at:n], want[at:])
	}
	if err != nil {
		return fmt.Errorf("received %d of %d bytes, then %w", n, len(want), heardError(nil, err))
	}
	return nil
}

func firstDifference(got, want []byte) int {
	for i := range got {
		if got[i] != want[i] {
			return i
		}
	}
	return len(got)
}

// end says close_notify, if need be, and FIN.
func (l *leg) end() error {
	if err := l.settle(); err != nil {
		return err
	}
	var err error
	if conn, ok := l.conn.(*tls.Conn); ok {
		err = conn.CloseWrite()
	}
	return errors.Join(err, l.cutOff())
}

// cutOff sends FIN alone.
func (l *leg) cutOff() error {
	if err := l.settle(); err != nil {
		return err
	}
	l.ended = true
	return l.tcp.CloseWrite()
}

func (l *leg) reset() error {
	if l.tcp == nil {
		return errNoData
	}
	if err := l.tcp.SetLinger(0); err != nil {
		return err
	}
	return l.drop()
}

// drop closes the socket whatever stands at the other side.
func (l *leg) drop() error {
	err := l.tcp.Close()
	if l.pending != nil {
		//nolint:errcheck // its error is the peer's end
		<-l.pending
	}
	l.tcp, l.conn, l.record, l.pending = nil, nil, nil, nil
	return err
}

// hearEnd wants a clean end without another byte, answers it with this side's
// own, and closes.
func (l *leg) hearEnd() error {
	if err := l.hearEOF(); err != nil {
		return err
	}
	if !l.ended {
		// The proxy may have closed its socket by now; its end was clean.
		_ = l.end()
	}
	return l.drop()
}

func (l *leg) hearEOF() error {
	if err := l.settle(); err != nil {
		return err
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	b := make([]byte, 64)
	n, err := l.conn.Read(b)
	switch {
	case n > 0:
		return fmt.Errorf("received %q", b[:n])
	case !errors.Is(err, io.EOF):
		return heardError(nil, err)
	case l.record != nil && l.record.ended:
		return errors.New("heard a FIN without close_notify")
	}
	if l.record == nil {
		return nil
	}
	return l.hearFIN()
}

// hearFIN wants nothing between close_notify and the end of TCP.
func (l *leg) hearFIN() error {
	n, err := l.tcp.Read(make([]byte, 1))
	if n > 0 {
		return errors.New("received bytes behind close_notify")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return heardError(nil, err)
}

// hearReset wants RST, after whatever had been sent before it.
func (l *leg) hearReset() error {
	err := l.settle()
	if err == nil {
		if err = l.conn.SetReadDeadline(time.Now().Add(l.patience)); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, l.conn)
	}
	if err == nil {
		return errors.New("heard a clean end")
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return l.drop()
	}
	return heardError(nil, err)
}

// isClosed wants the connection closed, in any way, without a byte of data.
func (l *leg) isClosed() error {
	if l.tcp == nil {
		return errNoData
	}
	if err := l.settle(); err != nil {
		// A handshake or a write under way has failed: that is the closing.
		if isTimeout(err) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return l.drop()
	}
	if err := hearClosed(l.conn, l.patience); err != nil {
		return err
	}
	return l.drop()
}

// hearClosed wants the connection to end without a byte of data: by FIN, RST or
// an alert of TLS.
func hearClosed(c net.Conn, patience time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	b := make([]byte, 64)
	n, err := c.Read(b)
	if n > 0 {
		return fmt.Errorf("received %q", b[:n])
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || isAlert(err) {
		return nil
	}
	return heardError(nil, err)
}

// finish wants a data connection that this side has ended to be ended by the
// proxy too, in any way but without data. One that this side has not ended is a
// mistake in the script, or of the proxy.
func (l *leg) finish() error {
	if l.tcp == nil {
		return nil
	}
	if !l.ended {
		return errors.New("a data connection is still open")
	}
	if err := l.settle(); err != nil {
		return err
	}
	if l.broken {
		return l.drain()
	}
	if err := hearClosed(l.conn, l.patience); err != nil {
		return fmt.Errorf("after the end of the data connection: %w", err)
	}
	return l.drop()
}

// release lets go of everything, for a script that has failed.
func (l *leg) release() {
	if l.tcp != nil {
		_ = l.drop()
	}
	_ = l.closeListener()
}

// bulk is a run of n bytes in which every loss, doubling and swap shows.
func bulk(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := uint64(0); len(b) < n; i++ {
		// An odd factor modulo 2^64: no two of the words are the same.
		b = binary.BigEndian.AppendUint64(b, i*0x9e3779b97f4a7c15)
	}
	return b[:n]
}
