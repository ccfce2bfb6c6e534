package configs

import (
	"fmt"
	"path/filepath"
)

// Quick is a configuration made of a few values instead of a file: one explicit
// listener with a self-signed certificate in front of one plain FTP server.
type Quick struct {
	// To is the upstream's host:port.
	To string
	// From is the address to listen at.
	From string
	// Names are what the certificate is valid for: host names and IP addresses.
	// None: this machine's own, for trials.
	Names []string
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
	return q.settings(to, from)
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
