package tlsterm

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrClientCertificate reports a client whose certificate was issued by one of
// the authorities and is refused all the same: it is revoked, or a data
// connection shows another than the control connection did (RFC 4217 §15.1.2
// leaves that to the server).
var ErrClientCertificate = errors.New("the client's certificate is refused")

// ClientCertificates asks clients to show who they are, on control and data
// connections.
type ClientCertificates struct {
	// Required refuses clients that have none. Otherwise they may go without.
	Required bool
	// Authorities issue the certificates that are accepted.
	Authorities *ClientAuthorities
}

// ask makes the handshake of a ask for a certificate and judge it.
func (c ClientCertificates) ask(a *attempt) {
	trusted := c.Authorities.current.Load()
	a.config.ClientCAs = trusted.pool
	a.config.ClientAuth = tls.VerifyClientCertIfGiven
	if c.Required {
		a.config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	// Called after verification, and also when a session is resumed.
	a.config.VerifyConnection = func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) > 0 {
			if err := trusted.checkRevoked(cs.VerifiedChains); err != nil {
				return err
			}
		}
		return a.identify(cs)
	}
}

// identify takes the client's identity from a control connection, and holds a
// data connection to it.
func (a *attempt) identify(cs tls.ConnectionState) error {
	var shown clientIdentity
	if len(cs.PeerCertificates) > 0 {
		shown.cert = cs.PeerCertificates[0]
	}
	if a.kind == kindControl {
		a.client = shown
		return nil
	}
	if !a.client.same(shown) {
		return fmt.Errorf("%w: the data connection shows another than the control connection", ErrClientCertificate)
	}
	return nil
}

// A clientIdentity is the certificate a client has shown, or that it has none.
type clientIdentity struct{ cert *x509.Certificate }

func (c clientIdentity) same(other clientIdentity) bool {
	if c.cert == nil || other.cert == nil {
		return c.cert == other.cert
	}
	return bytes.Equal(c.cert.Raw, other.cert.Raw)
}

// A ClientCertificate is what a verified certificate says about a client. The
// zero value is that of a client without one.
type ClientCertificate struct {
	Subject    string   // RFC 4514 form
	CommonName string   // empty when the subject has none, or several
	Emails     []string // of the subject alternative name
	DNSNames   []string // of the subject alternative name
	Serial     string   // hexadecimal, lower case
	Issuer     string   // RFC 4514 form
	SHA256     string   // of the whole certificate; hexadecimal, lower case
}

// Present reports whether there is a certificate.
func (c ClientCertificate) Present() bool { return c.SHA256 != "" }

func (c clientIdentity) facts() ClientCertificate {
	if c.cert == nil {
		return ClientCertificate{}
	}
	sum := sha256.Sum256(c.cert.Raw)
	return ClientCertificate{
		Subject:    c.cert.Subject.String(),
		CommonName: commonName(c.cert),
		Emails:     c.cert.EmailAddresses,
		DNSNames:   c.cert.DNSNames,
		Serial:     fmt.Sprintf("%x", c.cert.SerialNumber),
		Issuer:     c.cert.Issuer.String(),
		SHA256:     hex.EncodeToString(sum[:]),
	}
}

// commonName returns the subject's common name. Of several, an authority may
// have checked one and we would believe the other: then there is none.
func commonName(cert *x509.Certificate) string {
	oid := asn1.ObjectIdentifier{2, 5, 4, 3} // RFC 4519 §2.3
	var found []string
	for _, attribute := range cert.Subject.Names {
		if text, ok := attribute.Value.(string); ok && attribute.Type.Equal(oid) {
			found = append(found, text)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// A NameFrom says which part of a certificate holds user names.
type NameFrom int

// NameFromNothing is the zero value: a certificate speaks for nobody.
const (
	NameFromNothing NameFrom = iota
	NameFromCommonName
	NameFromEmail
	NameFromDNS
)

// maxName bounds a user name; longer ones are not in use anywhere.
const maxName = 255

// Names returns the user names that the certificate speaks for. What could not
// stand in a line of FTP is no name, whoever signed it: it would become a second
// command.
func (c ClientCertificate) Names(from NameFrom) []string {
	var candidates []string
	switch from {
	case NameFromCommonName:
		candidates = []string{c.CommonName}
	case NameFromEmail:
		candidates = c.Emails
	case NameFromDNS:
		candidates = c.DNSNames
	case NameFromNothing:
	}
	var names []string
	for _, name := range candidates {
		if name != "" && len(name) <= maxName && !strings.ContainsFunc(name, isControl) {
			names = append(names, name)
		}
	}
	return names
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
