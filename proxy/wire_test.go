package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// longest bounds every wait; it is reached only by a test that fails.
const longest = time.Minute

// tcpPair is one TCP connection, from both ends.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := listenTCP(loopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err = net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	far, err = ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	for _, conn := range []*net.TCPConn{near, far} {
		_ = conn.SetDeadline(time.Now().Add(longest))
	}
	return near, far
}

// wirePair is a wire, released in the end, and its peer.
func wirePair(t *testing.T) (*wire, *net.TCPConn) {
	t.Helper()
	near, far := tcpPair(t)
	w := newWire(near)
	t.Cleanup(w.release)
	return w, far
}

// wantArrived waits until a connection's kernel holds so many bytes for its reader. On
// loopback they are usually there when the write returns.
func wantArrived(t *testing.T, conn *net.TCPConn, want int) {
	t.Helper()
	got := arrived(t, conn)
	for end := time.Now().Add(longest); got < want && time.Now().Before(end); got = arrived(t, conn) {
		runtime.Gosched()
	}
	if got != want {
		t.Fatalf("%d bytes have arrived, want %d", got, want)
	}
}

// arrived counts the bytes that a connection's kernel holds for its reader.
func arrived(t *testing.T, conn *net.TCPConn) (n int) {
	t.Helper()
	err := onSocket(conn, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.SIOCINQ)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustWrite(t *testing.T, w io.Writer, b []byte) {
	t.Helper()
	if n, err := w.Write(b); err != nil || n != len(b) {
		t.Fatalf("%d of %d bytes written, %v", n, len(b), err)
	}
}

func mustRead(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v instead of %q", got, err, want)
	}
}

func TestWireUncorkedWritesAtOnce(t *testing.T) {
	w, far := wirePair(t)
	mustWrite(t, w, []byte("hello"))
	wantArrived(t, far, 5)
}

func TestWireCorkedCollectsUntilUncorked(t *testing.T) {
	w, far := wirePair(t)
	for range 3 { // it can be corked again
		w.cork()
		mustWrite(t, w, []byte("one "))
		mustWrite(t, w, []byte("two"))
		if n := arrived(t, far); n != 0 {
			t.Fatalf("%d bytes have arrived from a corked wire", n)
		}
		if err := w.uncork(); err != nil {
			t.Fatal(err)
		}
		wantArrived(t, far, 7)
		mustRead(t, far, "one two")
		if err := w.uncork(); err != nil || arrived(t, far) != 0 {
			t.Fatalf("the same again, %v", err)
		}
	}
}

// What does not fit is sent on the way, in order.
func TestWireCorkedKeepsTheOrder(t *testing.T) {
	w, far := wirePair(t)
	sizes := []int{1, bufferSize - 1, 1, bufferSize, bufferSize + 1, 5, 3 * bufferSize, 100_000, 200_000, 0, 1}
	total := 0
	for _, n := range sizes {
		total += n
	}
	file := make([]byte, total)
	_, _ = rand.NewChaCha8([32]byte{}).Read(file)
	received := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		received <- b
	}()
	w.cork()
	rest := file
	for _, n := range sizes {
		mustWrite(t, w, rest[:n])
		rest = rest[n:]
	}
	if err := w.uncork(); err != nil {
		t.Fatal(err)
	}
	_ = w.CloseWrite()
	if got := <-received; !bytes.Equal(got, file) {
		t.Fatalf("%d bytes arrived, or others than the %d sent", len(got), len(file))
	}
	if n := w.out.sent.Load(); n != uint64(total) {
		t.Fatalf("%d bytes counted as sent, of %d", n, total)
	}
}

func TestWireReportsAFailedWrite(t *testing.T) {
	w, far := wirePair(t)
	reset(far)
	w.cork()
	mustWrite(t, w, []byte("collected"))
	err := w.uncork()
	for err == nil { // the reset may still be on its way
		_, err = w.Write([]byte("x"))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}

// starved runs before a read that may block, and not while there is something in
// memory: only then has what was collected waited long enough.
func TestWireIsStarvedBeforeItBlocks(t *testing.T) {
	w, far := wirePair(t)
	starved := 0
	w.in.starved = func() error {
		starved++
		if starved > 1 {
			mustWrite(t, far, []byte("more")) // what blocks otherwise
		}
		return nil
	}
	mustWrite(t, far, []byte("0123456789"))
	for i, want := range []string{"012", "345", "6789"} {
		mustRead(t, w, want)
		if starved != 1 {
			t.Fatalf("starved %d times after %d reads", starved, i+1)
		}
	}
	mustRead(t, w, "more")
	if starved != 2 {
		t.Fatalf("starved %d times", starved)
	}
}

func TestWireStarvedMayFail(t *testing.T) {
	w, _ := wirePair(t)
	w.in.starved = func() error { return errStalled }
	if n, err := w.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errStalled) {
		t.Fatalf("%d, %v", n, err)
	}
}

// A handshake needs little memory, a pump much.
func TestWireBuffersInProportion(t *testing.T) {
	w, far := wirePair(t)
	mustWrite(t, far, []byte("hello"))
	mustRead(t, w, "hello")
	if len(w.in.buf) != handshakeBuffer {
		t.Fatalf("%d bytes for a handshake", len(w.in.buf))
	}
	w.in.starved = func() error { return nil }
	mustWrite(t, far, []byte("file"))
	mustRead(t, w, "file")
	if len(w.in.buf) != bufferSize {
		t.Fatalf("%d bytes for a pump", len(w.in.buf))
	}
	w.release()
	if w.in.buf != nil || w.out.buf != nil {
		t.Fatal("a buffer was kept")
	}
}

// What is in memory when a pump takes over is read first.
func TestWireKeepsWhatAHandshakeLeftBehind(t *testing.T) {
	w, far := wirePair(t)
	mustWrite(t, far, []byte("hello, and the file"))
	mustRead(t, w, "hello")
	w.in.starved = func() error { return nil }
	mustRead(t, w, ", and the file")
}

func TestWireRemembersFIN(t *testing.T) {
	w, far := wirePair(t)
	mustWrite(t, far, []byte("last"))
	_ = far.CloseWrite()
	mustRead(t, w, "last")
	if w.in.ended.Load() {
		t.Fatal("the FIN has not been read yet")
	}
	for range 2 {
		if n, err := w.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // crypto/tls compares so too
			t.Fatalf("%d, %v", n, err)
		}
		if !w.in.ended.Load() {
			t.Fatal("the FIN was forgotten")
		}
	}
}

func TestWireTakesNoOtherEndForFIN(t *testing.T) {
	for name, end := range map[string]func(*wire, *net.TCPConn){
		"reset":    func(_ *wire, far *net.TCPConn) { reset(far) },
		"closed":   func(w *wire, _ *net.TCPConn) { _ = w.Close() },
		"deadline": func(w *wire, _ *net.TCPConn) { _ = w.SetReadDeadline(time.Unix(1, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			w, far := wirePair(t)
			end(w, far)
			if _, err := w.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || w.in.ended.Load() {
				t.Fatalf("%v, FIN %v", err, w.in.ended.Load())
			}
		})
	}
}

// close_notify is no part of the file, and waits as long as the file would.
func TestWireAfterTheEndOfTheFile(t *testing.T) {
	w, far := wirePair(t)
	mustWrite(t, w, []byte("file"))
	_ = w.SetWriteDeadline(time.Unix(1, 0))
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v: deadlines count before the end", err)
	}
	_ = w.SetWriteDeadline(time.Time{})
	before := w.out.sent.Load()
	w.endFile()
	_ = w.SetWriteDeadline(time.Unix(1, 0))
	mustWrite(t, w, []byte("close_notify"))
	if n := w.out.sent.Load(); n != before {
		t.Fatalf("%d bytes counted that are no part of the file", n-before)
	}
	mustRead(t, far, "fileclose_notify")
}
