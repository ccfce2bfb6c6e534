package tlsterm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// After Reset nothing of the session is left: not its tickets, nor the right to
// make a data connection.
func TestReset(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
		client := newGoClient(cert, version)
		client.login(t, b)
		if d := client.data(t, b, false); d.serverErr != nil {
			t.Fatal(d.serverErr)
		}
		b.Reset()
		_, accepted := tcpPair(t)
		if _, err := b.Data(within(t), accepted, false); !errors.Is(err, errUnbound) {
			t.Errorf("data connection without a control connection: %v", err)
		}
		newGoClient(cert, version).login(t, b)
		if d := client.data(t, b, false); !errors.Is(d.serverErr, ErrNotResumed) {
			t.Errorf("a ticket from before the Reset: %v", d.serverErr)
		}
		wantCounts(t, b, 1, 1) // counts survive
	})
}

// Control begins anew even without Reset.
func TestControlForgetsTheOneBefore(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
		before := newGoClient(cert, version)
		before.login(t, b)
		newGoClient(cert, version).login(t, b)
		if d := before.data(t, b, false); !errors.Is(d.serverErr, ErrNotResumed) {
			t.Errorf("a ticket of the control connection before: %v", d.serverErr)
		}
	})
}

// A gate lets the first write pass and holds the second until it is opened.
type gate struct {
	net.Conn
	writes  int
	reached chan struct{}
	open    chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	if g.writes++; g.writes == 2 {
		close(g.reached)
		<-g.open
	}
	return g.Conn.Write(p)
}

// Reset in the middle of a handshake: between the client's hello, which offers a
// ticket that is still good, and its Finished.
func TestResetDuringHandshake(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
		client := newGoClient(cert, version)
		client.login(t, b)

		raw, accepted := tcpPair(t)
		g := &gate{Conn: raw, reached: make(chan struct{}), open: make(chan struct{})}
		shook := make(chan error, 1)
		tc := tls.Client(g, client.cfg)
		go func() { shook <- tc.HandshakeContext(t.Context()) }()
		served := make(chan error, 1)
		go func() {
			_, err := b.Data(within(t), accepted, false)
			served <- err
		}()
		<-g.reached
		b.Reset()
		close(g.open)
		if err := <-served; !errors.Is(err, ErrNotResumed) {
			t.Errorf("got %v", err)
		}
		if err := <-shook; err != nil {
			t.Error(err)
		}
		if !tc.ConnectionState().DidResume {
			t.Error("the handshake did not resume, so this shows nothing")
		}
		if len(b.tickets.states) != 0 || b.cert != nil {
			t.Error("the handshake brought something back")
		}
	})
}

// The same for a control connection: a Reset before its handshake is done.
func TestResetDuringControlHandshake(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), nil).Bind()
		raw, accepted := tcpPair(t)
		g := &gate{Conn: raw, reached: make(chan struct{}), open: make(chan struct{})}
		shook := make(chan error, 1)
		go func() { shook <- tls.Client(g, newGoClient(cert, version).cfg).HandshakeContext(t.Context()) }()
		served := make(chan error, 1)
		go func() {
			_, err := b.Control(within(t), accepted)
			served <- err
		}()
		<-g.reached
		b.Reset()
		close(g.open)
		if err := errors.Join(<-served, <-shook); err != nil {
			t.Fatal(err)
		}
		if len(b.tickets.states) != 0 || b.cert != nil {
			t.Error("the handshake brought something back")
		}
	})
}

// Handshakes and Resets at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), nil).Bind()
	client := newGoClient(cert, tls.VersionTLS13)
	client.login(t, b)
	var wg sync.WaitGroup
	for range 8 {
		raw, accepted := tcpPair(t)
		wg.Go(func() { _ = tls.Client(raw, client.cfg).HandshakeContext(t.Context()) })
		wg.Go(func() {
			if _, err := b.Data(within(t), accepted, false); err != nil {
				accepted.Close()
			}
		})
		wg.Go(func() { b.Resumed() })
	}
	wg.Go(b.Reset)
	wg.Wait()
}

// changing is a source whose certificate can be replaced.
type changing struct {
	mu   sync.Mutex
	cert *tls.Certificate
}

func (c *changing) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cert == nil {
		return nil, ErrNoCertificate
	}
	return c.cert, nil
}

func (c *changing) set(cert *tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cert = cert
}

// RFC 4217 §15.1.1: a client may compare the certificates of control and data.
func TestCertificateStaysWithTheSession(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		old, renewed := newCert(t, "ftp.example.com"), newCert(t, "ftp.example.com")
		src := &changing{cert: &old.cert}
		term := newTerminator(t, src, nil)
		b := term.Bind()
		newGoClient(old, version).login(t, b)
		src.set(&renewed.cert)

		// Clients that do not resume are shown a certificate.
		d := newGoClient(old, version).data(t, b, false)
		if d.serverErr != nil {
			t.Fatal(d.serverErr)
		}
		if got := d.client.ConnectionState().PeerCertificates[0].Raw; !bytes.Equal(got, old.fingerprint()) {
			t.Error("the data connection shows another certificate than the control connection did")
		}
		client, _ := newGoClient(renewed, version).login(t, term.Bind())
		if got := client.ConnectionState().PeerCertificates[0].Raw; !bytes.Equal(got, renewed.fingerprint()) {
			t.Error("a new session is shown the old certificate")
		}

		src.set(nil)
		if term.Ready() {
			t.Error("ready without a certificate")
		}
		d = newGoClient(old, version).data(t, b, false)
		if d.serverErr != nil {
			t.Errorf("the source has none any more: %v", d.serverErr)
		}
	})
}

func TestControlWithoutCertificate(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	src := &changing{}
	term := newTerminator(t, src, nil)
	if term.Ready() || term.Covers("ftp.example.com") {
		t.Error("ready without a certificate")
	}
	out, err := newOpenSSL(t, cert, 0).control(t, term.Bind())
	if !errors.Is(err, ErrNoCertificate) {
		t.Errorf("%v\n%s", err, out)
	}
	src.set(&cert.cert)
	if !term.Ready() || !term.Covers("ftp.example.com") {
		t.Error("not ready with a certificate")
	}
	if out, err = newOpenSSL(t, cert, 0).control(t, term.Bind()); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Data works over any net.Conn, not only over TCP.
func TestDataOverAnyConn(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
	client := newGoClient(cert, tls.VersionTLS13)
	client.login(t, b)
	raw, accepted := net.Pipe()
	defer raw.Close()
	defer accepted.Close()
	tc := tls.Client(raw, client.cfg)
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(tc, make([]byte, 1))
		read <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := b.Data(ctx, accepted, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}
