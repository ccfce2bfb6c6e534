package tlsterm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrNoCertificate is returned by a [Source] that has no certificate yet.
var ErrNoCertificate = errors.New("no certificate yet")

// A Source yields the certificate for a hello. It is asked once per control
// connection; the session's data connections then show the same certificate,
// even if the source has a newer one (RFC 4217 §15.1.1).
//
// Certificate must be quick and safe for concurrent use. It returns
// [ErrNoCertificate] while there is none. Of hello only ServerName is always
// there, and it is often empty: many FTP clients send no SNI. Callers leave the
// certificate they get unchanged.
type Source interface {
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
}

// A Reloader is a [Source] that can be told to look for a newer certificate.
// The sources made by [Files] are, and those made by [Select] from them.
//
// Reload says whether another certificate is served from now on. After an error
// the one that was served before still is.
type Reloader interface {
	Source
	Reload() (changed bool, err error)
}

// Select returns a source that chooses among several by the name the client
// asks for. The first that has a certificate serves clients that ask for no
// name, or for one that no certificate covers. One that is out of date comes
// behind all others that would do.
func Select(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	return selection(sources)
}

type selection []Source

func (s selection) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	var best *tls.Certificate
	var rank int
	now := time.Now()
	for _, src := range s {
		cert, err := src.Certificate(hello)
		if errors.Is(err, ErrNoCertificate) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r := suits(cert, hello, now); r > rank {
			best, rank = cert, r
		}
	}
	if best == nil {
		return nil, ErrNoCertificate
	}
	return best, nil
}

// suits ranks a certificate among those for a hello; the first of two alike is
// taken. Of two for one name, say RSA and ECDSA, an old client may be able to
// verify only one.
func suits(cert *tls.Certificate, hello *tls.ClientHelloInfo, now time.Time) int {
	leaf, err := leafOf(cert)
	if err != nil {
		return 1
	}
	rank := 1
	if validNow(leaf, now) {
		rank++
	}
	if leaf.VerifyHostname(hello.ServerName) != nil {
		return rank
	}
	rank += 2
	if hello.SupportsCertificate(cert) == nil {
		rank += 2
	}
	return rank
}

// A challengeSource answers the challenge tls-alpn-01 for its certificates, or
// returns nil.
type challengeSource interface {
	challenge(hello *tls.ClientHelloInfo) *tls.Certificate
}

func (s selection) challenge(hello *tls.ClientHelloInfo) *tls.Certificate {
	for _, src := range s {
		if c, ok := src.(challengeSource); ok {
			if cert := c.challenge(hello); cert != nil {
				return cert
			}
		}
	}
	return nil
}

// Reload reloads every source that can be, whatever happens to the others.
func (s selection) Reload() (changed bool, err error) {
	var errs []error
	for _, src := range s {
		r, ok := src.(Reloader)
		if !ok {
			continue
		}
		c, err := r.Reload()
		changed = changed || c
		errs = append(errs, err)
	}
	return changed, errors.Join(errs...)
}

// covers reports whether cert is valid for host, a name or the text of an IP
// address.
func covers(cert *tls.Certificate, host string) bool {
	leaf, err := leafOf(cert)
	return err == nil && leaf.VerifyHostname(host) == nil
}

// leafOf returns the certificate proper, parsed.
func leafOf(cert *tls.Certificate) (*x509.Certificate, error) {
	if cert.Leaf != nil {
		return cert.Leaf, nil
	}
	if len(cert.Certificate) == 0 {
		return nil, errors.New("an empty certificate chain")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	return leaf, nil
}
