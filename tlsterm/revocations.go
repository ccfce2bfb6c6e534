package tlsterm

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// revocations is a list of one authority (RFC 5280 §5).
type revocations struct {
	list    *x509.RevocationList
	serials map[string]bool

	mu sync.Mutex
	// signers are certificates of the authority under which the signature has
	// been found good: a large list takes long to verify, and whoever connects
	// would have it done.
	signers map[[sha256.Size]byte]bool
}

// maxSigners bounds the certificates that one authority may have.
const maxSigners = 16

// isOf reports whether issuer has signed the list.
func (r *revocations) isOf(issuer *x509.Certificate) bool {
	if !bytes.Equal(r.list.RawIssuer, issuer.RawSubject) {
		return false
	}
	sum := sha256.Sum256(issuer.Raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.signers[sum] {
		return true
	}
	if r.list.CheckSignatureFrom(issuer) != nil {
		return false
	}
	if len(r.signers) < maxSigners {
		r.signers[sum] = true
	}
	return true
}

func (r *revocations) overdue(now time.Time) bool { return now.After(r.list.NextUpdate) }

func anyOverdue(lists []*revocations, now time.Time) error {
	for _, r := range lists {
		if r.overdue(now) {
			return fmt.Errorf("the list of %s should have been updated by %s: fetch it again", r.list.Issuer, stamp(r.list.NextUpdate))
		}
	}
	return nil
}

// parseLists reads revocation lists, of those authorities or of others below
// them.
func parseLists(data []byte, authorities []*x509.Certificate) ([]*revocations, error) {
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
	var lists []*revocations
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("list %d cannot be read: %w", len(lists)+1, err)
		}
		r, err := newRevocations(list, authorities)
		if err != nil {
			return nil, fmt.Errorf("the list of %s %w", list.Issuer, err)
		}
		lists = append(lists, r)
	}
	if len(lists) == 0 {
		return nil, errors.New("holds no list: give a PEM file with an X509 CRL block, or DER")
	}
	return lists, nil
}

// newRevocations refuses a list on which nobody can rely.
func newRevocations(list *x509.RevocationList, authorities []*x509.Certificate) (*revocations, error) {
	if list.NextUpdate.IsZero() {
		return nil, errors.New("does not say when the next one is due (RFC 5280 §5.1.2.5): one that is good for ever would hide every later revocation")
	}
	if id := partOfAll(list); id != nil {
		return nil, fmt.Errorf("(critical extension %v) does not name by itself all that is revoked: give the full list, no delta and no indirect one", id)
	}
	r := &revocations{list: list, serials: make(map[string]bool, len(list.RevokedCertificateEntries)), signers: map[[sha256.Size]byte]bool{}}
	for _, entry := range list.RevokedCertificateEntries {
		r.serials[entry.SerialNumber.String()] = true
	}
	named := false
	for _, authority := range authorities {
		if r.isOf(authority) {
			return r, nil
		}
		named = named || bytes.Equal(list.RawIssuer, authority.RawSubject)
	}
	if named {
		return nil, errors.New("is not signed by the authority of that name in the CA file, or that authority may sign no lists")
	}
	return r, nil // of an authority below them, whose certificate clients show
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
