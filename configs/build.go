package configs

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Check opens what Build would open and changes nothing on the machine: no
// self-signed certificate is made.
func (s *Settings) Check() Diagnostics {
	sources, diags := s.openFiles()
	for _, u := range s.Upstreams {
		if _, err := u.originator(sources); err != nil {
			diags = append(diags, cannot(u.TLS.at, untrusted, err))
		}
	}
	return newDiagnostics(diags, s.sources)
}

// Built is what a program runs with.
type Built struct {
	// Proxy passes proxy.Config.Validate.
	Proxy proxy.Config
	// Watch lists the certificates that may be replaced while the program runs.
	Watch []Watched
}

// Watched is a certificate in files. Somebody has to call Source.Reload now and
// then.
type Watched struct {
	Name   string
	Source tlsterm.Reloader
}

// Build opens the certificates and returns what a proxy.Server takes. Missing
// self-signed certificates are made and kept in Storage. The result is empty
// exactly if the diagnostics hold an error.
func (s *Settings) Build() (Built, Diagnostics) {
	b := builder{settings: s}
	built := b.build()
	diags := newDiagnostics(b.diags, s.sources)
	if diags.HasErrors() {
		return Built{}, diags
	}
	return built, diags
}

type builder struct {
	settings  *Settings
	diags     hcl.Diagnostics
	sources   map[string]tlsterm.Source
	upstreams map[string]*upstream.Upstream
}

func (b *builder) fail(at hcl.Range, summary string, err error) {
	b.diags = append(b.diags, cannot(at, summary, err))
}

func cannot(at hcl.Range, summary string, err error) *hcl.Diagnostic {
	return problem(hcl.DiagError, at, mistake{summary, capital(err.Error()) + "."})
}

func (b *builder) build() Built {
	// Files first: a self-signed certificate is only written for a
	// configuration that is otherwise sound.
	b.sources, b.diags = b.settings.openFiles()
	b.dialers()
	if b.diags.HasErrors() {
		return Built{}
	}
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
	return Built{Proxy: config, Watch: b.watch()}
}

// watch lists the certificates in files, in the order of the configuration.
func (b *builder) watch() []Watched {
	var list []Watched
	for _, c := range b.settings.Certificates {
		if r, ok := b.sources[c.Name].(tlsterm.Reloader); ok {
			list = append(list, Watched{Name: c.Name, Source: r})
		}
	}
	return list
}

// openFiles opens every certificate that is kept in files, also those that no
// listener uses.
func (s *Settings) openFiles() (map[string]tlsterm.Source, hcl.Diagnostics) {
	opened := map[string]tlsterm.Source{}
	var diags hcl.Diagnostics
	for _, c := range s.Certificates {
		if c.Files == nil {
			continue
		}
		source, err := tlsterm.Files(c.Files.Cert, c.Files.Key)
		if err != nil {
			diags = append(diags, cannot(c.at, "Certificate cannot be used", err))
			continue
		}
		opened[c.Name] = source
	}
	return opened, diags
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

// selfSigned opens or makes the certificates that a listener will show.
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
		source, err := tlsterm.SelfSigned(b.settings.selfSignedDir(c.Name), c.SelfSigned.Names)
		if err != nil {
			b.fail(c.at, "Self-signed certificate cannot be kept", fmt.Errorf("%w; the folder is set by storage { dir = … }", err))
			continue
		}
		b.sources[c.Name] = source
	}
}

func (b *builder) listener(l Listener) proxy.ListenerConfig {
	c := l.Config
	c.Upstream = b.upstreams[l.Upstream.Name]
	c.Policy = b.settings.Policy(l.Policy.Name)
	if c.TLS.Mode == proxy.TLSOff {
		return c
	}
	terminator, err := b.terminator(l)
	if err != nil {
		b.fail(l.at, "TLS cannot be offered", err)
	}
	c.TLS.Terminator = terminator
	return c
}

func (b *builder) terminator(l Listener) (*tlsterm.Terminator, error) {
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
