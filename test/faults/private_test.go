package faults

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	dialling "github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// The upstream's TLS: crypto/tls itself, as server on the control connection and
// on every data connection.

// overTLS has an upstream with TLS of this version and no other, reached in this
// mode. change may alter what the upstream does.
func overTLS(t testing.TB, mode dialling.TLSMode, version uint16, change ...func(*tls.Config)) func(*settings) {
	t.Helper()
	source, err := tlsterm.SelfSigned(t.TempDir(), []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := source.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: version, MaxVersion: version}
	for _, c := range change {
		c(server)
	}
	config := tlsterm.DefaultOrigin()
	config.ServerName, config.Roots = "127.0.0.1", x509.NewCertPool()
	config.Roots.AddCert(cert.Leaf)
	originator, err := tlsterm.NewOriginator(config)
	if err != nil {
		t.Fatal(err)
	}
	return func(s *settings) {
		s.upstreamTLS = server
		s.upstream.TLS = dialling.TLSConfig{Mode: mode, Originator: originator}
	}
}

// auth answers AUTH TLS.
func (v *visit) auth() {
	if v.upstream.tls == nil {
		v.reply("502 no TLS here")
		return
	}
	v.reply("234 go on")
	v.startTLS()
}

// startTLS makes the handshake on the control connection.
func (v *visit) startTLS() bool {
	conn := tls.Server(v.control, v.upstream.tls)
	v.mu.Lock()
	v.conn, v.reader = conn, bufio.NewReader(conn)
	v.mu.Unlock()
	return conn.Handshake() == nil
}

func (v *visit) protect(level string) {
	v.mu.Lock()
	v.private = level == "P"
	v.mu.Unlock()
	v.reply("200 " + level)
}

// A dataConn is a data connection as a server uses it.
type dataConn interface {
	net.Conn
	CloseWrite() error
}

// secured puts TLS over a data connection if that is agreed.
func (v *visit) secured(tcp *net.TCPConn) dataConn {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.private {
		return tcp
	}
	w := &wire{TCPConn: tcp}
	return &privateData{Conn: tls.Server(w, v.upstream.tls), wire: w}
}

// privateData is a data connection under TLS. Its handshake is made by the first
// Read or Write.
type privateData struct {
	*tls.Conn
	wire *wire
}

// errNoCloseNotify reports the end of a TLS connection that could be anybody's.
var errNoCloseNotify = errors.New("FIN without close_notify")

// CloseWrite says close_notify and FIN.
func (p *privateData) CloseWrite() error {
	if err := p.Conn.CloseWrite(); err != nil {
		return err
	}
	return p.wire.CloseWrite()
}
