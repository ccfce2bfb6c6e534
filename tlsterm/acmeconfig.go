package tlsterm

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// A Challenge is a way to prove control of a name to an authority (RFC 8555 §8).
type Challenge int

const (
	// HTTP01 answers a request to port 80 of the name (RFC 8555 §8.3).
	HTTP01 Challenge = iota
	// TLSALPN01 answers a TLS handshake on port 443 of the name (RFC 8737).
	TLSALPN01
	// DNS01 puts a record into the name's zone (RFC 8555 §8.4). It needs no port
	// that can be reached, and is the only one for wildcards.
	DNS01
)

// String returns the challenge's registered name.
func (c Challenge) String() string {
	switch c {
	case HTTP01:
		return "http-01"
	case TLSALPN01:
		return "tls-alpn-01"
	case DNS01:
		return "dns-01"
	default:
		return fmt.Sprintf("Challenge(%d)", int(c))
	}
}

// port is where an authority asks, whatever is configured here.
func (c Challenge) port() string {
	if c == TLSALPN01 {
		return "443"
	}
	return "80"
}

// The authorities that have a name of their own in configurations.
const (
	LetsEncrypt        = certmagic.LetsEncryptProductionCA
	LetsEncryptStaging = certmagic.LetsEncryptStagingCA
	ZeroSSL            = certmagic.ZeroSSLProductionCA
)

// EAB binds an ACME account to one that the authority's customer has already
// (RFC 8555 §7.3.4).
type EAB struct {
	KeyID  string
	MACKey Secret // base64url, as authorities hand it out
}

// A Solver puts the record of a challenge into a zone and takes it out again, see
// [RFC2136], [ExecSolver] and [Webhook].
type Solver = acmez.Solver

// ACMEConfig says which certificates are wanted, from whom, and how control of
// their names is proven.
type ACMEConfig struct {
	// Names get a certificate each: host names, wildcards and IP addresses. The
	// first serves clients that ask for no name.
	Names []string

	// Email is the account's contact; it may be empty.
	Email string

	// Directory is the URL of the authority's directory (RFC 8555 §7.1.1).
	Directory string

	// Roots vouch for the authority's own TLS certificate, see [Roots]; nil: the
	// system's.
	Roots *x509.CertPool

	// Challenge is how control is proven. No other way is tried.
	Challenge Challenge

	// Address is where HTTP01 or TLSALPN01 is answered, host:port or :port, from
	// Start to Close. The authority asks port 80 or 443 of the name: a different
	// port here has to be reached from there. Empty for TLSALPN01: implicit
	// listeners alone answer, see [Config].AnswerChallenges.
	Address string

	// DNS puts the records of DNS01 into the zone, see [RFC2136], [ExecSolver]
	// and [Webhook].
	DNS Solver

	// Profile is one of those that the authority's directory lists; empty: its
	// default.
	Profile string

	// EAB is needed by authorities that know their customers; nil: none.
	EAB *EAB
}

// Validate says, in one sentence, what is wrong with c.
func (c ACMEConfig) Validate() error {
	names, err := canonicalNames(c.Names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.provable(name); err != nil {
			return err
		}
	}
	if _, err := mail.ParseAddress(c.Email); c.Email != "" && err != nil {
		return fmt.Errorf("%q is no e-mail address", c.Email)
	}
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("the authority must be given as the https URL of its ACME directory")
	}
	if c.EAB != nil {
		if err := c.EAB.validate(); err != nil {
			return err
		}
	}
	return c.validateChallenge()
}

// provable refuses names that no authority can validate the given way.
func (c ACMEConfig) provable(name string) error {
	switch {
	case strings.HasPrefix(name, "*.") && c.Challenge != DNS01:
		return fmt.Errorf("%q is a wildcard, which can only be proven with dns-01, not with %v", name, c.Challenge)
	case net.ParseIP(name) != nil && c.Challenge == DNS01:
		return fmt.Errorf("%q is an IP address, which cannot be proven with dns-01: use http-01 or tls-alpn-01", name)
	}
	return nil
}

func (c ACMEConfig) validateChallenge() error {
	switch c.Challenge {
	case HTTP01:
		if c.Address == "" {
			return errors.New("http-01 needs an address to answer at, such as :80")
		}
	case TLSALPN01:
	case DNS01:
		if c.DNS == nil {
			return errors.New("dns-01 needs a way to put records into the zone: rfc2136, exec or webhook")
		}
		return nil
	default:
		return fmt.Errorf("%v is no challenge: it must be http-01, tls-alpn-01 or dns-01", c.Challenge)
	}
	if c.Address == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("%q is no address to answer %v at: it must be host:port or :port", c.Address, c.Challenge)
	}
	return nil
}

// validate does not quote the key: it is a secret.
func (e EAB) validate() error {
	if e.KeyID == "" {
		return errors.New("the external account's key ID is missing")
	}
	key := strings.TrimRight(e.MACKey.Reveal(), "=")
	if _, err := base64.RawURLEncoding.DecodeString(key); err != nil || key == "" {
		return errors.New("the external account's MAC key is not in base64url: give it as the authority shows it")
	}
	return nil
}

// reveal returns the account in the form the library wants, which is without
// padding.
func (e EAB) reveal() *acme.EAB {
	return &acme.EAB{KeyID: e.KeyID, MACKey: strings.TrimRight(e.MACKey.Reveal(), "=")}
}
