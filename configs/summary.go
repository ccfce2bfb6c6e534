package configs

import (
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Summary tells a person what would run.
func (s *Settings) Summary(w io.Writer) error {
	var b strings.Builder
	for _, l := range s.Listeners {
		s.summarise(&b, l)
	}
	for _, c := range s.Certificates {
		fmt.Fprintf(&b, "certificate %s: %s\n", c.Name, s.origin(c))
	}
	fmt.Fprintf(&b, "limits: %d sessions (%s per client), login within %s, idle %s, drain %s\n",
		s.Limits.Sessions, unlimited(s.Limits.SessionsPerClient), s.Limits.LoginTimeout, s.Limits.IdleTimeout, s.Limits.DrainTimeout)
	fmt.Fprintf(&b, "storage: %s\nlog: %s to %s\n", s.Storage, s.Log.Level, s.Log.Output)
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Settings) summarise(b *strings.Builder, l Listener) {
	c := l.Config
	fmt.Fprintf(b, "listener %s at %s: %s\n", c.Name, c.Address, describeTLS(l))
	for _, u := range s.Upstreams {
		if u.Config.Name == l.Upstream.Name {
			fmt.Fprintf(b, "  upstream %s at %s, %s, data connections %s\n", u.Config.Name, u.Config.Address, describeOrigin(u), describeData(u.Config))
		}
	}
	if p := s.Policy(l.Policy.Name); p != nil {
		fmt.Fprintf(b, "  policy %s%s\n", p.Name(), map[bool]string{true: ", watching only"}[p.Monitor()])
		for _, limit := range p.AllLimits() {
			fmt.Fprintf(b, "    limit %s: %s\n", limit.Name, strings.Join(limit.Bounds(), ", "))
		}
	} else {
		b.WriteString("  no policy: every command that is understood may pass\n")
	}
	advertise := c.Passive.Advertise
	if advertise == "" {
		advertise = "the address the client reached"
	}
	fmt.Fprintf(b, "  passive ports %d-%d, advertised at %s\n", c.Passive.Ports.First, c.Passive.Ports.Last, advertise)
	for _, network := range slices.SortedFunc(maps.Keys(c.Passive.Networks), netip.Prefix.Compare) {
		fmt.Fprintf(b, "    to %s as %s\n", network, c.Passive.Networks[network])
	}
	if !c.Active.Enabled {
		b.WriteString("  active mode off\n")
	}
	if l.Clients != nil {
		fmt.Fprintf(b, "  client certificates %s\n", describeClients(l.Clients))
	}
	if c.TLS.AllowCCC {
		b.WriteString("  CCC allowed\n")
	}
}

func describeTLS(l Listener) string {
	c := l.Config.TLS
	if c.Mode == proxy.TLSOff {
		return "no TLS, everything in clear text"
	}
	mode := "explicit"
	if c.Mode == proxy.TLSImplicit {
		mode = "implicit"
	}
	names := make([]string, len(l.Certificates))
	for i, ref := range l.Certificates {
		names[i] = ref.Name
	}
	return fmt.Sprintf("%s TLS %s or newer, control %s, data %s, session reuse %s, certificate %s",
		mode, describeVersion(l.TLS.MinVersion), describeRequirement(c.Control), describeRequirement(c.Data), describeReuse(l.TLS.Reuse), strings.Join(names, ", "))
}

func describeOrigin(u Upstream) string {
	mode := "explicit"
	switch u.Config.TLS.Mode {
	case upstream.TLSOff:
		return "plain FTP"
	case upstream.TLSImplicit:
		mode = "implicit"
	case upstream.TLSExplicit:
	}
	trust := "certificate verified for " + u.serverName()
	if !u.TLS.Verify {
		trust = "certificate NOT verified"
	}
	if n := len(u.TLS.Pins); n > 0 {
		trust += fmt.Sprintf(", %d pinned keys", n)
	}
	return fmt.Sprintf("%s TLS %s or newer, %s, data %s", mode, describeVersion(u.TLS.MinVersion), trust, describeProtection(u.Config.TLS.Data))
}

func describeProtection(p upstream.DataProtection) string {
	switch p {
	case upstream.DataClear:
		return "clear"
	case upstream.DataSame:
		return "as private as the client's"
	default:
		return "private"
	}
}

func describeVersion(v uint16) string {
	if v == tls.VersionTLS13 {
		return "1.3"
	}
	return "1.2"
}

func describeRequirement(r proxy.Requirement) string {
	if r == proxy.Allow {
		return "may be clear"
	}
	return "must be private"
}

func describeReuse(r tlsterm.Reuse) string {
	switch r {
	case tlsterm.ReuseRequire:
		return "required"
	case tlsterm.ReuseOff:
		return "off"
	default:
		return "preferred"
	}
}

func describeData(c upstream.Config) string {
	switch c.DataMode {
	case upstream.DataActive:
		return "active"
	case upstream.DataMatch:
		return "as the client's"
	default:
		return "passive"
	}
}

func (s *Settings) origin(c Certificate) string {
	switch {
	case c.Files != nil:
		return fmt.Sprintf("files %s and %s", c.Files.Cert, c.Files.Key)
	case c.SelfSigned != nil:
		return fmt.Sprintf("self-signed for %s, kept in %s", strings.Join(c.SelfSigned.Names, ", "), s.selfSignedDir(c.Name))
	case c.ACME != nil:
		return s.describeACME(c.ACME)
	default:
		return "none"
	}
}

func unlimited(n int) string {
	if n == 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}
