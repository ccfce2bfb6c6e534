package configs

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Quick is a configuration made of a few values instead of a file: one explicit
// listener in front of one plain FTP server.
type Quick struct {
	// To is the upstream's host:port.
	To string
	// From is the address to listen at.
	From string
	// Names are what the certificate is valid for: host names and IP addresses.
	// None: this machine's own, for trials.
	Names []string
	// Email, if it is set, has the certificate ordered from Let's Encrypt, for its
	// account.
	Email string
	// Storage is the folder that keeps the certificate.
	Storage string
}

// Settings checks the values as Load checks a file's. The error names what is
// wrong and what would be right.
func (q Quick) Settings() (*Settings, error) {
	to, err := dialAddress(q.To)
	if err != nil {
		return nil, err
	}
	from, err := listenAddress(q.From)
	if err != nil {
		return nil, err
	}
	for _, name := range q.Names {
		if !isHost(name) {
			return nil, fmt.Errorf("%q is neither a host name nor an IP address", name)
		}
	}
	if q.Email != "" && len(q.Names) == 0 {
		return nil, errors.New("a certificate of Let's Encrypt needs a name: give --name as well")
	}
	s, err := q.settings(to, from)
	if err != nil || q.Email == "" {
		return s, err
	}
	return s, q.order(s)
}

// order replaces the self-signed certificate.
func (q Quick) order(s *Settings) error {
	acme := &ACME{Names: q.Names, Email: q.Email, CA: tlsterm.LetsEncrypt, Address: defaultChallengeAddress(tlsterm.HTTP01)}
	if err := acme.config().Validate(); err != nil {
		return err
	}
	s.Certificates = []Certificate{{Name: "letsencrypt", ACME: acme}}
	s.Listeners[0].Certificates = []Ref{{Name: "letsencrypt"}}
	return nil
}

func (q Quick) settings(to, from string) (*Settings, error) {
	s := defaultSettings()
	storage, err := filepath.Abs(q.Storage)
	if err != nil {
		return nil, err
	}
	s.Storage = storage

	u := defaultUpstream("upstream")
	u.Config.Address = to
	s.Upstreams = []Upstream{u}

	names := q.Names
	if len(names) == 0 {
		names = []string{"localhost", "127.0.0.1", "::1"}
	}
	s.Certificates = []Certificate{{Name: "self-signed", SelfSigned: &SelfSigned{Names: names}}}

	l := defaultListener("ftp")
	l.Config.Address = from
	l.Upstream = Ref{Name: u.Config.Name}
	l.Certificates = []Ref{{Name: s.Certificates[0].Name}}
	s.Listeners = []Listener{l}
	return s, nil
}
