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
)

// same compares settings by what they mean, not by where they stand.
var same = cmp.Options{
	cmpopts.IgnoreUnexported(Settings{}, Listener{}, Upstream{}, UpstreamTLS{}, Certificate{}, Policy{}, Ref{}),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// What reference.hcl gives as defaults are the defaults: it says the same as a
// file with nothing but the required settings.
func TestReferenceShowsTheDefaults(t *testing.T) {
	dir := write(t, map[string]string{"minimal.hcl": `
listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = ["main", "trial"]
  policy      = "partners"
}
upstream "legacy" { address = "10.0.0.5:21" }
certificate "main" {
  files {
    cert = "fullchain.pem"
    key  = "key.pem"
  }
}
certificate "trial" {
  self_signed {}
}
policy "partners" {}
`})
	want := load(t, filepath.Join(dir, "minimal.hcl"))
	want.Certificates[0].Files = &Files{Cert: "fullchain.pem", Key: "key.pem"}
	if diff := cmp.Diff(want, load(t, "reference.hcl"), same); diff != "" {
		t.Errorf("reference.hcl differs from the defaults (-default +reference):\n%s", diff)
	}
}

// Every setting that is understood is documented, and nothing else is.
func TestReferenceIsComplete(t *testing.T) {
	d := newDecoder()
	checkDocumented(t, "", d.fileSpec(), referenceBodies(t), map[string]spec{
		"listener":                d.listenerSpec(&Listener{}),
		"listener.tls":            d.tlsSpec(&Listener{}),
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

func referenceBodies(t *testing.T) []*hclsyntax.Body {
	t.Helper()
	text, err := os.ReadFile("reference.hcl")
	if err != nil {
		t.Fatal(err)
	}
	file, diags := hclsyntax.ParseConfig(text, "reference.hcl", hcl.InitialPos)
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
		if a.later {
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
