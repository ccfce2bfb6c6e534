package tlsterm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A gluer collects writes while it holds, so that several of them reach the
// peer in one segment.
type gluer struct {
	net.Conn
	holding bool
	held    bytes.Buffer
}

func (g *gluer) Write(p []byte) (int, error) {
	if g.holding {
		return g.held.Write(p)
	}
	return g.Conn.Write(p)
}

func (g *gluer) release(t *testing.T) {
	t.Helper()
	g.holding = false
	// crypto/tls leaves a deadline in the past behind its close_notify.
	if err := g.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Conn.Write(g.held.Bytes()); err != nil {
		t.Fatal(err)
	}
	g.held.Reset()
}

// A glued session is a control connection whose client can send several things
// at once, and can itself go back to clear text.
type glued struct {
	g      *gluer
	client *tls.Conn
	server *Conn
}

func newGlued(t *testing.T, version uint16) glued {
	t.Helper()
	cert := newCert(t, "ftp.example.com")
	raw, accepted := tcpPair(t)
	g := &gluer{Conn: raw}
	client := tls.Client(&recordConn{Conn: g}, newGoClient(cert, version).cfg)
	shook := make(chan error, 1)
	go func() { shook <- client.HandshakeContext(t.Context()) }()
	server, err := newTerminator(t, cert.source(), nil).Bind().Control(within(t), accepted)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-shook; err != nil {
		t.Fatal(err)
	}
	exchange(t, server, client, "220 ready\r\n")
	return glued{g, client, server}
}

func TestShutdownLeavesClearBytesAlone(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		s := newGlued(t, version)
		exchange(t, s.client, s.server, "CCC\r\n")

		s.g.holding = true
		if err := s.client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		const clearText = "\x17\x03\x03 USER alice\r\nPASS \r\n" // begins like a record
		if _, err := s.g.Write([]byte(clearText)); err != nil {
			t.Fatal(err)
		}
		s.g.release(t)

		conn, err := s.server.Shutdown(within(t))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(clearText))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != clearText {
			t.Errorf("read %q, %v", got, err)
		}
		// The client hears our close_notify and then clear text, both ways.
		if n, err := s.client.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("the client read %d bytes, %v", n, err)
		}
		exchange(t, conn, s.g.Conn, "331 go on\r\n")
		exchange(t, s.g.Conn, conn, "QUIT\r\n")
		if err := s.g.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(conn); len(rest) != 0 || err != nil {
			t.Errorf("invented %q, %v", rest, err)
		}
	})
}

// The server goes first, and a client on OpenSSL goes on in clear text.
func TestShutdownWithOpenSSL(t *testing.T) {
	const client = `
import socket, ssl, sys
host, port = sys.argv[1].rsplit(":", 1)
ctx = ssl.create_default_context(cafile=sys.argv[2])
ctx.minimum_version = ctx.maximum_version = ssl.TLSVersion[sys.argv[3]]
s = ctx.wrap_socket(socket.create_connection((host, int(port))), server_hostname="ftp.example.com")
s.sendall(b"CCC\r\n")
raw = s.unwrap()
raw.sendall(b"NOOP\r\n")
print(raw.recv(100))
`
	script := filepath.Join(t.TempDir(), "ccc.py")
	if err := os.WriteFile(script, []byte(client), 0o600); err != nil {
		t.Fatal(err)
	}
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), nil).Bind()
		var err error
		addr, finish := serve(t, func(conn *net.TCPConn) { err = cccDialogue(t, b, conn) })
		p := start(t, "python3", script, addr, cert.file(t), strings.Replace(versionName(version), "TLS1.", "TLSv1_", 1))
		out, exit := p.wait()
		finish()
		if err != nil || exit != nil || !strings.Contains(out, "b'200 still here\\r\\n'") {
			t.Errorf("%v, %v\n%s", err, exit, out)
		}
	})
}

func cccDialogue(t *testing.T, b *Binding, conn net.Conn) error {
	t.Helper()
	c, err := b.Control(within(t), conn)
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(c, make([]byte, len("CCC\r\n"))); err != nil {
		return err
	}
	clearConn, err := c.Shutdown(within(t))
	if err != nil {
		return err
	}
	line := make([]byte, len("NOOP\r\n"))
	if _, err := io.ReadFull(clearConn, line); err != nil {
		return err
	}
	if string(line) != "NOOP\r\n" {
		return errors.New("read " + string(line))
	}
	_, err = io.WriteString(clearConn, "200 still here\r\n")
	return err
}

// Deadlines were for TLS; what follows sets its own.
func TestShutdownClearsDeadlines(t *testing.T) {
	s := newGlued(t, tls.VersionTLS13)
	log := &deadlineLog{Conn: s.server.records.Conn}
	s.server.records.Conn = log
	if err := s.server.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := s.client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.server.Shutdown(within(t)); err != nil {
		t.Fatal(err)
	}
	if !log.deadline.IsZero() {
		t.Errorf("a deadline of %v is left", log.deadline)
	}
}

// After Shutdown the same connection can be terminated again: CCC or REIN, and
// then AUTH.
func TestTLSAgainAfterShutdown(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), nil).Bind()
		raw, accepted := tcpPair(t)
		var conn net.Conn = accepted
		for range 2 {
			client := tls.Client(&recordConn{Conn: raw}, newGoClient(cert, version).cfg)
			shook := make(chan error, 1)
			go func() { shook <- client.HandshakeContext(t.Context()) }()
			c, err := b.Control(within(t), conn)
			if err := errors.Join(err, <-shook); err != nil {
				t.Fatal(err)
			}
			exchange(t, c, client, "220 ready\r\n")
			go func() { // answers our close_notify
				_, err := client.Read(make([]byte, 1))
				_ = client.CloseWrite()
				_ = raw.SetDeadline(time.Time{})
				shook <- err
			}()
			if conn, err = c.Shutdown(within(t)); err != nil {
				t.Fatal(err)
			}
			if err := <-shook; !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
	})
}

func TestShutdownRefusesDataBeforeCloseNotify(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		s := newGlued(t, version)
		s.g.holding = true
		_, err := io.WriteString(s.client, "NOOP\r\n")
		if err := errors.Join(err, s.client.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		s.g.release(t)
		if conn, err := s.server.Shutdown(within(t)); !errors.Is(err, errDataBeforeClose) || conn != nil {
			t.Errorf("got %v, %v", conn, err)
		}
	})
}

// The same when the data has been decrypted already and only not been read.
func TestShutdownRefusesUnreadData(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		s := newGlued(t, version)
		if _, err := io.WriteString(s.client, "NOOP\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.server.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.server.Shutdown(within(t)); !errors.Is(err, errDataBeforeClose) {
			t.Errorf("got %v", err)
		}
	})
}

func TestShutdownNeedsCloseNotify(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		s := newGlued(t, version)
		if err := s.g.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.server.Shutdown(within(t)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a bare FIN: %v", err)
		}

		// What begins like a record has to be one.
		for b := byte(20); b <= 24; b++ {
			s = newGlued(t, version)
			if _, err := s.g.Conn.Write([]byte{b, 3, 3, 0, 4, 'N', 'O', 'O', 'P'}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.server.Shutdown(within(t)); err == nil {
				t.Errorf("a forged record of type %d was accepted", b)
			}
		}
	})
}

// curl leaves TLS without a close_notify of its own, once it has
// ours: not a byte of the clear text that follows may be lost.
func TestShutdownAcceptsClearText(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		for _, line := range []string{"PWD\r\n", "A\r\nB\r\nTYPE I\r\n", "\xff\xf4ABOR\r\n", "\r\n"} {
			for _, waits := range []bool{true, false} {
				s := newGlued(t, version)
				said := make(chan error, 1)
				go func() {
					if waits {
						_, err := s.client.Read(make([]byte, 1)) // our close_notify
						if !errors.Is(err, io.EOF) {
							said <- err
							return
						}
					}
					_, err := io.WriteString(s.g.Conn, line)
					said <- err
				}()
				conn, err := s.server.Shutdown(within(t))
				if err := errors.Join(err, <-said); err != nil {
					t.Fatalf("%q, waits %v: %v", line, waits, err)
				}
				if err := s.g.Conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(conn); string(got) != line || err != nil {
					t.Errorf("waits %v: read %q, %v, want %q", waits, got, err, line)
				}
				exchange(t, conn, clearOf(s, waits), "331 go on\r\n")
			}
		}
	})
}

// clearOf is the client's clear text behind our close_notify, which it has read
// if it waited for it.
func clearOf(s glued, read bool) io.Reader {
	if !read {
		_, _ = s.client.Read(make([]byte, 1))
	}
	return s.g.Conn
}

// A peer that ends TLS by itself is heard before anything is sent: what stands
// right behind the reply to CCC, lftp takes for the end of the connection.
func TestShutdownLetsThePeerGoFirst(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		s := newGlued(t, version)
		log := &orderLog{Conn: s.server.records.Conn}
		if err := s.client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		awaitBytes(t, log.Conn.(*net.TCPConn))
		s.server.records.Conn = log
		if _, err := s.server.Shutdown(within(t)); err != nil {
			t.Fatal(err)
		}
		if len(log.did) == 0 || log.did[0] != "read" {
			t.Errorf("did %q", log.did)
		}
	})
}

// An orderLog remembers what was done, in order.
type orderLog struct {
	net.Conn
	did []string
}

func (o *orderLog) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.did = append(o.did, "read")
	return n, err
}

func (o *orderLog) Write(p []byte) (int, error) {
	o.did = append(o.did, "write")
	return o.Conn.Write(p)
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		s := newGlued(t, version)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := s.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent peer: %v", err)
		}
	})
}

// A peer that does not even read cannot hold Shutdown either, though crypto/tls
// gives its close_notify five seconds.
func TestShutdownEndsWithItsContextWhileWriting(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	client, accepted := net.Pipe()
	defer client.Close()
	defer accepted.Close()
	shook := make(chan error, 1)
	go func() {
		shook <- tls.Client(client, newGoClient(cert, tls.VersionTLS12).cfg).HandshakeContext(t.Context())
	}()
	c, err := newTerminator(t, cert.source(), nil).Bind().Control(within(t), accepted)
	if err := errors.Join(err, <-shook); err != nil {
		t.Fatal(err)
	}
	// From here on nobody reads the pipe.
	late := errors.New("late")
	ctx, cancel := context.WithCancelCause(t.Context())
	writing := &announcer{deadlineLog{Conn: accepted}, make(chan struct{})}
	c.records.Conn = writing
	go func() {
		<-writing.writing
		cancel(late)
	}()
	if _, err := c.Shutdown(ctx); !errors.Is(err, late) {
		t.Errorf("got %v", err)
	}
	if !writing.deadline.Equal(time.Unix(1, 0)) {
		t.Errorf("the deadline was moved to %v", writing.deadline)
	}
}

// A deadlineLog remembers the last deadline that was set.
type deadlineLog struct {
	net.Conn
	deadline time.Time
}

func (d *deadlineLog) SetDeadline(t time.Time) error {
	d.deadline = t
	return d.Conn.SetDeadline(t)
}

func (d *deadlineLog) SetWriteDeadline(t time.Time) error {
	d.deadline = t
	return d.Conn.SetWriteDeadline(t)
}

// An announcer tells when it is being written to.
type announcer struct {
	deadlineLog
	writing chan struct{}
}

func (a *announcer) Write(p []byte) (int, error) {
	close(a.writing)
	return a.deadlineLog.Write(p)
}

// A key update that asks for another is answered at once by crypto/tls. Behind
// our close_notify that answer would be read as clear text.
func TestNothingFollowsCloseNotify(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), nil).Bind()
	log := &writeLog{}
	var handshake int
	o := newOpenSSL(t, cert, tls.VersionTLS13)
	var client *program
	asked := make(chan struct{})
	addr, finish := serve(t, func(conn *net.TCPConn) {
		log.Conn = conn
		c, err := b.Control(within(t), log)
		if err != nil {
			t.Error(err)
			return
		}
		handshake = log.writes
		close(asked)
		awaitBytes(t, conn)
		_, _ = c.Shutdown(within(t)) // s_client does not go on in clear text
	})
	client = o.start(t, addr)
	<-asked
	if _, err := io.WriteString(client.stdin, "K\n"); err != nil { // "request a key update"
		t.Fatal(err)
	}
	out, _ := client.wait()
	finish()
	if !strings.Contains(out, "KEYUPDATE") {
		t.Errorf("openssl asked for no key update:\n%s", out)
	}
	if n := log.writes - handshake; n != 1 {
		t.Errorf("%d writes in Shutdown, want one: close_notify", n)
	}
}

// awaitBytes waits until something can be read from conn, and leaves it there.
func awaitBytes(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if err != nil {
		t.Error(err)
	}
}

// A writeLog counts writes.
type writeLog struct {
	net.Conn
	writes int
}

func (w *writeLog) Write(p []byte) (int, error) {
	w.writes++
	return w.Conn.Write(p)
}
