package configs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

func TestACMEIsBuiltAndNothingStarted(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": acmeText(`names = ["FTP.example.com", "192.0.2.1"]`)})
	s := load(t, filepath.Join(dir, "f.hcl"))
	built, diags := s.Build(Environment{})
	if diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	if len(built.ACME) != 1 || built.ACME[0].Name != "main" || strings.Join(built.ACME[0].ACME.Names(), " ") != "ftp.example.com 192.0.2.1" {
		t.Errorf("%+v", built.ACME)
	}
	if built.Proxy.Listeners[0].TLS.Terminator.Ready() {
		t.Error("ready without a certificate")
	}
	if _, err := os.Stat(s.Storage); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the storage was made: %v", err)
	}
}

func TestChallengeAddresses(t *testing.T) {
	for name, test := range map[string]struct {
		lines []string
		want  string
	}{
		"http-01":              {nil, ":80"},
		"tls-alpn-01":          {[]string{`challenge = "tls-alpn-01"`}, ":443"},
		"another":              {[]string{`address = "192.0.2.1:8080"`}, "192.0.2.1:8080"},
		"dns-01 needs none":    {[]string{`challenge = "dns-01"`, `dns { exec { command = ["/bin/true"] } }`}, ""},
		"case does not matter": {[]string{`challenge = "http-01"`}, ":80"},
	} {
		dir := write(t, map[string]string{"f.hcl": acmeText(append(test.lines, `names = ["ftp.example.com"]`)...)})
		if got := load(t, filepath.Join(dir, "f.hcl")).Certificates[0].ACME.Address; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Both check and run say what is wrong with the files.
func TestACMEFilesMustBeUsable(t *testing.T) {
	for lines, want := range map[string]string{
		`ca_root = "none.pem"`: "annot read CA file",
		"challenge = \"dns-01\"\n dns { exec { command = [\"/no/such/program\"] } }": "no such file",
		"challenge = \"dns-01\"\n dns { exec { command = [\"/etc/passwd\"] } }":      "is no program",
	} {
		dir := write(t, map[string]string{"f.hcl": acmeText(`names = ["ftp.example.com"]`, lines)})
		s := load(t, filepath.Join(dir, "f.hcl"))
		_, built := s.Build(Environment{})
		for _, diags := range []Diagnostics{s.Check(), built} {
			if text := printed(t, diags); !diags.HasErrors() || !strings.Contains(text, want) || !strings.Contains(text, `in certificate "main"`) {
				t.Errorf("want %q in\n%s", want, text)
			}
		}
	}
}

func TestCertificateStates(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": `
listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = ["main", "trial", "public", "gone"]
}
certificate "trial" {
  self_signed { names = ["localhost"] }
}
certificate "public" {
  acme { names = ["ftp.example.org"] }
}
certificate "gone" {
  files { cert = "none.pem", key = "none.key" }
}
storage { dir = "state" }
` + upstreamText + filesBlock("ftp.example.com.pem", "ftp.example.com.key")})
	pair(t, dir, "ftp.example.com")
	s := load(t, dir)
	states, diags := s.CertificateStates(context.Background())
	if diags.Len() > 0 || len(states) != 4 {
		t.Fatalf("%+v\n%s", states, printed(t, diags))
	}
	by := map[string]CertificateState{}
	for _, state := range states {
		by[state.Block] = state
	}
	if m := by["main"]; m.Expires.IsZero() || m.Note != "" || strings.Join(m.Names, " ") != "ftp.example.com" {
		t.Errorf("files: %+v", m)
	}
	if p := by["public"]; p.Note != "not obtained yet" || p.Source != "acme acme-v02.api.letsencrypt.org, http-01" || p.Names[0] != "ftp.example.org" {
		t.Errorf("acme: %+v", p)
	}
	if g := by["gone"]; !strings.Contains(g.Note, "cannot read certificate file") {
		t.Errorf("a missing file: %+v", g)
	}
	if tr := by["trial"]; tr.Note != "made at the next start" {
		t.Errorf("self-signed: %+v", tr)
	}
	if _, err := os.Stat(s.Storage); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the storage was made: %v", err)
	}
	if _, err := tlsterm.SelfSigned(s.selfSignedDir("trial"), []string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	states, _ = s.CertificateStates(context.Background())
	for _, state := range states {
		if state.Block == "trial" && (state.Note != "" || state.Expires.IsZero()) {
			t.Errorf("self-signed, once made: %+v", state)
		}
	}
}

func TestCertificateStatesOfUnreadableStorage(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": acmeText(`names = ["ftp.example.com"]`), "state": "a file"})
	states, diags := load(t, filepath.Join(dir, "f.hcl")).CertificateStates(context.Background())
	if diags.Len() > 0 || len(states) != 1 || !strings.Contains(states[0].Note, "not a directory") {
		t.Errorf("%+v\n%s", states, printed(t, diags))
	}
}

func TestSummaryOfCertificates(t *testing.T) {
	var b strings.Builder
	for _, example := range []string{"acme", "acme-behind-nat", "acme-in-house", "client-certificates"} {
		if err := load(t, filepath.Join("examples", example+".hcl")).Summary(&b); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "testdata/summary_certificates.txt", b.String())
}

func TestOrders(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": acmeText(`names = ["ftp.example.com", "b.example.com"]`)})
	built, diags := load(t, filepath.Join(dir, "f.hcl")).Build(Environment{})
	if diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	for wanted, want := range map[string]int{"main": 2, "FTP.example.com": 1, "c.example.com": 0} {
		found, known := Orders(built.ACME, wanted)
		if len(found) != want || strings.Join(known, " ") != "b.example.com ftp.example.com main" {
			t.Errorf("%s: %d, known %q", wanted, len(found), known)
		}
	}
}

func TestQuickOrders(t *testing.T) {
	q := Quick{To: "127.0.0.1:21", From: "127.0.0.1:0", Names: []string{"ftp.example.com"}, Email: "ops@example.com", Storage: t.TempDir()}
	s, err := q.Settings()
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Certificates[0].ACME; a == nil || a.CA != tlsterm.LetsEncrypt || a.Email != q.Email || a.Address != ":80" {
		t.Errorf("%+v", s.Certificates)
	}
	build(t, s)
	for _, change := range []func(*Quick){
		func(q *Quick) { q.Names = nil },
		func(q *Quick) { q.Email = "nobody" },
	} {
		wrong := q
		change(&wrong)
		if _, err := wrong.Settings(); err == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
}

// clientsSettings is a configuration whose listener asks for certificates.
func clientsSettings(t *testing.T, lines ...string) (dir string, s *Settings) {
	t.Helper()
	dir = write(t, map[string]string{"f.hcl": `
listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "legacy"
  certificate = "main"
  tls {
    client_certificates {
      ca = "clients.pem"
      ` + strings.Join(lines, "\n      ") + `
    }
  }
}
storage { dir = "state" }
` + upstreamText + certificateText})
	pair(t, dir, "clients")
	return dir, load(t, filepath.Join(dir, "f.hcl"))
}

func TestClientAuthoritiesAreWatched(t *testing.T) {
	dir, s := clientsSettings(t)
	built, diags := s.Build(Environment{})
	if diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	// Before them is the self-signed certificate.
	if len(built.Watch) != 2 || built.Watch[1].What != "client authorities" || built.Watch[1].Name != "ftp" {
		t.Fatalf("%+v", built.Watch)
	}
	pair(t, dir, "clients")
	if changed, err := built.Watch[1].Source.Reload(); !changed || err != nil {
		t.Errorf("%t, %v", changed, err)
	}
}

func TestClientAuthoritiesMustBeUsable(t *testing.T) {
	dir, s := clientsSettings(t, `crl = "clients.crl"`)
	if err := os.WriteFile(filepath.Join(dir, "clients.crl"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, built := s.Build(Environment{})
	for _, diags := range []Diagnostics{s.Check(), built} {
		if text := printed(t, diags); !diags.HasErrors() || !strings.Contains(text, "evocation list file") || !strings.Contains(text, `in listener "ftp"`) {
			t.Errorf("got\n%s", text)
		}
	}
	if _, err := os.Stat(s.Storage); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a certificate was made for a configuration that cannot run: %v", err)
	}
}
