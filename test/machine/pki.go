package machine

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A PKI is an authority and one certificate of it for the loopback addresses,
// as files in PEM.
type PKI struct{ CA, Cert, Key string }

// NewPKI makes one with new keys. It is gone with the test.
func NewPKI(t testing.TB) PKI {
	t.Helper()
	dir := t.TempDir()
	p := PKI{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	authority := template(1, "Test authority")
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	leaf := template(2, "localhost")
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}

	signer, own := newKey(t), newKey(t)
	WritePEM(t, p.CA, "CERTIFICATE", sign(t, authority, authority, signer.Public(), signer))
	WritePEM(t, p.Cert, "CERTIFICATE", sign(t, leaf, authority, own.Public(), signer))
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	WritePEM(t, p.Key, "PRIVATE KEY", der)
	return p
}

// Pool trusts the authority alone.
func (p PKI) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	if pem, err := os.ReadFile(p.CA); err == nil {
		pool.AppendCertsFromPEM(pem)
	}
	return pool
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, cert, issuer *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, issuer, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// WritePEM writes one block of PEM into a file.
func WritePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
