package tlsterm

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// ClientAuthorities are those whose certificates clients may show, and the
// certificates that they have revoked. They are kept in files and can be
// replaced while the program runs; see [ClientAuthorities.Reload].
type ClientAuthorities struct {
	caFile, crlFile string
	current         atomic.Pointer[trust]
}

// trust is what the files held.
type trust struct {
	marks      marks
	caPEM, crl []byte
	pool       *x509.CertPool
	lists      []revocations // nil: nobody asks
}

// revocations is a list of one authority (RFC 5280 §5).
type revocations struct {
	list    *x509.RevocationList
	serials map[string]bool
}

// NewClientAuthorities reads the authorities from caFile, PEM, and what they
// have revoked from crlFile: certificate revocation lists, PEM or one in DER;
// empty for none. With lists, only clients of an authority that has one are
// accepted, and only until its next update is due: a revocation that is not
// known is none.
func NewClientAuthorities(caFile, crlFile string) (*ClientAuthorities, error) {
	c := &ClientAuthorities{caFile: caFile, crlFile: crlFile}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again if they are not as they were. Files that would be
// refused at the start are refused now, with one line that names the file, and
// those in use stay.
func (c *ClientAuthorities) Reload() (changed bool, err error) {
	old := c.current.Load()
	now, err := marksOf(c.caFile, c.crlFile)
	if err == nil && old != nil && old.marks.same(now) {
		return false, nil
	}
	// Names that lead nowhere get their sentence from readFile.
	next := &trust{marks: now}
	if next.caPEM, err = readFile("CA", c.caFile); err != nil {
		return false, err
	}
	if c.crlFile != "" {
		if next.crl, err = readFile("revocation list", c.crlFile); err != nil {
			return false, err
		}
	}
	if old != nil && bytes.Equal(old.caPEM, next.caPEM) && bytes.Equal(old.crl, next.crl) {
		next.pool, next.lists = old.pool, old.lists
		c.current.Store(next)
		return false, nil
	}
	if next.pool, err = parseRoots(c.caFile, next.caPEM); err != nil {
		return false, err
	}
	if c.crlFile != "" {
		if next.lists, err = parseLists(next.crl); err != nil {
			return false, fmt.Errorf("revocation list file %s: %w", c.crlFile, err)
		}
	}
	c.current.Store(next)
	return true, nil
}

// parseLists reads revocation lists. One whose next update is overdue is
// refused: fetch it again.
func parseLists(data []byte) ([]revocations, error) {
	ders := [][]byte{data}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		ders = nil
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "X509 CRL" {
				ders = append(ders, block.Bytes)
			}
		}
		if begun := bytes.Count(data, []byte("-----BEGIN X509 CRL-----")); begun != len(ders) {
			return nil, fmt.Errorf("of %d lists only %d can be read: the others are damaged", begun, len(ders))
		}
	}
	var lists []revocations
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("list %d cannot be read: %w", len(lists)+1, err)
		}
		if overdue(list) {
			return nil, fmt.Errorf("the list of %s should have been updated by %s: fetch it again",
				list.Issuer, list.NextUpdate.UTC().Format(time.RFC3339))
		}
		if id := partOfAll(list); id != nil {
			return nil, fmt.Errorf("the list of %s (critical extension %v) does not name by itself all that is revoked: give the full list, no delta and no indirect one",
				list.Issuer, id)
		}
		r := revocations{list: list, serials: make(map[string]bool, len(list.RevokedCertificateEntries))}
		for _, entry := range list.RevokedCertificateEntries {
			r.serials[entry.SerialNumber.String()] = true
		}
		lists = append(lists, r)
	}
	if len(lists) == 0 {
		return nil, errors.New("holds no list: give a PEM file with an X509 CRL block, or DER")
	}
	return lists, nil
}

// partOfAll returns the critical extension, of the list or of an entry, by which
// the list is about other certificates than its issuer's or is only a part of a
// list: it must not be used (RFC 5280 §5.2, §5.3). nil: there is none.
func partOfAll(list *x509.RevocationList) asn1.ObjectIdentifier {
	for _, e := range list.Extensions {
		if e.Critical && !coversClients(e) {
			return e.Id
		}
	}
	for _, entry := range list.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical {
				return e.Id
			}
		}
	}
	return nil
}

// coversClients accepts an issuing distribution point (RFC 5280 §5.2.5) that says
// at most where the list is published and that it is about no authorities.
func coversClients(e pkix.Extension) bool {
	var parts []asn1.RawValue
	rest, err := asn1.Unmarshal(e.Value, &parts)
	if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 28}) || err != nil || len(rest) > 0 {
		return false
	}
	return !slices.ContainsFunc(parts, func(p asn1.RawValue) bool { return p.Tag > 1 })
}

func overdue(list *x509.RevocationList) bool {
	return !list.NextUpdate.IsZero() && time.Now().After(list.NextUpdate)
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
			return fmt.Errorf("%w: there is no current revocation list of its issuer %s", ErrClientCertificate, chain[1].Subject)
		}
	}
	return nil
}

// checkIssued looks cert up in the lists of its issuer. A list counts when the
// issuer has signed it: names can be the same.
func (t *trust) checkIssued(cert, issuer *x509.Certificate) (known bool, err error) {
	for _, r := range t.lists {
		if !bytes.Equal(r.list.RawIssuer, issuer.RawSubject) || overdue(r.list) || r.list.CheckSignatureFrom(issuer) != nil {
			continue
		}
		if r.serials[cert.SerialNumber.String()] {
			return true, fmt.Errorf("%w: %s has revoked it (serial number %x)", ErrClientCertificate, issuer.Subject, cert.SerialNumber)
		}
		known = true
	}
	return known, nil
}
