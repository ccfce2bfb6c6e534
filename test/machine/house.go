package machine

import (
	"crypto/ecdsa"
	"crypto/x509"
	"path/filepath"
	"testing"
)

// A House is an authority that issues certificates for clients.
type House struct {
	CA string // the PEM file with its own certificate

	cert   *x509.Certificate
	signer *ecdsa.PrivateKey
}

// NewHouse makes one with a new key. It is gone with the test.
func NewHouse(t testing.TB) House {
	t.Helper()
	h := House{CA: filepath.Join(t.TempDir(), "clients.pem"), cert: template(1, "Clients of the house"), signer: newKey(t)}
	h.cert.IsCA, h.cert.KeyUsage = true, x509.KeyUsageCertSign
	WritePEM(t, h.CA, "CERTIFICATE", sign(t, h.cert, h.cert, h.signer.Public(), h.signer))
	return h
}

// Issue returns the PEM files of a certificate for a client of that common name,
// and of its key.
func (h House) Issue(t testing.TB, name string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	leaf, own := template(2, name), newKey(t)
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	WritePEM(t, cert, "CERTIFICATE", sign(t, leaf, h.cert, own.Public(), h.signer))
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	WritePEM(t, key, "PRIVATE KEY", der)
	return cert, key
}
