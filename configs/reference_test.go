package configs

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// same compares settings by what they mean, not by where they stand.
var same = cmp.Options{
	cmpopts.IgnoreUnexported(Settings{}, Listener{}, Upstream{}, UpstreamTLS{}, Certificate{}, Policy{}, Ref{}, ACME{}, ClientCertificates{}, tlsterm.RFC2136{}),
	cmp.Comparer(func(a, b tlsterm.Secret) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// What reference.hcl gives as defaults are the defaults: it says the same as a
// file with nothing but the required settings.
func TestReferenceShowsTheDefaults(t *testing.T) {
	dir := write(t, map[string]string{"minimal.hcl": `
listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  policy      = "partners"
  certificate = ["main", "public", "wild", "by-program", "by-webhook", "trial"]
  tls {
    client_certificates { ca = "clients.pem" }
  }
}
upstream "legacy" { address = "10.0.0.5:21" }
certificate "main" {
  files {
    cert = "fullchain.pem"
    key  = "key.pem"
  }
}
certificate "public" { acme { names = ["files.example.com"] } }
certificate "wild" {
  acme {
    names     = ["*.example.org", "example.org"]
    challenge = "dns-01"
    dns {
      rfc2136 { server = "ns1.example.org", zone = "example.org.", key_name = "acme", key = "c2VjcmV0IG9mIHRoZSByZWZlcmVuY2U=" }
    }
  }
}
certificate "by-program" {
  acme {
    names     = ["ftp.example.net"]
    challenge = "dns-01"
    dns { exec { command = ["/usr/local/bin/acme-dns", "--zone", "example.net"] } }
  }
}
certificate "by-webhook" {
  acme {
    names     = ["ftp.example.info"]
    challenge = "dns-01"
    eab { key_id = "kid-1", mac_key = "c2VjcmV0IG9mIHRoZSByZWZlcmVuY2U" }
    dns { webhook { url = "https://dns.internal/acme", username = "ftpsproxy", password = "of-the-reference" } }
  }
}
certificate "trial" {
  self_signed {}
}
policy "partners" {}
`})
	want := load(t, filepath.Join(dir, "minimal.hcl"))
	want.Listeners[0].Clients.CA = "clients.pem"
	want.Certificates[0].Files = &Files{Cert: "fullchain.pem", Key: "key.pem"}
	if diff := cmp.Diff(want, load(t, "reference.hcl"), same); diff != "" {
		t.Errorf("reference.hcl differs from the defaults (-default +reference):\n%s", diff)
	}
}

// Every setting that is understood is documented, and nothing else is.
func TestReferenceIsComplete(t *testing.T) {
	d := newDecoder()
	checkDocumented(t, "", d.fileSpec(), referenceBodies(t), map[string]spec{
		"listener":                         d.listenerSpec(&Listener{}),
		"listener.tls":                     d.tlsSpec(&Listener{}),
		"listener.tls.client_certificates": d.clientCertificatesSpec(&ClientCertificates{}),

		"certificate.acme":             d.acmeSpec(&ACME{}),
		"certificate.acme.eab":         eabSpec(&tlsterm.EAB{}),
		"certificate.acme.dns":         d.dnsSpec(&DNS{}),
		"certificate.acme.dns.rfc2136": rfc2136Spec(&tlsterm.RFC2136{}),
		"certificate.acme.dns.exec":    execSpec(&[]string{}),
		"certificate.acme.dns.webhook": webhookSpec(&tlsterm.Webhook{}),

		"listener.passive":        passiveSpec(&proxy.PassiveConfig{}),
		"listener.active":         activeSpec(&proxy.ActiveConfig{}),
		"upstream":                d.upstreamSpec(&Upstream{}),
		"upstream.tls":            d.upstreamTLSSpec(&Upstream{}),
		"certificate":             d.certificateSpec(&Certificate{}),
		"certificate.files":       d.filesSpec(&Files{}),
		"certificate.self_signed": selfSignedSpec(&SelfSigned{}),
		"storage":                 d.storageSpec(d.settings),
		"limits":                  limitsSpec(&proxy.Limits{}),
		"log":                     d.logSpec(&Log{}),
	})
}

func referenceText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("reference.hcl")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func referenceBodies(t *testing.T) []*hclsyntax.Body {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(referenceText(t)), "reference.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return []*hclsyntax.Body{file.Body.(*hclsyntax.Body)}
}

// checkDocumented compares what a kind of block may hold with what all the
// blocks of that kind hold together.
func checkDocumented(t *testing.T, path string, s spec, bodies []*hclsyntax.Body, nested map[string]spec) {
	t.Helper()
	for _, a := range s.settings {
		// Some secrets can only stand there instead of others.
		if a.later || a.secret && strings.Contains(referenceText(t), a.name+" = env(") {
			continue
		}
		if !slices.ContainsFunc(bodies, func(b *hclsyntax.Body) bool { return b.Attributes[a.name] != nil }) {
			t.Errorf("%s: setting %q is not in reference.hcl", path, a.name)
		}
	}
	for _, n := range s.blocks {
		child := strings.TrimPrefix(path+"."+n.kind, ".")
		inner, known := nested[child]
		if n.later || n.kind == "policy" { // whose grammar is the policy package's
			continue
		}
		if !known {
			t.Fatalf("block %s is unknown to this test", child)
		}
		var found []*hclsyntax.Body
		for _, b := range bodies {
			for _, block := range b.Blocks {
				if block.Type == n.kind {
					found = append(found, block.Body)
				}
			}
		}
		checkDocumented(t, child, inner, found, nested)
	}
}

func TestExamplesLoadClean(t *testing.T) {
	files, err := filepath.Glob("examples/*.hcl")
	if err != nil || len(files) < 6 {
		t.Fatalf("found %d examples (%v), want at least 6", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { load(t, file) })
	}
}

// The configuration that the README shows works as it stands there.
func TestReadmeConfigurationLoadsClean(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```hcl\n")
	config, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("README.md shows no configuration")
	}
	load(t, write(t, map[string]string{"readme.hcl": config}))
}
