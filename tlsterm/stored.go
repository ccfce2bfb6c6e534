package tlsterm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// acmeChallenge is what a solver is given.
type acmeChallenge = acme.Challenge

// stored is a certificate in the storage.
type stored struct {
	cert *tls.Certificate
	ari  acme.RenewalInfo
}

// errDamaged reports files in the storage that do not belong together.
var errDamaged = errors.New("damaged certificate in the storage")

// repair removes files that do not belong together: a process has ended between
// the writing of one and of the next. certmagic would complain of them for ever.
// Under the lock of orders nobody is writing.
func (k *steward) repair(ctx context.Context) error {
	if _, err := k.stored(ctx); !errors.Is(err, errDamaged) {
		return nil
	}
	s := k.acme.env.Storage
	lock := "issue_cert_" + k.name // as certmagic names it
	if err := s.Lock(ctx, lock); err != nil {
		return err
	}
	defer func() { _ = s.Unlock(context.WithoutCancel(ctx), lock) }() // a process that ends lets go as well
	if _, err := k.stored(ctx); !errors.Is(err, errDamaged) {
		return nil
	}
	k.step("a damaged certificate is removed from the storage")
	authority := (&certmagic.ACMEIssuer{CA: k.acme.cfg.Directory}).IssuerKey()
	return errors.Join(
		s.Delete(ctx, certmagic.StorageKeys.SiteMeta(authority, k.name)),
		s.Delete(ctx, certmagic.StorageKeys.SiteCert(authority, k.name)),
		s.Delete(ctx, certmagic.StorageKeys.SitePrivateKey(authority, k.name)),
	)
}

// stored reads the certificate without asking anybody.
func (k *steward) stored(ctx context.Context) (stored, error) {
	s := k.acme.env.Storage
	authority := (&certmagic.ACMEIssuer{CA: k.acme.cfg.Directory}).IssuerKey()
	certPEM, err := s.Load(ctx, certmagic.StorageKeys.SiteCert(authority, k.name))
	if err != nil {
		return stored{}, err
	}
	keyPEM, err := s.Load(ctx, certmagic.StorageKeys.SitePrivateKey(authority, k.name))
	if err != nil {
		return stored{}, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return stored{}, fmt.Errorf("%w for %s: %w", errDamaged, k.name, err)
	}
	found := stored{cert: &cert}
	meta, err := s.Load(ctx, certmagic.StorageKeys.SiteMeta(authority, k.name))
	if err != nil {
		return stored{}, err
	}
	var resource certmagic.CertificateResource
	var issued acme.Certificate
	if json.Unmarshal(meta, &resource) == nil && json.Unmarshal(resource.IssuerData, &issued) == nil && issued.RenewalInfo != nil {
		found.ari = *issued.RenewalInfo
	}
	return found, nil
}

// renewal is when the certificate will be renewed: at the time chosen from the
// authority's window, else in the last third of its life.
func (s stored) renewal() time.Time {
	leaf := s.cert.Leaf
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	if at := s.ari.SelectedTime; !at.IsZero() && at.Before(leaf.NotAfter.Add(-life/20)) {
		return at
	}
	return leaf.NotAfter.Add(-time.Duration(float64(life) * certmagic.DefaultRenewalWindowRatio))
}

// due reports whether the certificate is renewed at the next look, which comes
// after the time given.
func (s stored) due(every time.Duration) bool {
	return time.Until(s.renewal()) < every
}

// An ACMEStatus is where the certificate for one name stands.
type ACMEStatus struct {
	Name      string
	Authority string // host name of the directory
	Challenge Challenge

	// About the certificate that is there; zero without one.
	Issuer  string
	Expires time.Time
	Renewal time.Time // when it is going to be replaced

	// Unreadable says why the storage cannot be asked; empty: it can.
	Unreadable string

	// Waiting says, in words, what is being waited for and why it is not there
	// yet; empty: for nothing.
	Waiting string
}

// Ready reports whether there is a certificate.
func (s ACMEStatus) Ready() bool { return !s.Expires.IsZero() }

func (k *steward) status(ctx context.Context) ACMEStatus {
	status := ACMEStatus{Name: k.name, Authority: k.authority(), Challenge: k.acme.cfg.Challenge}
	found, err := k.stored(ctx)
	if err == nil {
		leaf := found.cert.Leaf
		status.Issuer, status.Expires, status.Renewal = leaf.Issuer.String(), leaf.NotAfter, found.renewal()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		status.Unreadable = oneLine(err.Error())
	}
	at := k.progress()
	switch {
	case at.why == "" && err == nil && time.Now().Before(status.Expires):
		return status // a renewal that has not failed is nothing to wait for
	case at.why == "" && at.step == "":
		at.why = status.Unreadable
	}
	status.Waiting = k.waiting(at)
	if status.Ready() && time.Now().After(status.Expires) {
		status.Waiting = "the last one expired on " + stamp(status.Expires) + "; " + status.Waiting
	}
	return status
}

// waiting puts into words how far the steward has come.
func (k *steward) waiting(at attempts) string {
	words := []string{fmt.Sprintf("a certificate for %s from %s, proven by %v", k.name, k.authority(), k.acme.cfg.Challenge)}
	if at.step != "" {
		words = append(words, at.step)
	}
	if at.why != "" {
		words = append(words, fmt.Sprintf("attempt %d failed: %s", max(at.failed, 1), at.why))
	}
	if !at.next.IsZero() {
		words = append(words, "next attempt at "+at.next.UTC().Format(time.RFC3339))
	}
	return strings.Join(words, "; ")
}

// authority returns the host name of the directory.
func (k *steward) authority() string {
	u, err := url.Parse(k.acme.cfg.Directory)
	if err != nil {
		return "the authority"
	}
	return u.Hostname()
}
