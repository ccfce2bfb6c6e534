package tlsterm

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An opensslServer is "openssl s_server", which FTP servers' TLS is made of. It
// sends each line back in reverse, and serves one connection after the other.
type opensslServer struct{ addr string }

func newOpenSSLServer(t *testing.T, cert testCert, version uint16, args ...string) opensslServer {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, cert.keyPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", cert.file(t), "-key", key, "-rev"}, args...)
	switch version {
	case tls.VersionTLS12:
		args = append(args, "-tls1_2")
	case tls.VersionTLS13:
		args = append(args, "-tls1_3")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "openssl", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening, ended := make(chan string, 1), make(chan struct{})
	go func() { // reads to the end, or the server would one day wait for a reader
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if addr, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
				listening <- addr
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = cmd.Wait()
	})
	select {
	case addr := <-listening:
		return opensslServer{addr}
	case <-ended:
		t.Fatal("s_server does not accept connections")
		return opensslServer{}
	}
}

// converse makes a connection, speaks over it and ends it cleanly.
func (s opensslServer) converse(t *testing.T, handshake func(context.Context, net.Conn) (*tls.Conn, error)) (resumed bool, err error) {
	t.Helper()
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn, err := handshake(within(t), raw)
	if err != nil {
		return false, err
	}
	if _, err := io.WriteString(conn, "PBSZ 0\n"); err != nil {
		return false, err
	}
	reply := make([]byte, len("0 ZSBP\n"))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return false, err
	}
	if string(reply) != "0 ZSBP\n" {
		t.Errorf("read %q", reply)
	}
	if err := conn.CloseWrite(); err != nil {
		return false, err
	}
	return conn.ConnectionState().DidResume, hears(conn)
}

func TestOpenSSLServerIsResumed(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server := newOpenSSLServer(t, cert, version)
		o := newOriginator(t, nil, cert).Bind()
		if resumed, err := server.converse(t, o.Control); resumed || err != nil {
			t.Fatalf("control: resumed %v, %v", resumed, err)
		}
		for i := range 3 {
			if resumed, err := server.converse(t, o.Data); !resumed || err != nil {
				t.Errorf("data %d: resumed %v, %v", i, resumed, err)
			}
		}
	})
}

// TLS 1.2 without tickets has only session IDs to resume by, which crypto/tls
// does not: it must show, since a server that insists on it cannot be satisfied.
func TestOpenSSLServerThatResumesBySessionIDOnly(t *testing.T) {
	cert := newCert(t, upstreamName)
	server := newOpenSSLServer(t, cert, tls.VersionTLS12, "-no_ticket")
	o := newOriginator(t, nil, cert).Bind()
	if _, err := server.converse(t, o.Control); err != nil {
		t.Fatal(err)
	}
	if o.Resumable() {
		t.Error("resumable without a ticket")
	}
	if resumed, err := server.converse(t, o.Data); resumed || err != nil {
		t.Errorf("data: resumed %v, %v", resumed, err)
	}
}

func TestOpenSSLServerThatDemandsACertificate(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert, own := newCert(t, upstreamName), newCert(t, "proxy.example.com")
		server := newOpenSSLServer(t, cert, version, "-Verify", "1", "-verify_return_error", "-CAfile", own.file(t))
		if _, err := server.converse(t, newOriginator(t, nil, cert).Bind().Control); err == nil {
			t.Error("no certificate was enough")
		}
		stranger := newCert(t, "proxy.example.com")
		o := newOriginator(t, func(c *OriginConfig) { c.Certificate = stranger.source() }, cert).Bind()
		if _, err := server.converse(t, o.Control); err == nil {
			t.Error("a stranger's certificate was enough")
		}
		o = newOriginator(t, func(c *OriginConfig) { c.Certificate = own.source() }, cert).Bind()
		if _, err := server.converse(t, o.Control); err != nil {
			t.Errorf("control: %v", err)
		}
		if resumed, err := server.converse(t, o.Data); !resumed || err != nil {
			t.Errorf("data: resumed %v, %v", resumed, err)
		}
	})
}
