package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

func TestOldVersionsAreRefused(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	term := newTerminator(t, cert.source(), nil)
	o := newOpenSSL(t, cert, 0)
	for _, flag := range []string{"-tls1", "-tls1_1"} {
		// Without a security level of 0 OpenSSL itself would not offer them.
		out, err := o.control(t, term.Bind(), flag, "-cipher", "ALL:@SECLEVEL=0")
		if err == nil || !strings.Contains(out, "alert protocol version") {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}

func TestMinVersion(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	term := newTerminator(t, cert.source(), func(c *Config) { c.MinVersion = tls.VersionTLS13 })
	out, err := newOpenSSL(t, cert, tls.VersionTLS12).control(t, term.Bind())
	if err == nil || !strings.Contains(out, "alert protocol version") {
		t.Errorf("TLS 1.2: %v\n%s", err, out)
	}
	b := term.Bind()
	if out, err = newOpenSSL(t, cert, tls.VersionTLS13).control(t, b); err != nil {
		t.Errorf("TLS 1.3: %v\n%s", err, out)
	}
	out, err = newOpenSSL(t, cert, tls.VersionTLS12).data(t, b, false)
	if err == nil || !strings.Contains(out, "alert protocol version") {
		t.Errorf("TLS 1.2 on a data connection: %v\n%s", err, out)
	}
}

// The greatest version that both sides speak is taken.
func TestNegotiatesTLS13(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	out, err := newOpenSSL(t, cert, 0).control(t, newTerminator(t, cert.source(), nil).Bind())
	if err != nil || !strings.Contains(out, "New, TLSv1.3") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPlainTextInsteadOfAHello(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, line := range []string{"USER alice\r\n", "GET / HTTP/1.1\r\n", "\x80\x2e\x01\x00\x02", "\x00\x00\x00\x00\x00"} {
		b := newTerminator(t, cert.source(), nil).Bind()
		client, accepted := tcpPair(t)
		if _, err := client.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		_, err := b.Control(within(t), accepted)
		if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok {
			t.Errorf("control, %q: %v", line, err)
		}

		newGoClient(cert, tls.VersionTLS13).login(t, b)
		client, accepted = tcpPair(t)
		if _, err := client.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		_, err = b.Data(within(t), accepted, true)
		if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok {
			t.Errorf("data, %q: %v", line, err)
		}
	}
}

// watched counts how often a connection is closed.
type watched struct {
	net.Conn
	closed int
}

func (w *watched) Close() error {
	w.closed++
	return w.Conn.Close()
}

// stalls are peers that stop in the middle of a handshake.
var stalls = []struct {
	name string
	peer func(t *testing.T, client net.Conn)
}{
	{"silence", func(*testing.T, net.Conn) {}},
	{"half a record header", func(_ *testing.T, client net.Conn) {
		_, _ = client.Write([]byte{22, 3, 1})
	}},
	{"half a hello", func(_ *testing.T, client net.Conn) {
		_, _ = client.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3})
	}},
	{"a hello, and then nothing is read", func(t *testing.T, client net.Conn) {
		// Over a pipe a write waits for its reader.
		deaf := &deafConn{Conn: client, ended: t.Context().Done()}
		go func() {
			_ = tls.Client(deaf, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context())
		}()
	}},
}

// A deafConn writes but never reads.
type deafConn struct {
	net.Conn
	ended <-chan struct{}
}

func (d *deafConn) Read([]byte) (int, error) {
	<-d.ended
	return 0, net.ErrClosed
}

func TestStalledHandshakeEndsWithItsContext(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	errWhy := errors.New("why")
	for _, stall := range stalls {
		for _, data := range []bool{false, true} {
			name := stall.name + map[bool]string{false: ", control", true: ", data"}[data]
			t.Run(name, func(t *testing.T) {
				b := newTerminator(t, cert.source(), nil).Bind()
				if data {
					newGoClient(cert, tls.VersionTLS13).login(t, b)
				}
				client, accepted := net.Pipe()
				defer client.Close()
				w := &watched{Conn: accepted}
				defer accepted.Close()
				go stall.peer(t, client)

				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(20*time.Millisecond, func() { cancel(errWhy) })
				if err := handshakeWith(ctx, b, w, data); !errors.Is(err, errWhy) {
					t.Errorf("cancelled: got %v, want the cause", err)
				}
				if w.closed != 0 {
					t.Error("the connection was closed: it is the caller's")
				}
			})
		}
	}
}

func handshakeWith(ctx context.Context, b *Binding, conn net.Conn, data bool) error {
	if data {
		_, err := b.Data(ctx, conn, false)
		return err
	}
	_, err := b.Control(ctx, conn)
	return err
}

func TestHandshakeDeadline(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), nil).Bind()
	_, accepted := tcpPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.Control(ctx, accepted); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	// A context that has ended already costs the peer not even a read.
	client, accepted := tcpPair(t)
	if _, err := client.Write([]byte("USER alice\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Control(ctx, accepted); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	buf := make([]byte, 12)
	if n, err := accepted.Read(buf); n != 12 || err != nil {
		t.Errorf("read %d bytes afterwards, %v", n, err)
	}
}

// A handshake that is done leaves the connection without a deadline, whatever
// becomes of its context.
func TestContextEndsAfterHandshake(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), nil).Bind()
	raw, accepted := tcpPair(t)
	client := tls.Client(raw, newGoClient(cert, tls.VersionTLS13).cfg)
	shook := make(chan error, 1)
	go func() { shook <- client.HandshakeContext(t.Context()) }()
	ctx, cancel := context.WithCancel(t.Context())
	server, err := b.Control(ctx, accepted)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-shook; err != nil {
		t.Fatal(err)
	}
	cancel()
	exchange(t, server, client, "220 ready\r\n")
	exchange(t, client, server, "NOOP\r\n")
}

// The client's reason for giving up is in the error. (In TLS 1.3 it is not:
// OpenSSL sends this alert in the clear, where only an encrypted one is legal.)
func TestClientThatDistrustsUs(t *testing.T) {
	cert, other := newCert(t, "ftp.example.com"), newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), nil).Bind()
	out, err := newOpenSSL(t, other, tls.VersionTLS12).control(t, b)
	if err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Errorf("%v\n%s", err, out)
	}
}
