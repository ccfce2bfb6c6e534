package tlsterm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// A steward sees to it that there is a valid certificate for one name. Its
// goroutine, run, is the only one that orders.
type steward struct {
	name string
	acme *ACME

	magic atomic.Pointer[magic] // from open on

	served  atomic.Pointer[tls.Certificate]
	ended   atomic.Bool // run has returned
	mu      sync.Mutex
	attempt attempts
}

// magic is what certmagic needs. Its cache holds the certificate only while a
// round lasts: certmagic decides about renewal and revocation when asked to, and
// its own timers find nothing to do.
type magic struct {
	cache  *certmagic.Cache
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	bounds *authorityTransport
}

// attempts is how far the steward has come.
type attempts struct {
	failed  int       // in a row
	next    time.Time // no order before
	step    string    // what an order is doing
	why     string    // what the last one failed of
	asked   time.Time // the latest round that succeeded
	ordered time.Time // the latest that brought another certificate
}

func newSteward(name string, a *ACME) *steward {
	return &steward{name: name, acme: a}
}

// Certificate implements [Source].
func (k *steward) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert := k.served.Load(); cert != nil {
		return cert, nil
	}
	return nil, ErrNoCertificate
}

// open makes what certmagic needs, and with it one idle goroutine of the cache.
func (k *steward) open(address string) error {
	m := &magic{cache: certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return nil, errNotMaintained },
		RenewCheckInterval: k.acme.every,
		Logger:             zap.NewNop(),
	})}
	// Every field that is relied on, so that nothing comes from certmagic.Default.
	m.config = certmagic.New(m.cache, certmagic.Config{
		RenewalWindowRatio: certmagic.DefaultRenewalWindowRatio,
		OnEvent:            k.onEvent,
		DefaultServerName:  k.name,
		FallbackServerName: k.name,
		Issuers:            []certmagic.Issuer{},
		KeySource:          certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		// With a proxy function certmagic uses an HTTP client that has a timeout.
		OCSP:    certmagic.OCSPConfig{HTTPProxy: forOCSP},
		Storage: k.acme.env.Storage,
		Logger:  k.logger(),
	})
	m.issuer = k.acme.issuer(k, m.config, address)
	m.config.Issuers = []certmagic.Issuer{m.issuer}
	var err error
	if m.bounds, err = newAuthorityTransport(m.issuer); err != nil {
		m.cache.Stop()
		return err
	}
	k.magic.Store(m)
	return nil
}

// close may be called without open.
func (k *steward) close() {
	if m := k.magic.Load(); m != nil {
		m.cache.Stop()
		m.bounds.close()
	}
}

// challengeCert returns the certificate that answers the hello of an authority,
// or nil: no order of this process, or of one that shares the storage, waits for
// it.
func (k *steward) challengeCert(hello *tls.ClientHelloInfo) *tls.Certificate {
	m := k.magic.Load()
	if m == nil {
		return nil
	}
	cert, err := m.config.GetCertificate(hello)
	if err != nil {
		return nil
	}
	return cert
}

// load serves what the storage has, so that a restart does not wait for anybody.
// That may be a certificate which has expired: a process that had gone on running
// would serve it still.
func (k *steward) load(ctx context.Context) error {
	stored, err := k.stored(ctx)
	if err == nil {
		k.serve(stored.cert)
	}
	return err
}

// run looks at the certificate now and then until ctx ends.
func (k *steward) run(ctx context.Context) {
	defer k.ended.Store(true)
	for {
		select {
		case <-time.After(k.look(ctx)):
		case <-ctx.Done():
			return
		}
	}
}

// look does what is due and returns how long to wait for the next look.
func (k *steward) look(ctx context.Context) time.Duration {
	at := k.progress()
	found, err := k.stored(ctx)
	if wait := time.Until(at.next); wait > 0 && (err != nil || found.due(k.acme.every)) {
		return min(wait, k.acme.every) // another process may have more luck
	}
	if err == nil && k.shows(found.cert) && k.rests(at, found) {
		return k.acme.every
	}
	err = k.round(ctx, at.failed)
	if ctx.Err() != nil {
		return 0
	}
	k.settle(ctx, found, err)
	return min(k.acme.every, max(time.Until(k.progress().next), k.shortest()))
}

// rests reports whether it is too soon for another round. An authority that gives no
// time for it would be asked about renewal at each look; one that recommends to have
// renewed a certificate before it was issued would be given orders without end.
func (k *steward) rests(at attempts, found stored) bool {
	if !found.due(k.acme.every) {
		return time.Since(at.asked) < k.acme.rest
	}
	leaf := found.cert.Leaf
	return time.Since(at.ordered) < min(k.acme.again, leaf.NotAfter.Sub(leaf.NotBefore)/3)
}

// shows reports whether cert is what sessions are shown.
func (k *steward) shows(cert *tls.Certificate) bool {
	served := k.served.Load()
	return served != nil && bytes.Equal(served.Certificate[0], cert.Certificate[0])
}

// unended says what still goes on after run was told to end; "": nothing.
func (k *steward) unended() string {
	if k.ended.Load() {
		return ""
	}
	return cmp.Or(k.progress().step, "a look at the certificate")
}

// shortest keeps a pause of nothing from becoming a busy loop.
func (k *steward) shortest() time.Duration { return min(k.acme.every, time.Second) }

// round has certmagic load the certificate, look at its age, at what the
// authority says about its renewal (ARI) and its revocation (OCSP), and order
// one if need be. It returns when that is done or has failed once.
func (k *steward) round(ctx context.Context, failed int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, k.acme.limit, errRoundTooLong)
	defer cancel()
	if err := k.repair(ctx); err != nil {
		return err
	}
	// After failures the issuer turns to the authority's test directory first.
	ctx = context.WithValue(orderContext(ctx), certmagic.AttemptsCtxKey, &failed)
	m := k.magic.Load()
	m.bounds.begin()
	defer m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: k.name}})
	// Not ManageAsync: its goroutines would be nobody's.
	err := m.config.ManageSync(ctx, []string{k.name})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	for _, cert := range m.cache.AllMatchingCertificates(k.name) {
		if !cert.Expired() {
			k.serve(&cert.Certificate)
		}
	}
	return err
}

// obtainNow orders whether or not it is due.
func (k *steward) obtainNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, k.acme.limit, errRoundTooLong)
	defer cancel()
	if err := k.magic.Load().config.RenewCertSync(orderContext(ctx), k.name, true); err != nil {
		return errorText(k.explain(err))
	}
	return k.load(ctx)
}

// serve shows cert to sessions to come. The same certificate with a newer OCSP
// response is no news.
func (k *steward) serve(cert *tls.Certificate) {
	known := k.shows(cert)
	k.served.Store(cert)
	if known {
		return
	}
	if err := outOfDate("the certificate in the storage", cert.Leaf, time.Now()); err != nil {
		k.observe(ACMEWarned, err.Error()+"; it is shown all the same, and clients that verify it go away")
		return
	}
	k.observe(ACMEReplaced, "certificate served, valid until "+stamp(cert.Leaf.NotAfter))
}

// settle notes how a round has ended that began with a certificate in the storage,
// or without.
func (k *steward) settle(ctx context.Context, before stored, err error) {
	if err != nil {
		k.fail(err)
		return
	}
	now := time.Now()
	after, err := k.stored(ctx)
	another := err == nil && (before.cert == nil || !bytes.Equal(before.cert.Certificate[0], after.cert.Certificate[0]))
	k.update(func(a *attempts) {
		*a = attempts{asked: now, ordered: a.ordered}
		if another {
			a.ordered = now
		}
	})
}

func (k *steward) fail(err error) {
	why := k.explain(err)
	k.update(func(a *attempts) {
		a.failed++
		a.next = time.Now().Add(k.acme.pause(a.failed, !k.isUnreached(err)))
		a.step, a.why = "", why
	})
	k.observe(ACMEFailed, why)
}

func (k *steward) progress() attempts {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.attempt
}

func (k *steward) update(change func(*attempts)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.attempt)
}

func (k *steward) observe(kind ACMEKind, text string) {
	if k.acme.env.Observe != nil {
		k.acme.env.Observe(ACMEEvent{Name: k.name, Kind: kind, Text: text})
	}
}

// onEvent hears of failures inside of a round: a revoked certificate is ordered
// again and again before round returns.
func (k *steward) onEvent(_ context.Context, event string, data map[string]any) error {
	if err, ok := data["error"].(error); ok && event == "cert_failed" {
		why := k.explain(err)
		k.update(func(a *attempts) { a.step, a.why = "", why })
	}
	return nil
}

// step notes what an order is doing.
func (k *steward) step(text string) {
	k.update(func(a *attempts) { a.step = text })
	k.observe(ACMEStep, text)
}
