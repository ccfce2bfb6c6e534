package configs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pairUntil writes a certificate and key that are valid until then.
func pairUntil(t *testing.T, dir, name string, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: end.Add(-90 * 24 * time.Hour), NotAfter: end,
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

// A certificate that has expired is a mistake, and one that soon will a warning at
// its block: it is shown, and nobody is to miss it.
func TestCertificatesThatEndAreWarnedOf(t *testing.T) {
	for name, test := range map[string]struct {
		left time.Duration
		want string // "": no warning
	}{
		"in a week":      {7 * 24 * time.Hour, "expires on"},
		"in three weeks": {21 * 24 * time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + filesBlock("a.pem", "a.key")})
			pairUntil(t, dir, "a", time.Now().Add(test.left))
			s := load(t, dir)
			built, fromBuild := s.Build(Environment{})
			if len(built.Proxy.Listeners) != 1 || !built.Proxy.Listeners[0].TLS.Terminator.Ready() {
				t.Fatalf("it is not shown:\n%s", printed(t, fromBuild))
			}
			for step, diags := range map[string]Diagnostics{"check": s.Check(), "build": fromBuild} {
				got := printed(t, diags)
				if diags.HasErrors() || (diags.Len() > 0) != (test.want != "") || !strings.Contains(got, test.want) || test.want != "" && !strings.Contains(got, `certificate "main" {`) {
					t.Errorf("%s:\n%s", step, got)
				}
			}
		})
	}
}

func TestExpiredCertificatesAreRefused(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + filesBlock("a.pem", "a.key")})
	pairUntil(t, dir, "a", time.Now().Add(-time.Hour))
	s := load(t, dir)
	_, fromBuild := s.Build(Environment{})
	for step, diags := range map[string]Diagnostics{"check": s.Check(), "build": fromBuild} {
		if got := printed(t, diags); !diags.HasErrors() || !strings.Contains(got, "expired on") {
			t.Errorf("%s:\n%s", step, got)
		}
	}
}

// A new configuration does not put an expired certificate in the place of a valid
// one that the former has open.
func TestNextConfigurationKeepsWhatIsBetter(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + filesBlock("a.pem", "a.key")})
	pairUntil(t, dir, "a", time.Now().Add(60*24*time.Hour))
	env := Environment{Opened: &Opened{}}
	first, diags := load(t, dir).Build(env)
	if diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	pairUntil(t, dir, "a", time.Now().Add(-time.Hour))
	if _, diags := load(t, dir).Build(env); !diags.HasErrors() || !strings.Contains(printed(t, diags), "expired on") {
		t.Errorf("got\n%s", printed(t, diags))
	}
	if text := first.Watch[0].Source.Warning(time.Now()); text != "" {
		t.Errorf("the valid one is given up: %s", text)
	}
}

// Sessions of the former configuration hear of revocations, too.
func TestNextConfigurationSharesClientAuthorities(t *testing.T) {
	dir, s := clientsSettings(t)
	env := Environment{Opened: &Opened{}}
	first, diags := s.Build(env)
	if diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	second, diags := load(t, filepath.Join(dir, "f.hcl")).Build(env)
	if diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	if first.Watch[1].Source != second.Watch[1].Source {
		t.Error("they are two")
	}
}

// The list shows what has expired, and it is no reason to fail.
func TestExpiredCertificateIsListed(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + filesBlock("a.pem", "a.key")})
	pairUntil(t, dir, "a", time.Now().Add(-time.Hour))
	states, diags := load(t, dir).CertificateStates(t.Context())
	if diags.Len() > 0 || len(states) != 1 || !strings.Contains(states[0].Note, "expired on") {
		t.Errorf("%+v\n%s", states, printed(t, diags))
	}
}

// What no configuration uses any more is not kept; one that is refused takes nothing
// away.
func TestOpenedForgets(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + filesBlock("a.pem", "a.key")})
	pair(t, dir, "a")
	pair(t, dir, "b")
	o := &Opened{}
	build := func(cert, key string) Diagnostics {
		dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + filesBlock(filepath.Join(dir, cert), filepath.Join(dir, key))})
		_, diags := load(t, dir).Build(Environment{Opened: o})
		return diags
	}
	build("a.pem", "a.key")
	o.Forget()
	if diags := build("b.pem", "a.key"); !diags.HasErrors() || len(o.certificates) != 1 {
		t.Errorf("%d after a configuration that is refused", len(o.certificates))
	}
	build("b.pem", "b.key")
	if len(o.certificates) != 2 {
		t.Errorf("%d before the next is in force", len(o.certificates))
	}
	o.Forget()
	if _, kept := o.certificates[filePair{filepath.Join(dir, "b.pem"), filepath.Join(dir, "b.key")}]; !kept || len(o.certificates) != 1 {
		t.Errorf("%d are kept", len(o.certificates))
	}
}
