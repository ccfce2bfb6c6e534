package tlsterm

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// uploader is a client on OpenSSL that sends its file and closes without ever
// reading from the data connection, as a simple-minded client does.
const uploader = `
import socket, ssl, sys
control, data, ca, version, resume = sys.argv[1:6]
ctx = ssl.create_default_context(cafile=ca)
ctx.minimum_version = ctx.maximum_version = ssl.TLSVersion[version]

def connect(addr, session=None):
    host, port = addr.rsplit(":", 1)
    raw = socket.create_connection((host, int(port)))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return ctx.wrap_socket(raw, server_hostname="ftp.example.com", session=session)

session = None
if control != "-":
    c = connect(control)
    assert c.recv(100).startswith(b"220")
    session = c.session
d = connect(data, session if resume == "resume" else None)
print("reused" if d.session_reused else "new", flush=True)
d.sendall(bytes(i * 7 % 251 for i in range(1 << 20)))
d.close()
`

const (
	uploadSize = 1 << 20
	// uploadRest is what the server leaves unread until the client is gone:
	// more than its own receive buffer holds, so that some of it is still in
	// the client's send buffer, which a reset throws away.
	uploadRest = 160 << 10
)

func uploadContent() []byte {
	content := make([]byte, uploadSize)
	for i := range content {
		content[i] = byte(i * 7 % 251)
	}
	return content
}

// An upload is the server's side of what uploader does.
type upload struct {
	content []byte
	err     error
}

// receive takes an upload on conn, the last part of it only after the client
// has gone.
func (u *upload) receive(conn net.Conn, gone <-chan struct{}) {
	first := make([]byte, uploadSize-uploadRest)
	n, err := io.ReadFull(conn, first)
	if u.content, u.err = first[:n], err; err != nil {
		return
	}
	<-gone
	rest, err := io.ReadAll(conn)
	u.content, u.err = append(u.content, rest...), err
}

// runUploader runs uploader: a control connection for b, if there is one, and
// the data connection for shake.
func runUploader(t *testing.T, cert testCert, version uint16, b *Binding, resume bool,
	shake func(conn net.Conn) (*tls.Conn, error),
) (u upload, printed string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "uploader.py")
	if err := os.WriteFile(script, []byte(uploader), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	controlAddr, finishControl := "-", func() {}
	if b != nil {
		controlAddr, finishControl = serve(t, func(conn *net.TCPConn) {
			c, err := b.Control(within(t), conn)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, "220 ready\r\n")
			<-gone
		})
	}
	dataAddr, finishData := serve(t, func(conn *net.TCPConn) {
		_ = conn.SetReadBuffer(64 << 10)
		c, err := shake(conn)
		if err != nil {
			u.err = err
			return
		}
		u.receive(c, gone)
	})
	how := map[bool]string{false: "fresh", true: "resume"}[resume]
	tlsVersion := strings.Replace(versionName(version), "TLS1.", "TLSv1_", 1)
	p := start(t, "python3", script, controlAddr, dataAddr, cert.file(t), tlsVersion, how)
	printed, err := p.wait()
	close(gone)
	if err != nil {
		t.Errorf("%v\n%s", err, printed)
	}
	finishData()
	finishControl()
	return u, strings.TrimSpace(printed)
}

// The trap: a ticket behind the handshake that nobody reads costs the end of the
// file. crypto/tls alone falls into it, so the client of these tests finds it.
func TestUnreadTicketLosesUploads(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, disabled := range []bool{false, true} {
		cfg := &tls.Config{Certificates: []tls.Certificate{cert.cert}, SessionTicketsDisabled: disabled}
		u, printed := runUploader(t, cert, tls.VersionTLS13, nil, false, func(conn net.Conn) (*tls.Conn, error) {
			c := tls.Server(conn, cfg)
			return c, c.HandshakeContext(within(t))
		})
		lost := uploadSize - len(u.content)
		if disabled != (lost == 0) {
			t.Errorf("tickets disabled: %v; lost %d bytes, %v\n%s", disabled, lost, u.err, printed)
		}
	}
}

func TestUploadLosesNothing(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		for _, reuse := range []Reuse{ReusePrefer, ReuseOff} {
			for _, resume := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v, resume %v", reuse, resume), func(t *testing.T) {
					testUpload(t, version, reuse, resume)
				})
			}
		}
	})
}

func testUpload(t *testing.T, version uint16, reuse Reuse, resume bool) {
	t.Helper()
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), withReuse(reuse)).Bind()
	u, printed := runUploader(t, cert, version, b, resume, func(conn net.Conn) (*tls.Conn, error) {
		return b.Data(within(t), conn, true)
	})
	if u.err != nil {
		t.Errorf("after %d bytes: %v", len(u.content), u.err)
	}
	if len(u.content) != uploadSize || sha256.Sum256(u.content) != sha256.Sum256(uploadContent()) {
		t.Errorf("%d of %d bytes arrived, or not the same", len(u.content), uploadSize)
	}
	// The suppression must not cost the resumption.
	if want := resume && reuse == ReusePrefer; (printed == "reused") != want {
		t.Errorf("the client says %q, want reused: %v", printed, want)
	}
}

// The same client, on crypto/tls, over the shortest way.
func TestUploadFromGoClientLosesNothing(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), nil).Bind()
		client := newGoClient(cert, version)
		client.login(t, b)
		for range 2 { // the first resumes; the second has no ticket left in TLS 1.3
			d := client.data(t, b, true)
			if d.serverErr != nil {
				t.Fatal(d.serverErr)
			}
			gone := make(chan struct{})
			wrote := make(chan error, 1)
			go func() {
				defer close(gone)
				_, err := d.client.Write(uploadContent())
				wrote <- errors.Join(err, d.client.NetConn().Close())
			}()
			got, err := io.ReadAll(d.server)
			<-gone
			if err := errors.Join(err, <-wrote); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got, uploadContent()) {
				t.Errorf("%d of %d bytes arrived, or not the same", len(got), uploadSize)
			}
		}
	})
}

// Who is given a ticket, as OpenSSL sees it. It counts only those that follow a
// handshake of TLS 1.3, and each is worth one later data connection.
func TestWhoIsGivenATicket(t *testing.T) {
	tests := []struct {
		reuse          Reuse
		upload, resume bool
		want           bool
	}{
		{ReusePrefer, false, true, true},
		{ReusePrefer, false, false, false}, // has not shown that it belongs here
		{ReusePrefer, true, true, false},   // may close without reading it
		{ReusePrefer, true, false, false},
		{ReuseRequire, false, true, true},
		{ReuseRequire, true, true, true}, // could not make another data connection without
		{ReuseOff, false, false, false},
		{ReuseOff, true, false, false},
	}
	cert := newCert(t, "ftp.example.com")
	o := newOpenSSL(t, cert, tls.VersionTLS13)
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v, upload %v, resume %v", tt.reuse, tt.upload, tt.resume), func(t *testing.T) {
			b := newTerminator(t, cert.source(), withReuse(tt.reuse)).Bind()
			ticket := filepath.Join(t.TempDir(), "ticket")
			out, err := o.control(t, b, "-sess_out", ticket)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var args []string
			if tt.resume {
				args = append(args, "-sess_in", ticket)
			}
			out, err = o.data(t, b, tt.upload, args...)
			if err != nil || reused(t, out) != tt.resume {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := strings.Contains(out, "Post-Handshake New Session Ticket arrived"); got != tt.want {
				t.Errorf("a ticket was sent: %v\n%s", got, out)
			}
			stored := len(b.tickets.earned) > 0
			if stored != tt.want {
				t.Errorf("a ticket was stored: %v", stored)
			}
		})
	}
}

// In TLS 1.2 the ticket is part of the handshake and read by everybody.
func TestTLS12UploadIsGivenATicket(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), nil).Bind()
	client := newGoClient(cert, tls.VersionTLS12)
	client.login(t, b)
	if d := client.data(t, b, true); d.serverErr != nil {
		t.Fatal(d.serverErr)
	}
	if n := len(b.tickets.earned); n != 1 {
		t.Errorf("earned %d tickets, want 1", n)
	}
}

// The facts of crypto/tls that upload tickets lean on, without this package:
// SessionTicketsDisabled of the configuration from GetConfigForClient is read
// again after UnwrapSession, and extension 41 is what announces its call.
func TestTicketsCanBeDisabledInUnwrapSession(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	o := newOpenSSL(t, cert, tls.VersionTLS13)
	ticket := filepath.Join(t.TempDir(), "ticket")
	var stored []byte
	var offers []bool
	shake := func(args ...string) string {
		cfg := &tls.Config{Certificates: []tls.Certificate{cert.cert}}
		cfg.WrapSession = func(_ tls.ConnectionState, ss *tls.SessionState) (label []byte, err error) {
			stored, err = ss.Bytes()
			return []byte("label"), err
		}
		cfg.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) {
			cfg.SessionTicketsDisabled = true
			return tls.ParseSessionState(stored)
		}
		addr, finish := serve(t, func(conn *net.TCPConn) {
			c := tls.Server(conn, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				offers = append(offers, slices.Contains(h.Extensions, extensionPreSharedKey))
				return cfg, nil
			}})
			_, _ = io.WriteString(c, "x")
			_ = c.CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		})
		out, _ := o.start(t, addr, args...).wait()
		finish()
		return out
	}
	const arrived = "Post-Handshake New Session Ticket arrived"
	if out := shake("-sess_out", ticket); reused(t, out) || !strings.Contains(out, arrived) {
		t.Errorf("first handshake:\n%s", out)
	}
	if out := shake("-sess_in", ticket); !reused(t, out) || strings.Contains(out, arrived) {
		t.Errorf("second handshake:\n%s", out)
	}
	if !slices.Equal(offers, []bool{false, true}) {
		t.Errorf("hellos offered to resume: %v", offers)
	}
}
