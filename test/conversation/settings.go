package conversation

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Settings are what the directives of a script change.
type Settings struct {
	Listener proxy.ListenerConfig
	TLS      tlsterm.Config
	Limits   proxy.Limits
	Upstream upstream.Config
	// UpstreamTLS is what the configuration of an upstream does not hold.
	UpstreamTLS UpstreamTLSSettings
	Client      ClientSettings
	// PassivePorts is the size of the passive range; 0 lets the kernel choose.
	PassivePorts int
	// NoCertificate leaves the listener without a certificate.
	NoCertificate bool
	// ClientCertificates are asked for.
	ClientCertificates ClientCertificateSettings

	issuer *clientIssuer
}

// UpstreamTLSSettings describe the upstream peer as a TLS server, and how the
// proxy looks at it.
type UpstreamTLSSettings struct {
	// MaxVersion is the highest TLS version it speaks.
	MaxVersion uint16
	// SkipVerify: the proxy accepts any certificate.
	SkipVerify bool
}

// ClientSettings describe the client peer.
type ClientSettings struct {
	// MaxVersion is the highest TLS version it offers.
	MaxVersion uint16
	// SNI is the name it asks for; "" asks for none and verifies the address.
	SNI string
	// Certificate is the name on its certificate; "": it has none.
	Certificate string
}

// DefaultSettings are the defaults of the program, on loopback addresses.
func DefaultSettings() Settings {
	s := Settings{
		Listener: proxy.DefaultListener(),
		TLS:      tlsterm.Default(),
		Limits:   proxy.DefaultLimits(),
		Upstream: upstream.Default(),
		Client:   ClientSettings{MaxVersion: tls.VersionTLS13},

		UpstreamTLS: UpstreamTLSSettings{MaxVersion: tls.VersionTLS13},
	}
	s.Listener.Name = "ftp"
	s.Listener.Address = "127.0.0.1:0"
	// Other programs on the machine may use ports of the default range.
	s.Listener.Passive.Ports = proxy.PortRange{}
	s.Upstream.Name = "legacy"
	s.Upstream.Address = "127.0.0.1:0"
	return s
}

// apply carries out one directive: key=value for each of assignments.
func (s *Settings) apply(section string, assignments []string) error {
	for _, a := range assignments {
		key, value, _ := strings.Cut(a, "=")
		if err := s.set(section, key, value); err != nil {
			return fmt.Errorf("%s: %s: %w", section, a, err)
		}
	}
	return nil
}

func (s *Settings) set(section, key, value string) error {
	switch section {
	case "listener":
		return s.setListener(key, value)
	case "upstream":
		return s.setUpstream(key, value)
	case "limits":
		return s.setLimit(key, value)
	case "client":
		return s.setClient(key, value)
	}
	return fmt.Errorf("unknown directive")
}

func (s *Settings) setListener(key, value string) (err error) {
	l := &s.Listener
	switch key {
	case "address":
		l.Address = value + ":0"
	case "mode":
		l.TLS.Mode, err = choose(value, map[string]proxy.TLSMode{"explicit": proxy.TLSExplicit, "implicit": proxy.TLSImplicit, "off": proxy.TLSOff})
	case "control":
		l.TLS.Control, err = requirement(value)
	case "data":
		l.TLS.Data, err = requirement(value)
	case "session_reuse":
		s.TLS.Reuse, err = choose(value, map[string]tlsterm.Reuse{"require": tlsterm.ReuseRequire, "prefer": tlsterm.ReusePrefer, "off": tlsterm.ReuseOff})
	case "truncation":
		l.TLS.Truncation, err = choose(value, map[string]proxy.Truncation{"fail": proxy.TruncationFail, "log": proxy.TruncationLog, "allow": proxy.TruncationAllow})
	case "ccc":
		l.TLS.AllowCCC, err = choose(value, map[string]bool{"allow": true, "deny": false})
	case "ports":
		s.PassivePorts, err = strconv.Atoi(value)
	case "advertise":
		l.Passive.Advertise = value
	case "active":
		l.Active.Enabled, err = choose(value, map[string]bool{"on": true, "off": false})
	case "client_certificates":
		s.ClientCertificates.Asked = true
		s.ClientCertificates.Login.Required, err = choose(value, map[string]bool{"require": true, "optional": false})
	case "map":
		s.ClientCertificates.Login.Names, err = choose(value, map[string]tlsterm.NameFrom{"none": tlsterm.NameFromNothing, "cn": tlsterm.NameFromCommonName, "email": tlsterm.NameFromEmail, "dns": tlsterm.NameFromDNS})
	case "login":
		s.ClientCertificates.Login.Only, err = choose(value, map[string]bool{"match": false, "only": true})
	case "certificate":
		s.NoCertificate, err = choose(value, map[string]bool{"none": true})
	default:
		return fmt.Errorf("unknown setting")
	}
	return err
}

func (s *Settings) setUpstream(key, value string) (err error) {
	u := &s.Upstream
	switch key {
	case "address":
		u.Address = value + ":0"
	case "data_mode":
		u.DataMode, err = choose(value, map[string]upstream.DataMode{"passive": upstream.DataPassive, "active": upstream.DataActive, "match": upstream.DataMatch})
	case "tls":
		u.TLS.Mode, err = choose(value, map[string]upstream.TLSMode{"off": upstream.TLSOff, "explicit": upstream.TLSExplicit, "implicit": upstream.TLSImplicit})
	case "data":
		u.TLS.Data, err = choose(value, map[string]upstream.DataProtection{"private": upstream.DataPrivate, "clear": upstream.DataClear, "match": upstream.DataSame})
	case "verify":
		s.UpstreamTLS.SkipVerify, err = choose(value, map[string]bool{"true": false, "false": true})
	case "version":
		s.UpstreamTLS.MaxVersion, err = version(value)
	case "passive_address":
		u.BelieveReply, err = choose(value, map[string]bool{"reply": true, "control": false})
	default:
		return fmt.Errorf("unknown setting")
	}
	return err
}

func (s *Settings) setLimit(key, value string) (err error) {
	l := &s.Limits
	switch key {
	case "line":
		l.Line, err = strconv.Atoi(value)
	case "reply_line":
		l.ReplyLine, err = strconv.Atoi(value)
	case "login_failures":
		l.LoginFailures, err = strconv.Atoi(value)
	case "login_timeout":
		l.LoginTimeout, err = time.ParseDuration(value)
	case "idle_timeout":
		l.IdleTimeout, err = time.ParseDuration(value)
	case "stall_timeout":
		l.StallTimeout, err = time.ParseDuration(value)
	case "data_timeout":
		l.DataTimeout, err = time.ParseDuration(value)
	case "reply_timeout":
		l.ReplyTimeout, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("unknown setting")
	}
	return err
}

func (s *Settings) setClient(key, value string) (err error) {
	switch key {
	case "tls":
		s.Client.MaxVersion, err = version(value)
	case "sni":
		s.Client.SNI = value
	case "certificate":
		s.Client.Certificate = value
	default:
		return fmt.Errorf("unknown setting")
	}
	return err
}

func version(value string) (uint16, error) {
	return choose(value, map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13})
}

func requirement(value string) (proxy.Requirement, error) {
	return choose(value, map[string]proxy.Requirement{"require": proxy.Require, "allow": proxy.Allow})
}

func choose[T any](value string, among map[string]T) (T, error) {
	v, ok := among[value]
	if !ok {
		return v, fmt.Errorf("unknown value")
	}
	return v, nil
}
