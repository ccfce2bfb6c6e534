package configs

import (
	"maps"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Opened are files that configurations use one after the other: what the former
// one reads is what the next one reads. So a session of the former still hears of
// revocations, and a certificate that does not replace the one in use does not do
// so either because something else in the configuration has changed.
//
// The zero value is ready. It is not for concurrent use.
type Opened struct {
	certificates map[filePair]tlsterm.Source
	authorities  map[filePair]*tlsterm.ClientAuthorities
	used         map[filePair]bool // by the latest configuration
}

// A filePair is a certificate and its key, or authorities and their lists.
type filePair struct{ first, second string }

// begin turns to another configuration.
func (o *Opened) begin() {
	if o != nil {
		o.used = map[filePair]bool{}
	}
}

// Forget drops what the latest configuration does not use, once it is in force.
func (o *Opened) Forget() {
	unused := func(key filePair) bool { return !o.used[key] }
	maps.DeleteFunc(o.certificates, func(key filePair, _ tlsterm.Source) bool { return unused(key) })
	maps.DeleteFunc(o.authorities, func(key filePair, _ *tlsterm.ClientAuthorities) bool { return unused(key) })
}

// certificate opens the files, or reads them again. A nil o remembers nothing.
func (o *Opened) certificate(files Files) (tlsterm.Source, error) {
	key := filePair{files.Cert, files.Key}
	if o != nil {
		o.used[key] = true
		if source, ok := o.certificates[key].(tlsterm.Reloader); ok {
			_, err := source.Reload()
			return source, err
		}
	}
	source, err := tlsterm.Files(files.Cert, files.Key)
	if err == nil && o != nil {
		if o.certificates == nil {
			o.certificates = map[filePair]tlsterm.Source{}
		}
		o.certificates[key] = source
	}
	return source, err
}

// clients opens the authorities of a listener's clients, or reads them again.
func (o *Opened) clients(c *ClientCertificates) (*tlsterm.ClientAuthorities, error) {
	key := filePair{c.CA, c.CRL}
	if o != nil {
		o.used[key] = true
		if authorities, ok := o.authorities[key]; ok {
			_, err := authorities.Reload()
			return authorities, err
		}
	}
	authorities, err := tlsterm.NewClientAuthorities(c.CA, c.CRL)
	if err == nil && o != nil {
		if o.authorities == nil {
			o.authorities = map[filePair]*tlsterm.ClientAuthorities{}
		}
		o.authorities[key] = authorities
	}
	return authorities, err
}
