package configs

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// ClientCertificates are what a listener asks its clients for.
type ClientCertificates struct {
	// CA is a PEM file of those who issue the certificates; CRL lists what they
	// have revoked, "": nobody asks.
	CA, CRL string
	// Login is what a certificate has to do with the login.
	Login proxy.ClientLogin

	at     clientPlaces
	flawed bool
}

type clientPlaces struct{ block, names, login, password hcl.Range }

func (d *decoder) clientCertificates(l *Listener) func(*hcl.Block) {
	return func(b *hcl.Block) {
		c := &ClientCertificates{
			Login: proxy.ClientLogin{Required: true, Names: tlsterm.NameFromCommonName},
			at:    clientPlaces{block: b.DefRange},
		}
		l.Clients = c
		before := len(d.diags)
		d.within(b, d.clientCertificatesSpec(c))
		if len(d.diags) == before && !d.damaged {
			d.checkClients(c)
		}
		c.flawed = d.flawedSince(before)
	}
}

func (d *decoder) clientCertificatesSpec(c *ClientCertificates) spec {
	return spec{settings: []setting{
		{name: "mode", read: oneOf(
			&c.Login.Required,
			choice[bool]{"require", true},
			choice[bool]{"optional", false},
		)},
		{name: "ca", required: true, read: d.path(&c.CA)},
		{name: "crl", read: unlessEmpty(d.path(&c.CRL))},
		{name: "map", read: located(&c.at.names, oneOf(
			&c.Login.Names,
			choice[tlsterm.NameFrom]{"none", tlsterm.NameFromNothing},
			choice[tlsterm.NameFrom]{"cn", tlsterm.NameFromCommonName},
			choice[tlsterm.NameFrom]{"email", tlsterm.NameFromEmail},
			choice[tlsterm.NameFrom]{"dns", tlsterm.NameFromDNS},
		))},
		{name: "login", read: located(&c.at.login, oneOf(
			&c.Login.Only,
			choice[bool]{"match", false},
			choice[bool]{"only", true},
		))},
		{name: "login_password", secret: true, read: located(&c.at.password, secret(&c.Login.Password, oneLineSecret))},
	}}
}

func (d *decoder) checkClients(c *ClientCertificates) {
	switch {
	case c.Login.Only && c.Login.Names == tlsterm.NameFromNothing:
		d.errorf(c.at.login, "Nobody to log in", "With map = \"none\" a certificate names no user, so it cannot be the login. Say where the name is: map = \"cn\", \"email\" or \"dns\".")
	case c.Login.Only && c.Login.Password.Empty():
		d.errorf(c.at.login, "Missing setting", "With login = \"only\" nobody is asked for a password: say what the upstream gets, login_password = env(\"NAME\") or file(\"path\").")
	case !c.Login.Only && !c.Login.Password.Empty():
		d.errorf(c.at.password, "Unused password", "login_password is for login = \"only\"; clients with login = \"match\" give a password of their own.")
	}
}

// clientsWithoutTLS refuses what could never be asked for.
func (d *decoder) clientsWithoutTLS(l Listener) {
	if l.Clients != nil && l.Config.TLS.Mode == proxy.TLSOff && !d.damaged {
		d.errorf(l.Clients.at.block, "Client certificates without TLS", "The listener %q has tls mode \"off\": its clients cannot be asked for a certificate.", l.Config.Name)
	}
}

func describeClients(c *ClientCertificates) string {
	words := "optional"
	if c.Login.Required {
		words = "required"
	}
	words += ", issued by " + c.CA
	if c.CRL != "" {
		words += " unless revoked in " + c.CRL
	}
	from := map[tlsterm.NameFrom]string{
		tlsterm.NameFromCommonName: "the common name", tlsterm.NameFromEmail: "an e-mail address", tlsterm.NameFromDNS: "a DNS name",
	}[c.Login.Names]
	switch {
	case from == "":
		return words
	case c.Login.Only:
		return fmt.Sprintf("%s; %s logs in by itself", words, from)
	default:
		return fmt.Sprintf("%s; USER must be %s", words, from)
	}
}
