package conversation_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/test/conversation"
)

// A wire joins each client to an upstream, byte for byte. It is the simplest
// thing that the player can be told the truth about, and lied to.
type wire struct {
	listener *net.TCPListener
	behind   netip.AddrPort
	roots    *x509.CertPool
	// meddle changes what the upstream says, if it is set.
	meddle func([]byte) []byte
	// keep leaves a socket open at the end of a session.
	keep bool
	// twice dials the upstream a second time.
	twice bool
	// stuck, if it is set, holds a goroutine until Stop.
	stuck chan struct{}
	logs  string
	mu    sync.Mutex
	kept  []io.Closer
	// stuckPump is the error of a pump that has met its deadline.
	stuckPump error
	open      sync.WaitGroup
}

// longest is how long one conversation over a wire may take. It is reached only
// when something is broken.
const longest = time.Minute

func (w *wire) start(_ conversation.Settings, behind conversation.Upstream) (conversation.Subject, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.listener, w.behind, w.roots = ln.(*net.TCPListener), behind.Addr, behind.Roots
	w.open.Go(w.serve)
	return w, nil
}

func (w *wire) Addr() netip.AddrPort  { return w.listener.Addr().(*net.TCPAddr).AddrPort() }
func (w *wire) Roots() *x509.CertPool { return w.roots }
func (w *wire) Log() string           { return w.logs }

func (w *wire) Reload(*policy.Policy) error { return errors.New("a wire has no policy") }

func (w *wire) Stop() error {
	err := w.listener.Close()
	if w.stuck != nil {
		close(w.stuck)
	}
	for _, c := range w.kept {
		err = errors.Join(err, c.Close())
	}
	w.open.Wait()
	return errors.Join(err, w.stuckPump)
}

func (w *wire) serve() {
	for {
		client, err := w.listener.AcceptTCP()
		if err != nil {
			return
		}
		w.join(client)
	}
}

func (w *wire) join(client *net.TCPConn) {
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.behind.String())
	if err != nil {
		_ = client.Close()
		return
	}
	up := conn.(*net.TCPConn)
	for _, c := range []*net.TCPConn{client, up} {
		_ = c.SetDeadline(time.Now().Add(longest))
	}
	if w.keep {
		w.leave(net.Listen("tcp", "127.0.0.1:0"))
	}
	if w.twice {
		w.leave(net.Dial("tcp", w.behind.String()))
	}
	if w.stuck != nil {
		w.open.Go(func() { <-w.stuck })
	}
	var both sync.WaitGroup
	both.Go(func() { w.pump(up, client, nil) })
	both.Go(func() { w.pump(client, up, w.meddle) })
	w.open.Go(func() {
		both.Wait()
		_ = client.Close()
		_ = up.Close()
	})
}

// leave keeps a socket that nobody closes before Stop.
func (w *wire) leave(c io.Closer, err error) {
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, c)
}

func (w *wire) pump(to, from *net.TCPConn, meddle func([]byte) []byte) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		w.note(err)
		b := buf[:n]
		if meddle != nil {
			b = meddle(b)
		}
		if _, werr := to.Write(b); errors.Is(err, io.EOF) || werr != nil {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			_ = to.SetLinger(0)
			_ = to.Close()
			return
		}
	}
}

// note keeps the error of a pump that has waited for a peer until its deadline: the
// player owes every peer an end.
func (w *wire) note(err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuckPump = fmt.Errorf("%w: %w", errPump, err)
}

var errPump = errors.New("a pump has waited to its deadline")
