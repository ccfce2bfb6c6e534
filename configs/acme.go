package configs

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// ACME is a certificate from an authority, one for each name.
type ACME struct {
	Names []string
	Email string
	// CA is the URL of the authority's directory.
	CA string
	// Root is a PEM file of those who vouch for the authority itself; "": the
	// system's.
	Root      string
	Challenge tlsterm.Challenge
	// Address is where the challenge is answered; "": by implicit listeners.
	Address string
	Profile string
	EAB     *tlsterm.EAB
	DNS     DNS

	at places
}

// DNS is how records get into the zone; at most one is set.
type DNS struct {
	RFC2136 *tlsterm.RFC2136
	Exec    []string
	Webhook *tlsterm.Webhook
}

// places are where an acme block says what.
type places struct{ block, ca, address, dns hcl.Range }

func (d *decoder) acme(c *Certificate) func(*hcl.Block) {
	return func(b *hcl.Block) {
		c.ACME = &ACME{CA: tlsterm.LetsEncrypt, at: places{block: b.DefRange}}
		before := len(d.diags)
		d.within(b, d.acmeSpec(c.ACME))
		if c.ACME.at.address.Filename == "" {
			c.ACME.Address = defaultChallengeAddress(c.ACME.Challenge)
		}
		if len(d.diags) == before && !d.damaged {
			d.checkACME(c.ACME)
		}
	}
}

func defaultChallengeAddress(c tlsterm.Challenge) string {
	switch c {
	case tlsterm.TLSALPN01:
		return ":443"
	case tlsterm.DNS01:
		return ""
	default:
		return ":80"
	}
}

func (d *decoder) acmeSpec(c *ACME) spec {
	return spec{
		settings: []setting{
			{name: "names", required: true, read: list(&c.Names, "ftp.example.com", certificateName)},
			{name: "email", read: unlessEmpty(text(&c.Email, "ops@example.com", mailbox))},
			{name: "ca", read: located(&c.at.ca, text(&c.CA, "letsencrypt", authority))},
			{name: "ca_root", read: unlessEmpty(d.path(&c.Root))},
			{name: "challenge", read: oneOf(
				&c.Challenge,
				choice[tlsterm.Challenge]{"http-01", tlsterm.HTTP01},
				choice[tlsterm.Challenge]{"tls-alpn-01", tlsterm.TLSALPN01},
				choice[tlsterm.Challenge]{"dns-01", tlsterm.DNS01},
			)},
			{name: "address", read: located(&c.at.address, unlessEmpty(text(&c.Address, ":80", listenAddress)))},
			{name: "profile", read: text(&c.Profile, "shortlived", printable)},
		},
		blocks: []nested{
			{kind: "eab", read: func(b *hcl.Block) {
				c.EAB = &tlsterm.EAB{}
				d.within(b, eabSpec(c.EAB))
			}},
			{kind: "dns", read: func(b *hcl.Block) {
				c.at.dns = b.DefRange
				d.within(b, d.dnsSpec(&c.DNS))
			}},
		},
	}
}

func sameText(s string) (string, error) { return s, nil }

// certificateName reads a host name, an IP address or a wildcard.
func certificateName(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, "*."); !isHost(s) && (!ok || !isHost(rest)) {
		return "", fmt.Errorf("%q is neither a host name nor a wildcard such as \"*.example.com\" nor an IP address", s)
	}
	return strings.ToLower(s), nil
}

// authority reads a well-known name or a URL.
func authority(s string) (string, error) {
	known := []string{"letsencrypt", "letsencrypt-staging", "zerossl"}
	for i, directory := range []string{tlsterm.LetsEncrypt, tlsterm.LetsEncryptStaging, tlsterm.ZeroSSL} {
		if s == known[i] {
			return directory, nil
		}
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
		return "", mistake{
			fmt.Sprintf("Unknown value %q", s),
			fmt.Sprintf("It must be one of %s, or the https URL of an ACME directory such as \"https://ca.internal/acme/directory\".%s", quoted(known), didYouMean(s, known)),
		}
	}
	return s, nil
}

func eabSpec(e *tlsterm.EAB) spec {
	return spec{settings: []setting{
		{name: "key_id", required: true, read: text(&e.KeyID, "kid-1", printable)},
		{name: "mac_key", required: true, secret: true, read: secret(&e.MACKey, oneLineSecret)},
	}}
}

func (d *decoder) dnsSpec(c *DNS) spec {
	return spec{blocks: []nested{
		{kind: "rfc2136", read: func(b *hcl.Block) {
			c.RFC2136 = &tlsterm.RFC2136{KeyAlgorithm: "hmac-sha256"}
			d.within(b, rfc2136Spec(c.RFC2136))
		}},
		{kind: "exec", read: func(b *hcl.Block) {
			d.within(b, execSpec(&c.Exec))
		}},
		{kind: "webhook", read: func(b *hcl.Block) {
			c.Webhook = &tlsterm.Webhook{}
			d.within(b, webhookSpec(c.Webhook))
		}},
	}}
}

func execSpec(command *[]string) spec {
	return spec{settings: []setting{
		{name: "command", required: true, read: words(command, "/usr/local/bin/acme-dns")},
	}}
}

func rfc2136Spec(r *tlsterm.RFC2136) spec {
	return spec{settings: []setting{
		{name: "server", required: true, read: text(&r.Server, "ns1.example.com:53", nameServer)},
		{name: "zone", required: true, read: text(&r.Zone, "example.com.", domain)},
		{name: "key_name", read: text(&r.KeyName, "acme.example.com.", domain)},
		{name: "key_algorithm", read: text(&r.KeyAlgorithm, "hmac-sha256", sameText)},
		{name: "key", secret: true, read: secret(&r.Key, oneLineSecret)},
	}}
}

func webhookSpec(w *tlsterm.Webhook) spec {
	return spec{settings: []setting{
		{name: "url", required: true, read: text(&w.URL, "https://dns.internal/acme", sameText)},
		{name: "username", read: text(&w.Username, "ftpsproxy", printable)},
		{name: "password", secret: true, read: secret(&w.Password, oneLineSecret)},
		{name: "token", secret: true, read: secret(&w.Token, oneLineSecret)},
	}}
}

// nameServer reads host:port, or a host whose port is 53.
func nameServer(s string) (string, error) {
	if isHost(s) {
		return s, nil
	}
	return dialAddress(s)
}

// words reads a program and its arguments, which may repeat each other.
func words(dst *[]string, example string) reader {
	return func(v cty.Value, at hcl.Range) error {
		if !v.Type().IsTupleType() || v.LengthInt() == 0 {
			return fmt.Errorf("the value must be a list of the program and its arguments, such as [%q, \"example.com\"]", example)
		}
		var items []string
		for _, element := range v.AsValueSlice() {
			if element.IsNull() {
				return errors.New("the list holds null")
			}
			var item string
			if err := text(&item, example, sameText)(element, at); err != nil {
				return err
			}
			items = append(items, item)
		}
		*dst = items
		return nil
	}
}

// checkACME finds settings that contradict each other.
func (d *decoder) checkACME(c *ACME) {
	n := c.DNS.count()
	switch {
	case n > 1:
		d.errorf(c.at.dns, "Two ways into the zone", "The block \"dns\" has more than one of rfc2136, exec and webhook; keep one.")
		return
	case c.Challenge == tlsterm.DNS01 && n == 0:
		d.errorf(c.at.block, "Missing block", "With challenge = \"dns-01\" a block \"dns\" is needed that says how records get into the zone: dns { rfc2136 { … } }, exec or webhook.")
		return
	case c.CA == tlsterm.ZeroSSL && c.EAB == nil:
		d.errorf(c.at.ca, "Missing block", "ZeroSSL wants to know its customer: add eab { key_id = \"…\", mac_key = env(\"EAB_KEY\") } with the values from its account page.")
		return
	}
	if c.Challenge != tlsterm.DNS01 && c.at.dns.Filename != "" {
		d.warnf(c.at.dns, "Unused block", "The block \"dns\" is for challenge = \"dns-01\"; this certificate has %q.", c.Challenge)
	}
	if c.Challenge == tlsterm.DNS01 && c.Address != "" {
		d.warnf(c.at.address, "Unused address", "Nothing is asked at an address with challenge = \"dns-01\". Leave it out.")
	}
	config := c.config()
	if c.Challenge == tlsterm.DNS01 {
		if w := c.DNS.Webhook; w != nil && w.Username == "" && !w.Password.Empty() {
			d.errorf(c.at.dns, "Missing setting", "The webhook has a password and no username: give both, or a token.")
		}
		solver, err := c.DNS.solver()
		if err != nil {
			d.errorf(c.at.dns, "Records cannot be put into the zone", "%s.", capital(err.Error()))
			return
		}
		config.DNS = solver
	}
	if err := config.Validate(); err != nil {
		d.errorf(c.at.block, "Certificate cannot be ordered", "%s.", capital(err.Error()))
	}
}

func (c DNS) count() (n int) {
	for _, set := range []bool{c.RFC2136 != nil, c.Exec != nil, c.Webhook != nil} {
		if set {
			n++
		}
	}
	return n
}

// solver makes what puts records into the zone.
func (c DNS) solver() (tlsterm.Solver, error) {
	switch {
	case c.RFC2136 != nil:
		return c.RFC2136.Solver()
	case c.Webhook != nil:
		return c.Webhook.Solver()
	default:
		return tlsterm.ExecSolver(c.Exec)
	}
}

// runnable looks for the program of exec.
func (c DNS) runnable() error {
	if c.Exec == nil {
		return nil
	}
	info, err := os.Stat(c.Exec[0])
	if err == nil && (info.IsDir() || info.Mode().Perm()&0o111 == 0) {
		return fmt.Errorf("%s is no program: it must be an executable file", c.Exec[0])
	}
	return err
}

// config lacks what has to be opened: the roots and the way into the zone.
func (c *ACME) config() tlsterm.ACMEConfig {
	return tlsterm.ACMEConfig{
		Names: c.Names, Email: c.Email, Directory: c.CA, Challenge: c.Challenge,
		Address: c.Address, Profile: c.Profile, EAB: c.EAB,
	}
}

// open reads files and checks the rest.
func (c *ACME) open() (tlsterm.ACMEConfig, error) {
	config := c.config()
	var err error
	if c.Root != "" {
		if config.Roots, err = tlsterm.Roots(c.Root); err != nil {
			return config, err
		}
	}
	if c.Challenge == tlsterm.DNS01 {
		if config.DNS, err = c.DNS.solver(); err == nil {
			err = c.DNS.runnable()
		}
		if err != nil {
			return config, err
		}
	}
	return config, config.Validate()
}

// challengeAddresses finds challenges that nobody could answer.
func (d *decoder) challengeAddresses() {
	type holder struct {
		what string
		acme *ACME
	}
	var holders []holder
	for _, c := range d.settings.Certificates {
		if c.ACME == nil || c.ACME.Challenge == tlsterm.DNS01 {
			continue
		}
		if c.ACME.Address == "" {
			d.answeredByListener(c)
			continue
		}
		at := c.ACME.at.address
		if at.Filename == "" {
			at = c.ACME.at.block
		}
		for _, l := range d.settings.Listeners {
			if overlap(c.ACME.Address, l.Config.Address) {
				d.errorf(at, "Address in use", "The listener %q at %s listens at %q already.%s", l.Config.Name, place(l.addressAt), l.Config.Address, answersItself(c, l))
			}
		}
		for _, h := range holders {
			if overlap(c.ACME.Address, h.acme.Address) && (c.ACME.Challenge != h.acme.Challenge || c.ACME.Address != h.acme.Address) {
				d.errorf(at, "Address in use", "The certificate %q answers %v at %q already; certificates with one challenge may share one address, written alike.", h.what, h.acme.Challenge, h.acme.Address)
			}
		}
		holders = append(holders, holder{c.Name, c.ACME})
	}
}

// answersItself advises where the listener can do it.
func answersItself(c Certificate, l Listener) string {
	if c.ACME.Challenge == tlsterm.TLSALPN01 && l.Config.TLS.Mode == proxy.TLSImplicit {
		return " It answers tls-alpn-01 itself: write address = \"\"."
	}
	return ""
}

// answeredByListener wants an implicit listener where there is no address.
func (d *decoder) answeredByListener(c Certificate) {
	for _, l := range d.settings.Listeners {
		if l.Config.TLS.Mode == proxy.TLSImplicit && l.shows(c.Name) {
			return
		}
	}
	if c.ACME.Challenge == tlsterm.TLSALPN01 && !d.damaged {
		d.errorf(c.ACME.at.address, "Nobody answers the challenge", "Without an address tls-alpn-01 is answered by listeners with tls mode \"implicit\" that show this certificate, to which port 443 is forwarded; there is none. Name the address, such as %q.", defaultChallengeAddress(c.ACME.Challenge))
	}
}

func (l Listener) shows(certificate string) bool {
	for _, ref := range l.Certificates {
		if ref.Name == certificate {
			return true
		}
	}
	return false
}

// acmeDir keeps accounts and certificates of authorities.
func (s *Settings) acmeDir() string { return filepath.Join(s.Storage, "acme") }

// describeAuthority is the word for a directory, or its host.
func describeAuthority(directory string) string {
	switch directory {
	case tlsterm.LetsEncrypt:
		return "Let's Encrypt"
	case tlsterm.LetsEncryptStaging:
		return "Let's Encrypt (staging: no client trusts it)"
	case tlsterm.ZeroSSL:
		return "ZeroSSL"
	}
	return directory
}

func (s *Settings) describeACME(c *ACME) string {
	how := fmt.Sprintf("%v answered at %s", c.Challenge, c.Address)
	switch {
	case c.Challenge != tlsterm.DNS01 && c.Address != "":
	case c.DNS.RFC2136 != nil:
		how = "dns-01 by updates to " + c.DNS.RFC2136.Server
	case c.DNS.Exec != nil:
		how = "dns-01 by " + c.DNS.Exec[0]
	case c.DNS.Webhook != nil:
		how = "dns-01 by a webhook"
	case c.Address == "":
		how = "tls-alpn-01 answered by implicit listeners"
	}
	return fmt.Sprintf("%s from %s, %s, kept in %s", strings.Join(c.Names, ", "), describeAuthority(c.CA), how, s.acmeDir())
}
