package configs

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Check opens what Build would open and changes nothing on the machine: no
// self-signed certificate is made.
func (s *Settings) Check() Diagnostics { return newDiagnostics(s.check(), s.sources) }

// check leaves out the blocks with mistakes.
func (s *Settings) check() hcl.Diagnostics {
	sources, diags := s.openFiles(nil)
	for _, c := range s.Certificates {
		if c.ACME == nil || c.flawed {
			continue
		}
		if _, err := c.ACME.open(); err != nil {
			diags = append(diags, cannot(c.ACME.at.block, unorderable, err)...)
		}
	}
	for _, l := range s.Listeners {
		if l.Clients == nil || l.Clients.flawed {
			continue
		}
		authorities, err := (*Opened)(nil).clients(l.Clients)
		if err != nil {
			diags = append(diags, cannot(l.Clients.at.block, unaskable, err)...)
			continue
		}
		diags = append(diags, attention(l.Clients.at.block, authorities)...)
	}
	for _, u := range s.Upstreams {
		if u.flawed {
			continue
		}
		// Why a certificate is missing has been said.
		if _, err := u.originator(sources); err != nil && !errors.Is(err, errCertificateMissing) {
			diags = append(diags, cannot(u.TLS.at, untrusted, err)...)
		}
	}
	return diags
}

// Built is what a program runs with.
type Built struct {
	// Proxy passes proxy.Config.Validate.
	Proxy proxy.Config
	// Watch lists the files that may be replaced while the program runs.
	Watch []Watched
	// ACME lists the certificates of authorities, in the order of the
	// configuration. Somebody has to start and to close them.
	ACME []Ordered

	selfSigned []kept
	sources    sources
}

// kept is a certificate block with self_signed.
type kept struct {
	at     hcl.Range
	source *tlsterm.SelfSignedSource
}

// Keep makes the self-signed certificates that are missing and keeps them in the
// storage, once it is sure that they are needed: until then there are none. The
// diagnostics hold nothing if it has succeeded.
func (b Built) Keep() Diagnostics {
	var diags hcl.Diagnostics
	for _, k := range b.selfSigned {
		if err := k.source.Keep(); err != nil {
			diags = append(diags, cannot(k.at, "Self-signed certificate cannot be kept", fmt.Errorf("%w; the folder is set by storage { dir = … }", err))...)
		}
	}
	return newDiagnostics(diags, b.sources)
}

// Watched are files that hold a certificate, or those whose client certificates
// a listener accepts. Somebody has to call Source.Reload now and then, and to look
// at its Warning.
type Watched struct {
	What   string // "certificate", "client authorities"
	Name   string // of the block, or of the listener
	Source WatchedSource
}

// A WatchedSource is what can change and what can be wrong with it.
type WatchedSource interface {
	Reload() (changed bool, err error)
	tlsterm.Warner
}

// Ordered is a certificate block with acme.
type Ordered struct {
	Name string
	ACME *tlsterm.ACME
}

// Environment is what a process has once and its configurations use one after
// the other. The zero value is for programs that start no ACME.
type Environment struct {
	Challenges *tlsterm.Challenges
	// Observe is told what happens to the certificates of authorities; see
	// tlsterm.ACMEEnvironment.
	Observe func(certificate string, e tlsterm.ACMEEvent)
	// Opened are the files of the configurations so far; nil: none.
	Opened *Opened
}

// The headlines over blocks whose files cannot be used.
const (
	unorderable = "Certificate cannot be ordered"
	unaskable   = "Client certificates cannot be asked for"
)

// Build opens the certificates and returns what a proxy.Server takes. It writes
// nothing: see Built.Keep. The result is empty exactly if the diagnostics hold an
// error.
func (s *Settings) Build(env Environment) (Built, Diagnostics) {
	b := builder{settings: s, env: env}
	built := b.build()
	diags := newDiagnostics(b.diags, s.sources)
	if diags.HasErrors() {
		return Built{}, diags
	}
	return built, diags
}

type builder struct {
	settings  *Settings
	env       Environment
	diags     hcl.Diagnostics
	sources   map[string]tlsterm.Source
	upstreams map[string]*upstream.Upstream
	// authorities are those of client certificates, by listener.
	authorities map[string]*tlsterm.ClientAuthorities
	ordered     []Ordered
	kept        []kept
}

func (b *builder) fail(at hcl.Range, summary string, err error) {
	b.diags = append(b.diags, cannot(at, summary, err)...)
}

// cannot says what is wrong with a block, each mistake by itself.
func cannot(at hcl.Range, summary string, err error) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, e := range each(err) {
		diags = append(diags, problem(hcl.DiagError, at, mistake{summary, capital(e.Error()) + "."}))
	}
	return diags
}

func (b *builder) build() Built {
	b.env.Opened.begin()
	b.sources, b.diags = b.settings.openFiles(b.env.Opened)
	b.dialers()
	b.orders()
	b.clients()
	b.selfSigned()
	if b.diags.HasErrors() {
		return Built{}
	}
	config := proxy.Config{Limits: b.settings.Limits}
	for _, l := range b.settings.Listeners {
		config.Listeners = append(config.Listeners, b.listener(l))
	}
	if err := config.Validate(); err != nil && !b.diags.HasErrors() {
		b.fail(hcl.Range{}, "Configuration refused", err)
	}
	return Built{Proxy: config, Watch: b.watch(), ACME: b.ordered, selfSigned: b.kept, sources: b.settings.sources}
}

// watch lists certificates in files, and the authorities of clients, in the order
// of the configuration.
func (b *builder) watch() []Watched {
	var list []Watched
	for _, c := range b.settings.Certificates {
		if r, ok := b.sources[c.Name].(WatchedSource); ok {
			list = append(list, Watched{What: "certificate", Name: c.Name, Source: r})
		}
	}
	for _, l := range b.settings.Listeners {
		if a := b.authorities[l.Config.Name]; a != nil {
			list = append(list, Watched{What: "client authorities", Name: l.Config.Name, Source: a})
		}
	}
	return list
}

// orders prepares the certificates of authorities and starts nothing.
func (b *builder) orders() {
	storage := tlsterm.FileStorage(b.settings.acmeDir())
	challenges := b.env.Challenges
	if challenges == nil {
		challenges = &tlsterm.Challenges{}
	}
	for _, c := range b.settings.Certificates {
		if c.ACME == nil {
			continue
		}
		env := tlsterm.ACMEEnvironment{Storage: storage, Challenges: challenges}
		if b.env.Observe != nil {
			env.Observe = func(e tlsterm.ACMEEvent) { b.env.Observe(c.Name, e) }
		}
		config, err := c.ACME.open()
		if err != nil {
			b.fail(c.ACME.at.block, unorderable, err)
			continue
		}
		acme, err := tlsterm.NewACME(config, env)
		if err != nil {
			b.fail(c.ACME.at.block, unorderable, err)
			continue
		}
		b.sources[c.Name] = acme
		b.ordered = append(b.ordered, Ordered{Name: c.Name, ACME: acme})
	}
}

// openFiles opens every certificate that is kept in files, also those that no
// listener uses.
func (s *Settings) openFiles(o *Opened) (map[string]tlsterm.Source, hcl.Diagnostics) {
	opened := map[string]tlsterm.Source{}
	var diags hcl.Diagnostics
	for _, c := range s.Certificates {
		if c.Files == nil || c.flawed {
			continue
		}
		source, err := o.certificate(*c.Files)
		if err != nil {
			diags = append(diags, cannot(c.at, "Certificate cannot be used", err)...)
			continue
		}
		opened[c.Name] = source
		if w, ok := source.(tlsterm.Warner); ok {
			diags = append(diags, attention(c.at, w)...)
		}
	}
	return opened, diags
}

// attention warns of what works for now.
func attention(at hcl.Range, w tlsterm.Warner) hcl.Diagnostics {
	text := w.Warning(time.Now())
	if text == "" {
		return nil
	}
	return hcl.Diagnostics{problem(hcl.DiagWarning, at, mistake{"Certificate needs attention", capital(text) + "."})}
}

func (b *builder) dialers() {
	b.upstreams = map[string]*upstream.Upstream{}
	for _, u := range b.settings.Upstreams {
		var err error
		if u.Config.TLS.Originator, err = u.originator(b.sources); err != nil {
			b.fail(u.TLS.at, untrusted, err)
			continue
		}
		up, err := upstream.New(u.Config)
		if err != nil {
			b.fail(u.at, "Upstream cannot be used", err)
			continue
		}
		b.upstreams[u.Config.Name] = up
	}
}

// selfSigned prepares the certificates that a listener will show.
func (b *builder) selfSigned() {
	needed := map[string]bool{}
	for _, l := range b.settings.Listeners {
		for _, ref := range l.Certificates {
			needed[ref.Name] = l.Config.TLS.Mode != proxy.TLSOff || needed[ref.Name]
		}
	}
	for _, c := range b.settings.Certificates {
		if c.SelfSigned == nil || !needed[c.Name] {
			continue
		}
		source, err := tlsterm.SelfSignedUnkept(b.settings.selfSignedDir(c.Name), c.SelfSigned.Names)
		if err != nil {
			b.fail(c.at, "Self-signed certificate cannot be made", err)
			continue
		}
		b.sources[c.Name] = source
		b.kept = append(b.kept, kept{c.at, source})
	}
}

func (b *builder) listener(l Listener) proxy.ListenerConfig {
	c := l.Config
	c.Upstream = b.upstreams[l.Upstream.Name]
	c.Policy = b.settings.Policy(l.Policy.Name)
	if c.TLS.Mode == proxy.TLSOff {
		return c
	}
	if l.Clients != nil {
		c.TLS.Clients = &l.Clients.Login
		l.TLS.Clients = &tlsterm.ClientCertificates{Required: l.Clients.Login.Required, Authorities: b.authorities[c.Name]}
	}
	terminator, err := b.terminator(l)
	if err != nil {
		b.fail(l.at, "TLS cannot be offered", err)
	}
	c.TLS.Terminator = terminator
	return c
}

// clients opens what judges the certificates of the listeners' clients.
func (b *builder) clients() {
	b.authorities = map[string]*tlsterm.ClientAuthorities{}
	for _, l := range b.settings.Listeners {
		if l.Clients == nil {
			continue
		}
		authorities, err := b.env.Opened.clients(l.Clients)
		if err != nil {
			b.fail(l.Clients.at.block, unaskable, err)
			continue
		}
		b.diags = append(b.diags, attention(l.Clients.at.block, authorities)...)
		b.authorities[l.Config.Name] = authorities
	}
}

func (b *builder) terminator(l Listener) (*tlsterm.Terminator, error) {
	// Port 443 may be forwarded to it; without an order nothing is answered.
	l.TLS.AnswerChallenges = l.Config.TLS.Mode == proxy.TLSImplicit
	var sources []tlsterm.Source
	for _, ref := range l.Certificates {
		source, ok := b.sources[ref.Name]
		if !ok {
			return nil, fmt.Errorf("certificate %q is missing", ref.Name)
		}
		sources = append(sources, source)
	}
	if len(sources) == 0 {
		return nil, errors.New("no certificate is named")
	}
	if len(sources) == 1 {
		return tlsterm.New(l.TLS, sources[0])
	}
	return tlsterm.New(l.TLS, tlsterm.Select(sources...))
}
