package configs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

func (d *decoder) upstream(b *hcl.Block) {
	u := defaultUpstream(d.name(b))
	u.at = b.DefRange
	before := len(d.diags)
	d.within(b, d.upstreamSpec(&u))
	u.flawed = d.flawedSince(before)
	d.settings.Upstreams = append(d.settings.Upstreams, u)
}

func (d *decoder) upstreamSpec(u *Upstream) spec {
	c := &u.Config
	return spec{
		settings: []setting{
			{name: "address", required: true, read: text(&c.Address, "10.0.0.5:21", dialAddress)},
			{name: "connect_timeout", read: duration(&c.ConnectTimeout, time.Nanosecond)},
			{name: "data_mode", read: oneOf(
				&c.DataMode,
				choice[upstream.DataMode]{"passive", upstream.DataPassive},
				choice[upstream.DataMode]{"active", upstream.DataActive},
				choice[upstream.DataMode]{"match", upstream.DataMatch},
			)},
			{name: "passive_address", read: oneOf(
				&c.BelieveReply,
				choice[bool]{"control", false},
				choice[bool]{"reply", true},
			)},
			{name: "source", read: unlessClient(localIP(&c.Source))},
			notYet("balance", "round_robin"),
			notYet("proxy_protocol", "off"),
		},
		blocks: []nested{
			{kind: "tls", read: func(b *hcl.Block) {
				u.TLS.at = b.DefRange
				d.within(b, d.upstreamTLSSpec(u))
			}},
			d.later("server", "address"),
			d.later("health"),
		},
	}
}

// unlessClient refuses source = "client", which needs a transparent listener.
func unlessClient(read reader) reader {
	return func(v cty.Value, at hcl.Range) error {
		if v.Type() == cty.String && v.AsString() == "client" {
			return mistake{unsupported, "This version cannot keep the client's address towards the upstream. Leave the setting out, or name a local IP address."}
		}
		return read(v, at)
	}
}

func (d *decoder) upstreamTLSSpec(u *Upstream) spec {
	c, t := &u.Config.TLS, &u.TLS
	return spec{settings: []setting{
		{name: "mode", read: oneOf(
			&c.Mode,
			choice[upstream.TLSMode]{"off", upstream.TLSOff},
			choice[upstream.TLSMode]{"explicit", upstream.TLSExplicit},
			choice[upstream.TLSMode]{"implicit", upstream.TLSImplicit},
		)},
		{name: "data", read: oneOf(
			&c.Data,
			choice[upstream.DataProtection]{"private", upstream.DataPrivate},
			choice[upstream.DataProtection]{"clear", upstream.DataClear},
			choice[upstream.DataProtection]{"match", upstream.DataSame},
		)},
		{name: "server_name", read: unlessEmpty(text(&t.ServerName, "ftp.internal", serverName))},
		{name: "ca", read: located(&t.caAt, unlessEmpty(d.path(&t.CA)))},
		{name: "certificate", read: unlessEmpty(reference(&t.Certificate))},
		{name: "verify", read: located(&t.verifyAt, boolean(&t.Verify))},
		{name: "pins", read: pins(&t.Pins)},
		{name: "min_version", read: oneOf(
			&t.MinVersion,
			choice[uint16]{"1.2", tls.VersionTLS12},
			choice[uint16]{"1.3", tls.VersionTLS13},
		)},
	}}
}

// unlessEmpty takes "" for the default.
func unlessEmpty(read reader) reader {
	return func(v cty.Value, at hcl.Range) error {
		if v.Type() == cty.String && v.AsString() == "" {
			return nil
		}
		return read(v, at)
	}
}

func serverName(s string) (string, error) {
	if !isHost(s) {
		return "", fmt.Errorf("%q is not a name to look for in a certificate; write a host name such as \"ftp.internal\", or an IP address, without a port", s)
	}
	return s, nil
}

// pins reads keys; an empty list asks for none.
func pins(dst *[]tlsterm.Pin) reader {
	return func(v cty.Value, at hcl.Range) error {
		if v.Type().Equals(cty.EmptyTuple) {
			return nil
		}
		var found []tlsterm.Pin
		var texts []string
		err := list(&texts, "base64 of a SHA-256", func(s string) (string, error) {
			pin, err := tlsterm.ParsePin(s)
			found = append(found, pin)
			return s, err
		})(v, at)
		*dst = found
		return err
	}
}

// untrusted is the headline over a tls block whose files cannot be used.
const untrusted = "TLS towards the upstream cannot be used"

// originator reads the files that TLS towards the upstream needs; nil without
// TLS.
func (u *Upstream) originator(certificates map[string]tlsterm.Source) (*tlsterm.Originator, error) {
	if u.Config.TLS.Mode == upstream.TLSOff {
		return nil, nil
	}
	c := tlsterm.DefaultOrigin()
	c.ServerName, c.SkipVerify, c.Pins, c.MinVersion = u.serverName(), !u.TLS.Verify, u.TLS.Pins, u.TLS.MinVersion
	if u.TLS.CA != "" {
		roots, err := tlsterm.Roots(u.TLS.CA)
		if err != nil {
			return nil, err
		}
		c.Roots = roots
	}
	if name := u.TLS.Certificate.Name; name != "" {
		source, ok := certificates[name]
		if !ok {
			return nil, fmt.Errorf("%w: %q", errCertificateMissing, name)
		}
		c.Certificate = source
	}
	return tlsterm.NewOriginator(c)
}

var errCertificateMissing = errors.New("the certificate is missing")

// serverName is the host that the upstream's certificate is verified against. A
// zone says which of our links leads to an address, and stands in no
// certificate.
func (u *Upstream) serverName() string {
	if u.TLS.ServerName != "" {
		return u.TLS.ServerName
	}
	host, _, _ := net.SplitHostPort(u.Config.Address)
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").String()
	}
	return host
}

// upstreamTLS warns of what makes TLS towards an upstream worth less than it
// looks.
func (d *decoder) upstreamTLS(u Upstream) {
	name, t := u.Config.Name, u.TLS
	asks := !t.Verify || t.CA != "" || t.ServerName != "" || t.Certificate.Name != "" || len(t.Pins) > 0
	switch {
	case !asks || d.damaged:
	case u.Config.TLS.Mode == upstream.TLSOff:
		d.warnf(t.at, "TLS is off", "The upstream %q has a tls block whose mode is \"off\": nothing in it is used, and names, passwords and files reach the upstream in clear text.", name)
		return
	case !t.Verify && len(t.Pins) > 0:
		d.warnf(t.verifyAt, "Certificate not verified", "The upstream %q is known by its pinned keys alone; names and dates in its certificate do not count.", name)
	case !t.Verify:
		d.warnf(t.verifyAt, "Certificate not verified", "Anybody on the way to the upstream %q can take its place and read passwords and files. Give the authority that vouches for it as ca = \"FILE\" (a self-signed certificate is its own), or its key in pins.", name)
	}
	if !t.Verify && t.CA != "" {
		d.warnf(t.caAt, "Authority without verification", "The upstream %q has verify = false: the authorities in ca are not asked.", name)
	}
}

// fromFiles refuses certificates that upstreams cannot be shown.
func (d *decoder) fromFiles(ref Ref) {
	i := slices.IndexFunc(d.settings.Certificates, func(c Certificate) bool { return c.Name == ref.Name })
	if i >= 0 && d.settings.Certificates[i].Files == nil && !d.damaged {
		d.errorf(ref.at, "Not a client certificate", "%s.", capital(errNotFiles.Error()))
	}
}

var errNotFiles = errors.New("an upstream is shown a certificate that it was told to trust: name a certificate block with files")
