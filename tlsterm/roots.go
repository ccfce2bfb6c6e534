package tlsterm

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// Roots reads the authorities that may vouch for an upstream from a PEM file. A
// self-signed certificate is its own authority. A file that cannot be read, has
// no certificate, or has one that cannot be understood is refused with one line
// that names it: left out, it would be missed only when a handshake fails.
//
// Dates are not looked at: in a bundle one certificate may have expired, and
// what it vouches for fails with a clear error.
func Roots(caFile string) (*x509.CertPool, error) {
	data, err := readFile("CA", caFile)
	if err != nil {
		return nil, err
	}
	certs, err := parseRoots(caFile, data)
	if err != nil {
		return nil, err
	}
	return rootPool(certs), nil
}

func rootPool(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool
}

func parseRoots(caFile string, data []byte) ([]*x509.Certificate, error) {
	var seen []string
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		seen = append(seen, block.Type)
		if block.Type != "CERTIFICATE" {
			continue // a key, say: no concern of ours
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("CA file %s: PEM block %d is no certificate: %w", caFile, len(seen), err)
		}
		certs = append(certs, cert)
	}
	// A block that is cut short or not base64 is passed over by the decoder.
	if begun := bytes.Count(data, []byte("-----BEGIN ")); begun != len(seen) {
		return nil, fmt.Errorf("CA file %s: of %d PEM blocks only %d can be read: the others are damaged",
			caFile, begun, len(seen))
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("CA file %s: %w", caFile, lacksBlock(seen, "CERTIFICATE"))
	}
	return certs, nil
}
