package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/miekg/dns"
)

// An ACME obtains certificates from an authority and keeps them valid (RFC
// 8555, RFC 9773). It is a [Source]: before Start it has no certificate.
//
// Prepare begins to answer challenges, Start begins one goroutine for each name,
// and Close awaits all of it. Each name has a certificate of its own; a session keeps the one
// that its control connection was shown, see [Binding].
type ACME struct {
	cfg      ACMEConfig
	env      ACMEEnvironment
	stewards []*steward
	source   Source
	pacing

	lifecycle
}

// pacing is what an ACME waits for.
type pacing struct {
	every time.Duration                                 // between two looks at each certificate
	rest  time.Duration                                 // before an authority is asked about one that is not due
	again time.Duration                                 // before one that is new is replaced
	pause func(attempt int, reached bool) time.Duration // before the next attempt after one has failed
}

// lifecycle is what runs between Start and Close.
type lifecycle struct {
	cancel   context.CancelFunc
	running  sync.WaitGroup
	release  func()        // gives up answering challenges
	patience time.Duration // of Close
	limit    time.Duration // of one attempt
}

// ACMEEnvironment is what the process has once and lends to each ACME.
type ACMEEnvironment struct {
	// Storage keeps certificates, keys and accounts, see [FileStorage]. Where
	// several processes share it, one of them orders and all have the result.
	Storage certmagic.Storage
	// Challenges answers them, for every ACME of the process.
	Challenges *Challenges
	// Observe is told what happens; nil: nobody is. It is called on several
	// goroutines and must be quick.
	Observe func(ACMEEvent)
}

// An ACMEKind says what an event is about.
type ACMEKind int

const (
	ACMEStep     ACMEKind = iota // an order has come so far
	ACMEReplaced                 // another certificate is served from now on, or the first
	ACMEFailed                   // an attempt has failed; another will follow
	ACMEWarned                   // something else that somebody has to look at
)

// An ACMEEvent is one thing that happened to the certificate for Name.
type ACMEEvent struct {
	Name string
	Kind ACMEKind
	Text string // one line, without secrets
}

const (
	// acmeInterval is how long a due renewal, or a certificate that another
	// process has put into the storage, may go unnoticed.
	acmeInterval = time.Minute
	// acmeRest is how long it takes to notice that a certificate was revoked, or is
	// to be renewed early.
	acmeRest = 10 * time.Minute
	// acmeAgain lies between two certificates for one name, if they live for longer.
	acmeAgain = time.Hour
	// acmeTimeout bounds an order's waiting for the authority.
	acmeTimeout = 5 * time.Minute
	// acmeRoundTimeout bounds all that belongs to one attempt, besides waiting for
	// its turn.
	acmeRoundTimeout = 20 * time.Minute
	// closePatience bounds Close. Whatever is given up ends sooner than that,
	// records of challenges included, but for questions about revocation, which
	// certmagic asks without a context and for 30 seconds.
	closePatience = lastMoments + 2*time.Second
)

// NewACME checks the settings; it opens and starts nothing.
func NewACME(cfg ACMEConfig, env ACMEEnvironment) (*ACME, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ACME settings: %w", err)
	}
	if env.Storage == nil || env.Challenges == nil {
		return nil, errors.New("ACME settings: storage and challenges are missing")
	}
	a := &ACME{cfg: cfg, env: env}
	a.pacing = pacing{every: acmeInterval, rest: acmeRest, again: acmeAgain, pause: acmePause}
	names, err := canonicalNames(cfg.Names)
	if err != nil {
		return nil, fmt.Errorf("ACME settings: %w", err)
	}
	a.cfg.Names = names
	// Of many names each waits for its turn: certmagic orders one a second.
	a.patience, a.limit = closePatience, acmeRoundTimeout+2*time.Second*time.Duration(len(names))
	var sources []Source
	for _, name := range names {
		k := newSteward(name, a)
		a.stewards = append(a.stewards, k)
		sources = append(sources, k)
	}
	a.source = Select(sources...)
	return a, nil
}

// acmePause grows from a minute to six hours. Authorities count failures per
// name and hour, and what an operator has to mend takes its time. An authority
// that was not reached counts nothing: at a machine's start the network may be
// up in a moment.
func acmePause(attempt int, reached bool) time.Duration {
	if !reached {
		return min(5*time.Second<<min(attempt-1, 4), time.Minute)
	}
	minutes := []int{1, 2, 5, 10, 20, 30, 60, 120, 180}
	if attempt <= len(minutes) {
		return time.Duration(minutes[max(attempt, 1)-1]) * time.Minute
	}
	return 6 * time.Hour
}

// Names returns the names, in their usual spelling.
func (a *ACME) Names() []string { return slices.Clone(a.cfg.Names) }

// Certificate implements [Source].
func (a *ACME) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.source.Certificate(hello)
}

// challenge implements [challengeSource].
func (a *ACME) challenge(hello *tls.ClientHelloInfo) *tls.Certificate {
	if a.cfg.Challenge != TLSALPN01 || !a.owns(hello.ServerName) {
		return nil
	}
	for _, k := range a.stewards {
		if cert := k.challengeCert(hello); cert != nil {
			return cert
		}
	}
	return nil
}

// Prepare binds the address of the challenge, and serves what the storage has
// already. Nobody is asked for anything yet. The address stays bound until Close:
// whoever runs as root only at first can still renew.
func (a *ACME) Prepare(ctx context.Context) error {
	if a.release != nil {
		return nil
	}
	if err := a.tidy(); err != nil {
		return err
	}
	release, err := a.env.Challenges.answer(ctx, a)
	if err != nil {
		return err
	}
	for _, k := range a.stewards {
		if err := k.load(ctx); errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
			release.release()
			return fmt.Errorf("certificates cannot be kept: %w", err)
		}
	}
	for _, k := range a.stewards {
		if err := k.open(release.address); err != nil {
			release.release()
			return err
		}
	}
	a.release = release.release
	return nil
}

// tidy has the storage look after itself.
func (a *ACME) tidy() error {
	storage, ok := a.env.Storage.(tidier)
	if !ok {
		return nil
	}
	finding, err := storage.tidy(time.Now())
	if err != nil {
		return fmt.Errorf("certificates cannot be kept: %w", err)
	}
	if finding != "" {
		a.stewards[0].observe(ACMEWarned, finding)
	}
	return nil
}

// Start begins to obtain and renew, after Prepare.
func (a *ACME) Start(ctx context.Context) error {
	if err := a.Prepare(ctx); err != nil {
		return err
	}
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, k := range a.stewards {
		a.running.Go(func() { k.run(ctx) })
	}
	return nil
}

// Close ends what Prepare and Start began and waits for it, but only for some
// seconds: what has not ended by then is reported, and ends by itself. An order
// under way is given up. Certificates are still served.
func (a *ACME) Close() {
	if a.release == nil {
		return
	}
	if a.cancel != nil {
		a.cancel()
		a.awaitStewards()
	}
	a.release()
	for _, k := range a.stewards {
		k.close()
	}
	a.release, a.cancel = nil, nil
}

// awaitStewards waits for them as long as there is patience.
func (a *ACME) awaitStewards() {
	ended := make(chan struct{})
	go a.await(ended)
	select {
	case <-ended:
	case <-time.After(a.patience):
		for _, k := range a.stewards {
			if doing := k.unended(); doing != "" {
				k.observe(ACMEWarned, "not waited for any longer: "+doing)
			}
		}
	}
}

// await closes ended once all stewards have ended.
func (a *ACME) await(ended chan<- struct{}) {
	a.running.Wait()
	close(ended)
}

// Status tells, for each name, what is served and what is being waited for. It
// reads the storage and may be called before Start.
func (a *ACME) Status(ctx context.Context) []ACMEStatus {
	var list []ACMEStatus
	for _, k := range a.stewards {
		list = append(list, k.status(ctx))
	}
	return list
}

// Obtain orders a certificate for name now, also if there is a valid one, and
// leaves it in the storage, where a process that has been started finds it. It
// is for a process that does nothing else: ACMEs that share the storage hold a
// lock while they order.
//
// When the address of the challenge is taken it is assumed that a process which
// shares the storage answers there: it finds the challenge in the storage.
func (a *ACME) Obtain(ctx context.Context, name string) error {
	i := slices.IndexFunc(a.stewards, func(k *steward) bool { return strings.EqualFold(k.name, name) })
	if i < 0 {
		return fmt.Errorf("%q is not among the names: %s", name, strings.Join(a.cfg.Names, ", "))
	}
	k := a.stewards[i]
	address := a.cfg.Address
	release, err := a.env.Challenges.answer(ctx, a)
	switch {
	case err == nil:
		address = release.address
		defer release.release()
	case errors.Is(err, ErrAddressInUse):
		k.observe(ACMEStep, fmt.Sprintf("%s is taken: the process there has to answer the challenge, as a running proxy does that shares the storage", address))
	default:
		return err
	}
	if err := k.open(address); err != nil {
		return err
	}
	defer k.close()
	return k.obtainNow(ctx)
}

// issuer returns what orders certificates for one of the names. address is where
// challenges are answered.
func (a *ACME) issuer(k *steward, config *certmagic.Config, address string) *certmagic.ACMEIssuer {
	template := certmagic.ACMEIssuer{
		CA: a.cfg.Directory,
		// An empty one would make certmagic take the address of another account,
		// or ask for one on standard input. It trims this one itself.
		Email:                   a.cfg.Email + " ",
		Agreed:                  true,
		Profile:                 a.cfg.Profile,
		DisableHTTPChallenge:    a.cfg.Challenge != HTTP01,
		DisableTLSALPNChallenge: a.cfg.Challenge != TLSALPN01,
		TrustedRoots:            a.cfg.Roots,
		CertObtainTimeout:       acmeTimeout,
		Logger:                  k.logger(),
	}
	if a.cfg.Directory == LetsEncrypt {
		// Another attempt is made there first: its limits are wider.
		template.TestCA = LetsEncryptStaging
	}
	if a.cfg.EAB != nil {
		template.ExternalAccount = a.cfg.EAB.reveal()
	}
	switch host, port, err := net.SplitHostPort(address); {
	case a.cfg.Challenge == DNS01:
		template.DNS01Solver = named{a.cfg.DNS, k}
	case err == nil:
		// certmagic finds this address taken, by us, and leaves it at that.
		template.ListenHost = host
		number, _ := net.LookupPort("tcp", port)
		template.AltHTTPPort, template.AltTLSALPNPort = number, number
	}
	return certmagic.NewACMEIssuer(config, template)
}

// named keeps certmagic from seeing more of a solver than it is asked for.
type named struct {
	acmez.Solver
	steward *steward
}

// CleanUp implements [acmez.Solver]. Nobody else tells of a record that stays.
func (n named) CleanUp(ctx context.Context, c acmeChallenge) error {
	err := n.Solver.CleanUp(ctx, c)
	if err != nil {
		n.steward.observe(ACMEWarned, oneLine(err.Error()))
	}
	return err
}

// Wait implements [acmez.Waiter].
func (n named) Wait(ctx context.Context, c acmeChallenge) error {
	if w, ok := n.Solver.(acmez.Waiter); ok {
		return w.Wait(ctx, c)
	}
	return nil
}

// owns reports whether a challenge for host can be one of ours. IP addresses
// are asked for in the form of RFC 8738 §6 over TLS, and as they are over HTTP.
func (a *ACME) owns(host string) bool {
	return slices.ContainsFunc(a.cfg.Names, func(name string) bool {
		if strings.EqualFold(name, host) {
			return true
		}
		reverse, err := dns.ReverseAddr(name)
		return err == nil && strings.EqualFold(strings.TrimSuffix(reverse, "."), host)
	})
}
