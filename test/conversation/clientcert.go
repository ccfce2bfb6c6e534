package conversation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// LoginPassword is what the upstream gets for a client whose certificate is its
// login.
const LoginPassword = "battery-staple"

// ClientCertificateSettings say what the listener does with clients'
// certificates. The zero value: they are not asked for.
type ClientCertificateSettings struct {
	Asked bool
	Login proxy.ClientLogin
}

// A clientIssuer issues the certificates that clients show.
type clientIssuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newClientIssuer() (*clientIssuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Clients"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	i := &clientIssuer{key: key}
	i.cert, err = i.sign(template, template, key)
	return i, err
}

func (i *clientIssuer) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), i.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// issue returns a certificate for name, and for its e-mail address and host in
// example.com.
func (i *clientIssuer) issue(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := i.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		EmailAddresses: []string{name + "@example.com", name + "@example.org"},
		DNSNames:       []string{name + ".example.com"},
	}, i.cert, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// ask makes the listener ask for certificates of this issuer. A file for it is
// kept in dir.
func (i *clientIssuer) ask(dir string, s ClientCertificateSettings, l *proxy.ListenerConfig, c *tlsterm.Config) error {
	if !s.Asked {
		return nil
	}
	f, err := os.CreateTemp(dir, "clients-*.pem")
	if err != nil {
		return err
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw}), f.Close())
	if err != nil {
		return err
	}
	authorities, err := tlsterm.NewClientAuthorities(filepath.Clean(f.Name()), "")
	if err != nil {
		return err
	}
	login := s.Login
	login.Password = tlsterm.NewSecret(LoginPassword)
	l.TLS.Clients = &login
	c.Clients = &tlsterm.ClientCertificates{Required: login.Required, Authorities: authorities}
	return nil
}
