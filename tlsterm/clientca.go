package tlsterm

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ClientAuthorities are those whose certificates clients may show, and the
// certificates that they have revoked. They are kept in files and can be
// replaced while the program runs; see [ClientAuthorities.Reload].
type ClientAuthorities struct {
	caFile, crlFile string
	current         atomic.Pointer[trust]
	refused         atomic.Pointer[refusal] // the latest
}

// trust is what the files held.
type trust struct {
	marks      marks
	caPEM, crl []byte
	pool       *x509.CertPool
	lists      []*revocations // nil: nobody asks
}

// NewClientAuthorities reads the authorities from caFile, PEM, and what they
// have revoked from crlFile: certificate revocation lists, PEM or one in DER;
// empty for none. With lists, only clients of an authority that has one are
// accepted, and only until its next update is due: a revocation that is not
// known is none. A list that is overdue already lets nobody in, and
// [ClientAuthorities.Warning] says so.
func NewClientAuthorities(caFile, crlFile string) (*ClientAuthorities, error) {
	c := &ClientAuthorities{caFile: caFile, crlFile: crlFile}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again if they are not as they were. Files that would be
// refused at the start, and lists that are overdue while those in use are not, are
// refused, with one line that names the file, and those in use stay.
func (c *ClientAuthorities) Reload() (changed bool, err error) {
	old := c.current.Load()
	now, err := marksOf(c.caFile, c.crlFile)
	switch {
	case err != nil || old == nil:
	case old.marks.same(now):
		return false, nil
	default:
		if err := c.refused.Load().stands(now); err != nil {
			return false, err
		}
	}
	changed, err = c.read(old, now)
	c.refused.Store(&refusal{now, err})
	return changed, err
}

// read takes the files that have the marks in place of the old.
func (c *ClientAuthorities) read(old *trust, now marks) (changed bool, err error) {
	// Names that lead nowhere get their sentence from readFile.
	next := &trust{marks: now}
	next.caPEM, err = readFile("CA", c.caFile)
	if c.crlFile != "" {
		var crlErr error
		next.crl, crlErr = readFile("revocation list", c.crlFile)
		err = errors.Join(err, crlErr)
	}
	if err != nil {
		return false, err
	}
	if old != nil && bytes.Equal(old.caPEM, next.caPEM) && bytes.Equal(old.crl, next.crl) {
		next.pool, next.lists = old.pool, old.lists
		c.current.Store(next)
		return false, nil
	}
	authorities, err := parseRoots(c.caFile, next.caPEM)
	if err != nil {
		return false, err
	}
	next.pool = rootPool(authorities)
	if c.crlFile != "" {
		moment := time.Now()
		if next.lists, err = parseLists(next.crl, authorities); err == nil && old != nil && anyOverdue(old.lists, moment) == nil {
			err = anyOverdue(next.lists, moment)
		}
		if err != nil {
			return false, fmt.Errorf("revocation list file %s: %w", c.crlFile, err)
		}
	}
	c.current.Store(next)
	return true, nil
}

// Warning implements [Warner].
func (c *ClientAuthorities) Warning(now time.Time) string {
	if err := anyOverdue(c.current.Load().lists, now); err != nil {
		return fmt.Sprintf("revocation list file %s: %v; until then clients of this authority are refused", c.crlFile, err)
	}
	return ""
}

// checkRevoked accepts a client for whom one chain holds: no certificate in it
// is revoked, and the client's own issuer has a list that says so.
func (t *trust) checkRevoked(chains [][]*x509.Certificate) error {
	if t.lists == nil {
		return nil
	}
	err := fmt.Errorf("%w: it was not verified", ErrClientCertificate)
	for _, chain := range chains {
		if err = t.checkChain(chain); err == nil {
			return nil
		}
	}
	return err
}

func (t *trust) checkChain(chain []*x509.Certificate) error {
	if len(chain) == 1 {
		chain = append(chain, chain[0]) // trusted by itself, it is its own issuer
	}
	for i := range len(chain) - 1 {
		known, err := t.checkIssued(chain[i], chain[i+1])
		if err != nil {
			return err
		}
		if i == 0 && !known {
			return t.noList(chain[1])
		}
	}
	return nil
}

// noList says that issuer has no list, or what is wrong with the one it has.
func (t *trust) noList(issuer *x509.Certificate) error {
	err := fmt.Errorf("%w: there is no current revocation list of its issuer %s", ErrClientCertificate, issuer.Subject)
	for _, r := range t.lists {
		if bytes.Equal(r.list.RawIssuer, issuer.RawSubject) && r.overdue(time.Now()) {
			err = fmt.Errorf("%w: the latest should have been updated by %s", err, stamp(r.list.NextUpdate))
		}
	}
	return err
}

// checkIssued looks cert up in the lists of its issuer. A list counts when the
// issuer has signed it: names can be the same.
func (t *trust) checkIssued(cert, issuer *x509.Certificate) (known bool, err error) {
	for _, r := range t.lists {
		if r.overdue(time.Now()) || !r.isOf(issuer) {
			continue
		}
		if r.serials[cert.SerialNumber.String()] {
			return true, fmt.Errorf("%w: %s has revoked it (serial number %x)", ErrClientCertificate, issuer.Subject, cert.SerialNumber)
		}
		known = true
	}
	return known, nil
}
