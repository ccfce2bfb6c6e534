package configs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// CertificateState is where one certificate stands, for people. Times are zero
// where there are none.
type CertificateState struct {
	Block string // the name of its certificate block
	Names []string
	// Source says where it comes from.
	Source  string
	Issuer  string
	Expires time.Time
	// Renewal is when it is going to be replaced by itself.
	Renewal time.Time
	// Note says why there is none.
	Note string
}

// CertificateStates lists every certificate of the configuration. It reads files
// and the storage, asks nobody and makes nothing.
func (s *Settings) CertificateStates(ctx context.Context) ([]CertificateState, Diagnostics) {
	b := builder{settings: s, sources: map[string]tlsterm.Source{}}
	b.orders()
	var states []CertificateState
	for _, c := range s.Certificates {
		switch {
		case c.Files != nil:
			states = append(states, c.fileState())
		case c.SelfSigned != nil:
			states = append(states, s.selfSignedState(c))
		default:
			states = append(states, acmeStates(ctx, c, b.ordered)...)
		}
	}
	return states, newDiagnostics(b.diags, s.sources)
}

func (c Certificate) fileState() CertificateState {
	state := CertificateState{Block: c.Name, Source: "files " + c.Files.Cert}
	source, err := tlsterm.Files(c.Files.Cert, c.Files.Key)
	if err != nil {
		state.Note = err.Error()
		return state
	}
	cert, err := source.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		state.Note = err.Error()
		return state
	}
	state.describe(cert.Leaf)
	switch now := time.Now(); {
	case now.After(cert.Leaf.NotAfter):
		state.Note = "expired"
	case now.Before(cert.Leaf.NotBefore):
		state.Note = "not valid yet"
	}
	return state
}

func (s *Settings) selfSignedState(c Certificate) CertificateState {
	state := CertificateState{Block: c.Name, Names: c.SelfSigned.Names, Source: "self-signed"}
	cert := tlsterm.FindSelfSigned(s.selfSignedDir(c.Name), c.SelfSigned.Names)
	if cert == nil {
		state.Note = "made at the next start"
		return state
	}
	state.describe(cert.Leaf)
	return state
}

func acmeStates(ctx context.Context, c Certificate, ordered []Ordered) []CertificateState {
	i := slices.IndexFunc(ordered, func(o Ordered) bool { return o.Name == c.Name })
	if i < 0 {
		return nil // its diagnostic says why
	}
	var states []CertificateState
	for _, a := range ordered[i].ACME.Status(ctx) {
		state := CertificateState{
			Block: c.Name, Names: []string{a.Name}, Source: fmt.Sprintf("acme %s, %v", a.Authority, a.Challenge),
			Issuer: a.Issuer, Expires: a.Expires, Renewal: a.Renewal,
		}
		switch {
		case a.Unreadable != "":
			state.Note = a.Unreadable
		case !a.Ready():
			state.Note = "not obtained yet"
		case time.Now().After(a.Expires):
			state.Note = "expired"
		}
		states = append(states, state)
	}
	return states
}

// describe takes names, issuer and expiry from a certificate.
func (s *CertificateState) describe(leaf *x509.Certificate) {
	s.Names = slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		s.Names = append(s.Names, ip.String())
	}
	if len(s.Names) == 0 {
		s.Names = []string{leaf.Subject.CommonName}
	}
	s.Issuer, s.Expires = leaf.Issuer.String(), leaf.NotAfter
}

// Orders lists what there is to order for a certificate block, or for a name in
// one: the blocks and the names in them. Known lists what may be asked for.
func Orders(ordered []Ordered, wanted string) (found []Order, known []string) {
	for _, o := range ordered {
		names := o.ACME.Names()
		known = append(append(known, o.Name), names...)
		for _, name := range names {
			if o.Name == wanted || strings.EqualFold(name, wanted) {
				found = append(found, Order{ACME: o.ACME, Name: name})
			}
		}
	}
	slices.Sort(known)
	return found, slices.Compact(known)
}

// Order is one certificate that can be ordered.
type Order struct {
	ACME *tlsterm.ACME
	Name string
}
