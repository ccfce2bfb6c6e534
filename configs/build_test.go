package configs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// pair writes a certificate for the given name and its key as NAME.pem and
// NAME.key.
func pair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(dir, name+".key"), "PRIVATE KEY", secret)
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

const filesText = `
certificate "main" {
  files {
    cert = "CERT"
    key  = "KEY"
  }
}
`

func filesBlock(cert, key string) string {
	return strings.NewReplacer("CERT", cert, "KEY", key).Replace(filesText)
}

func build(t *testing.T, s *Settings) proxy.Config {
	t.Helper()
	built, diags := s.Build(Environment{})
	if diags.Len() > 0 {
		t.Fatalf("does not build:\n%s", printed(t, diags))
	}
	if diags := built.Keep(); diags.Len() > 0 {
		t.Fatalf("certificates are not kept:\n%s", printed(t, diags))
	}
	return built.Proxy
}

func TestBuildMakesACompleteConfig(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": `
listener "a" {
  address     = "127.0.0.1:2121"
  upstream    = "legacy"
  certificate = ["main", "trial"]
}
listener "b" {
  address     = "127.0.0.1:9990"
  upstream    = "legacy"
  certificate = "main"
  tls {
    mode       = "implicit"
    truncation = "fail"
  }
}
upstream "legacy" { address = "10.0.0.5:21" }
certificate "trial" {
  self_signed { names = ["localhost"] }
}
storage { dir = "state" }
limits { sessions = 7 }
` + filesBlock("ftp.example.com.pem", "ftp.example.com.key")})
	pair(t, dir, "ftp.example.com")
	c := build(t, load(t, dir))
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	a, b := c.Listeners[0], c.Listeners[1]
	if a.Upstream != b.Upstream {
		t.Error("both listeners name one upstream and got two")
	}
	if !a.TLS.Terminator.Covers("ftp.example.com") || !a.TLS.Terminator.Covers("localhost") {
		t.Error("listener a must cover the names of both its certificates")
	}
	if b.TLS.Terminator.Covers("localhost") {
		t.Error("listener b covers the name of a certificate that it does not have")
	}
	if b.TLS.Mode != proxy.TLSImplicit || b.TLS.Truncation != proxy.TruncationFail || c.Limits.Sessions != 7 {
		t.Errorf("settings are lost: %+v, %+v", b.TLS, c.Limits)
	}
}

func TestCertificatesInFilesCanBeReplaced(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": `
listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = ["main", "trial"]
}
certificate "trial" {
  self_signed {}
}
storage { dir = "state" }
` + upstreamText + filesBlock("a.pem", "a.key")})
	pair(t, dir, "a")
	built, diags := load(t, dir).Build(Environment{})
	if len(built.Watch) != 2 || built.Watch[1].Name != "main" {
		t.Fatalf("watched: %+v, want trial and main\n%s", built.Watch, printed(t, diags))
	}
	pair(t, dir, "a")
	if changed, err := built.Watch[1].Source.Reload(); !changed || err != nil {
		t.Errorf("changed %v, error %v", changed, err)
	}
}

func TestBuildWithoutTLSNeedsNoCertificate(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": upstreamText + `
listener "ftp" {
  address  = ":21"
  upstream = "legacy"
  tls { mode = "off" }
}
`})
	s, diags := Load(dir)
	if s == nil {
		t.Fatal(printed(t, diags))
	}
	got := build(t, s).Listeners[0].TLS
	if got.Terminator != nil || got.Control != proxy.Allow || got.Data != proxy.Allow {
		t.Errorf("got %+v; without TLS nothing can be required", got)
	}
}

func TestUnusableCertificateFilesPointAtTheirBlock(t *testing.T) {
	for name, test := range map[string]struct{ cert, key, want string }{
		"missing":   {"nowhere.pem", "a.key", "nowhere.pem"},
		"mismatch":  {"a.pem", "b.key", "a.pem"},
		"not a PEM": {"f.hcl", "a.key", "f.hcl"},
		"swapped":   {"a.key", "a.pem", "a.key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + filesBlock(test.cert, test.key)})
			pair(t, dir, "a")
			pair(t, dir, "b")
			s := load(t, dir)
			_, fromBuild := s.Build(Environment{})
			for step, diags := range map[string]Diagnostics{"check": s.Check(), "build": fromBuild} {
				got := printed(t, diags)
				if !diags.HasErrors() || !strings.Contains(got, `certificate "main" {`) || !strings.Contains(got, test.want) {
					t.Errorf("%s: want an error at the block that names %s, got\n%s", step, test.want, got)
				}
			}
		})
	}
}

func TestCheckMakesNoCertificate(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": minimalText + "storage { dir = \"state\" }\n"})
	s := load(t, dir)
	if diags := s.Check(); diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	if _, err := os.Stat(s.Storage); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("check made the storage folder: %v", err)
	}
}

func TestBuildMakesNoCertificateForABrokenConfiguration(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": `
listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = ["trial", "main"]
}
certificate "trial" {
  self_signed {}
}
storage { dir = "state" }
` + upstreamText + filesBlock("nowhere.pem", "nowhere.key")})
	s := load(t, dir)
	if _, diags := s.Build(Environment{}); !diags.HasErrors() {
		t.Fatal("no error")
	}
	if _, err := os.Stat(s.Storage); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a certificate was made all the same: %v", err)
	}
}

func TestSelfSignedCertificateSurvivesARestart(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": minimalText + "storage { dir = \"state\" }\n"})
	s := load(t, dir)
	build(t, s)
	first := fileContents(t, s.Storage)
	build(t, load(t, dir))
	if second := fileContents(t, s.Storage); len(first) == 0 || !bytes.Equal(first, second) {
		t.Error("the certificate was made anew, or not kept at all")
	}
}

// fileContents joins all files below a folder.
func fileContents(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, text...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestUnusableStorageIsReported(t *testing.T) {
	dir := write(t, map[string]string{"state": "a file", "f.hcl": minimalText + "storage { dir = \"state\" }\n"})
	built, diags := load(t, filepath.Join(dir, "f.hcl")).Build(Environment{})
	if diags.HasErrors() {
		t.Fatal(printed(t, diags))
	}
	diags = built.Keep()
	if got := printed(t, diags); !diags.HasErrors() || !strings.Contains(got, `certificate "main" {`) || !strings.Contains(got, "storage") {
		t.Errorf("want an error at the certificate that names the storage, got\n%s", got)
	}
}

func TestQuickSettingsBuild(t *testing.T) {
	s, err := Quick{To: "127.0.0.1:21", From: "127.0.0.1:0", Names: []string{"ftp.example.com"}, Storage: t.TempDir()}.Settings()
	if err != nil {
		t.Fatal(err)
	}
	c := build(t, s)
	if !c.Listeners[0].TLS.Terminator.Covers("ftp.example.com") {
		t.Error("the certificate is not for the given name")
	}
}

func TestQuickRefusesWhatAFileWouldRefuse(t *testing.T) {
	good := Quick{To: "127.0.0.1:21", From: ":2121", Storage: "state"}
	for name, q := range map[string]Quick{
		"no port in to":   {To: "10.0.0.5", From: good.From},
		"no host in to":   {To: ":21", From: good.From},
		"no port in from": {To: good.To, From: "10.0.0.5"},
		"name":            {To: good.To, From: good.From, Names: []string{"two words"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := q.Settings(); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := good.Settings(); err != nil {
		t.Error(err)
	}
}

func TestSummaryTellsWhatWouldRun(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": minimalText + `
listener "old" {
  address  = "127.0.0.1:990"
  upstream = "legacy"
  certificate = "main"
  policy      = "watched"
  tls {
    mode          = "implicit"
    min_version   = "1.3"
    data          = "allow"
    session_reuse = "require"
  }
  active { enabled = false }
  passive { advertise = "203.0.113.7" }
}
policy "watched" {
  default = "allow"
  mode    = "monitor"
}
`})
	var b strings.Builder
	if err := load(t, dir).Summary(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/summary.txt", b.String())
}
