package conversation

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// An Upstream is what the subject is to stand in front of.
type Upstream struct {
	Addr netip.AddrPort
	// Name is the host that its certificate speaks for, and Roots what vouches
	// for it.
	Name  string
	Roots *x509.CertPool
}

// upstreamName is in no certificate of the proxy's, and an address is in none of
// the upstream's: whoever is verified by the wrong name is found out.
const upstreamName = "upstream.example.com"

// A secrecy is the upstream's TLS. Control and data connections go by one
// configuration, so that the ones resume the others.
type secrecy struct {
	usual *tls.Config
	// somebodyElse shows a certificate for another name, of the same authority
	// and valid for the addresses that are dialled.
	somebodyElse *tls.Config
	roots        *x509.CertPool
}

func newSecrecy(maxVersion uint16) (*secrecy, error) {
	s := &secrecy{roots: x509.NewCertPool()}
	own, err := s.certificate(upstreamName)
	if err != nil {
		return nil, err
	}
	other, err := s.certificate("other.example.com", net.IPv4(127, 0, 0, 1), net.IPv6loopback)
	if err != nil {
		return nil, err
	}
	s.usual = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, MaxVersion: maxVersion}
	s.somebodyElse = s.usual.Clone()
	s.somebodyElse.Certificates = []tls.Certificate{other}
	s.somebodyElse.SessionTicketsDisabled = true // what is resumed shows no certificate
	return s, nil
}

// certificate makes one that is its own authority, and trusts it.
func (s *secrecy) certificate(name string, addresses ...net.IP) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		IPAddresses:  addresses,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	s.roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// unresumed is the usual configuration for a connection that resumes nothing.
func (s *secrecy) unresumed() *tls.Config {
	cfg := s.usual.Clone()
	cfg.SessionTicketsDisabled = true
	return cfg
}

// serveTLS makes the handshake as TLS server.
func (c *control) serveTLS(cfg *tls.Config) error {
	if n := c.reader.Buffered(); n > 0 {
		return fmt.Errorf("%d bytes in front of the handshake", n)
	}
	record := newRecordConn(c.tcp)
	return c.shakeHands(record, tls.Server(record, cfg))
}

// isAlert tells whether the peer has sent a fatal alert. crypto/tls has no type
// for it outside QUIC.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isRefusedTLS wants the proxy to refuse the handshake.
func (c *control) isRefusedTLS(cfg *tls.Config) error {
	if err := c.startTLS(cfg); !isAlert(err) {
		return errors.Join(errors.New("the proxy does not refuse the handshake"), err)
	}
	c.over = true
	return c.tcp.Close()
}

// failTLS wants the proxy to give the handshake up.
func (c *control) failTLS(cfg *tls.Config) error {
	err := c.serveTLS(cfg)
	if err == nil {
		// In TLS 1.3 this side is done before the proxy's alert is there.
		if _, err = c.reader.ReadByte(); !isAlert(err) && !errors.Is(err, syscall.ECONNRESET) {
			return errors.Join(errors.New("the handshake has succeeded"), err)
		}
	}
	if isTimeout(err) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	c.over, c.ended = true, true
	return c.tcp.Close()
}

func (c *control) shakeHands(record *recordConn, conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	c.record, c.conn = record, conn
	c.reader.Reset(conn)
	return nil
}

// serveTLS awaits the proxy's hello in the background: it comes when the proxy
// sees fit, after 150.
func (l *leg) serveTLS(cfg *tls.Config) error {
	if l.tcp == nil {
		return errNoData
	}
	l.record = newRecordConn(l.tcp)
	conn := tls.Server(l.record, cfg)
	l.conn = conn
	l.pending = make(chan error, 1)
	go l.handshake(conn, l.pending)
	return nil
}

func (l *leg) isInTLS() error {
	if l.record == nil {
		return errors.New("no handshake has started")
	}
	return l.settle()
}

// hasResumed waits for the handshake and wants the session to have been resumed,
// or not.
func (l *leg) hasResumed(want bool) error {
	if err := l.isInTLS(); err != nil {
		return err
	}
	switch resumed := l.conn.(*tls.Conn).ConnectionState().DidResume; {
	case resumed == want:
		return nil
	case resumed:
		return errors.New("the session was resumed")
	default:
		return errors.New("the handshake was a full one")
	}
}

// breakTLS ends the connection with a fatal alert. crypto/tls has no call for
// that: it is given a record that nobody has sent, cannot decrypt it, and says
// bad_record_mac to its peer.
func (l *leg) breakTLS() error {
	if err := l.isInTLS(); err != nil {
		return err
	}
	l.record.forge()
	if err := l.conn.SetReadDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	for buf := make([]byte, 16<<10); ; {
		_, err := l.conn.Read(buf)
		switch {
		case err == nil:
			continue
		case !l.record.forged:
			return fmt.Errorf("no alert was sent: %w", heardError(nil, err))
		}
		l.broken = true
		if err := l.cutOff(); !errors.Is(err, syscall.ENOTCONN) {
			return err
		}
		return nil // the alert has had its effect already: a reset
	}
}

// drain wants the connection to be closed after whatever was on its way.
func (l *leg) drain() error {
	if err := l.tcp.SetReadDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, l.tcp); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return heardError(nil, err)
	}
	return l.drop()
}
