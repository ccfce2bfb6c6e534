package tlsterm

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// ErrPin reports a server that has none of the pinned keys.
var ErrPin = errors.New("the server has none of the pinned keys")

// A Pin is the SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 §2.4).
type Pin [sha256.Size]byte

// ParsePin reads a pin in the form of [Pin.String]. The error tells how to make
// one.
func ParsePin(text string) (Pin, error) {
	var p Pin
	// The decoder skips line breaks; with the exact length there is no room for
	// any. Strict, so that every pin has one spelling.
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(der) != len(p) || len(text) != base64.StdEncoding.EncodedLen(len(p)) {
		return Pin{}, fmt.Errorf("%q is no pin: it must be 44 characters of base64, as printed by: "+
			"openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der | "+
			"openssl dgst -sha256 -binary | base64", text)
	}
	return Pin(der), nil
}

// String returns the pin as base64, with padding: 44 characters.
func (p Pin) String() string { return base64.StdEncoding.EncodeToString(p[:]) }

func pinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// checkPins looks for a pinned key. See [tls.Config.VerifyConnection], which is
// called after a certificate has been verified, and also when a session is
// resumed.
func (c OriginConfig) checkPins(cs tls.ConnectionState) error {
	if len(c.Pins) == 0 {
		return nil
	}
	// In a chain that nobody has verified anything may stand: only the key of
	// the first certificate has signed the handshake.
	certs := cs.PeerCertificates[:1]
	if !c.SkipVerify {
		certs = slices.Concat(cs.VerifiedChains...)
	}
	if slices.ContainsFunc(certs, func(cert *x509.Certificate) bool {
		return slices.Contains(c.Pins, pinOf(cert))
	}) {
		return nil
	}
	return fmt.Errorf("%w: its certificate has %v", ErrPin, pinOf(cs.PeerCertificates[0]))
}
