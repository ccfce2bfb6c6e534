package tlsterm

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// serve accepts one connection on a loopback port and hands it to f on a
// goroutine of its own. finish waits until f has returned; it is called when
// the client has ended, so that one that never connected is not waited for.
func serve(t *testing.T, f func(conn *net.TCPConn)) (addr string, finish func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		f(conn.(*net.TCPConn))
	}()
	finish = func() {
		ln.Close()
		<-returned
	}
	t.Cleanup(finish)
	return ln.Addr().String(), finish
}

// A program is a client that runs outside the test.
type program struct {
	cmd   *exec.Cmd
	out   bytes.Buffer
	stdin io.WriteCloser
}

// start starts a program. Its standard input stays open until it has ended. A
// program that is not installed fails the test: what it pins would go unpinned.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	p := &program{cmd: exec.CommandContext(ctx, name, args...)}
	p.cmd.Stdout = &p.out
	p.cmd.Stderr = &p.out
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// wait waits for the program's end and returns what it printed.
func (p *program) wait() (string, error) {
	err := p.cmd.Wait()
	return p.out.String(), err
}

// An opensslClient runs "openssl s_client".
type opensslClient struct {
	caFile  string
	version uint16
}

func newOpenSSL(t *testing.T, cert testCert, version uint16) *opensslClient {
	t.Helper()
	return &opensslClient{caFile: cert.file(t), version: version}
}

func (o *opensslClient) start(t *testing.T, addr string, args ...string) *program {
	t.Helper()
	base := []string{"s_client", "-connect", addr, "-CAfile", o.caFile, "-verify_return_error"}
	switch o.version {
	case tls.VersionTLS12:
		base = append(base, "-tls1_2")
	case tls.VersionTLS13:
		base = append(base, "-tls1_3")
	}
	return start(t, "openssl", append(base, args...)...)
}

// control runs a control connection of b: handshake, greeting, close_notify.
// It returns what OpenSSL printed.
func (o *opensslClient) control(t *testing.T, b *Binding, args ...string) (string, error) {
	t.Helper()
	var serverErr error
	addr, finish := serve(t, func(conn *net.TCPConn) {
		var c *Conn
		if c, serverErr = b.Control(within(t), conn); serverErr != nil {
			return
		}
		_, _ = io.WriteString(c, "220 ready\r\n")
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	})
	out, _ := o.start(t, addr, args...).wait()
	finish()
	return out, serverErr
}

// data runs a data connection of b, on which the server sends one line.
func (o *opensslClient) data(t *testing.T, b *Binding, upload bool, args ...string) (string, error) {
	t.Helper()
	var serverErr error
	addr, finish := serve(t, func(conn *net.TCPConn) {
		var c *tls.Conn
		if c, serverErr = b.Data(within(t), conn, upload); serverErr != nil {
			return
		}
		_, _ = io.WriteString(c, "one line\r\n")
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	})
	out, _ := o.start(t, addr, args...).wait()
	finish()
	return out, serverErr
}

// reused reports what OpenSSL says about a handshake.
func reused(t *testing.T, out string) bool {
	t.Helper()
	switch {
	case strings.Contains(out, "\nReused, TLSv"):
		return true
	case strings.Contains(out, "\nNew, TLSv"):
		return false
	default:
		t.Fatalf("openssl made no handshake:\n%s", out)
		return false
	}
}
