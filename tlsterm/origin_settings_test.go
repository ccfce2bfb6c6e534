package tlsterm

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOriginSettings(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*OriginConfig)
		want   string // "": valid
	}{
		{"a name", nil, ""},
		{"an IPv4 address", func(c *OriginConfig) { c.ServerName = "192.0.2.1" }, ""},
		{"an IPv6 address", func(c *OriginConfig) { c.ServerName = "2001:db8::1" }, ""},
		{"an IPv6 address in brackets", func(c *OriginConfig) { c.ServerName = "[2001:db8::1]" }, ""},
		{"one label", func(c *OriginConfig) { c.ServerName = "legacy_ftp" }, ""},
		{"the root's dot", func(c *OriginConfig) { c.ServerName = "ftp.example.com." }, ""},
		{"no name", func(c *OriginConfig) { c.ServerName = "" }, "server name to verify is missing"},
		{"a port", func(c *OriginConfig) { c.ServerName = "ftp.example.com:21" }, "without a port"},
		{"an address with a port", func(c *OriginConfig) { c.ServerName = "192.0.2.1:21" }, "without a port"},
		{"a URL", func(c *OriginConfig) { c.ServerName = "ftps://ftp.example.com" }, "is no server name"},
		{"an empty label", func(c *OriginConfig) { c.ServerName = "ftp..example.com" }, "is no server name"},
		{"a wildcard", func(c *OriginConfig) { c.ServerName = "*.example.com" }, "is no server name"},
		{"a zone", func(c *OriginConfig) { c.ServerName = "fe80::1%eth0" }, "is no server name"},
		{"TLS 1.1", func(c *OriginConfig) { c.MinVersion = tls.VersionTLS11 }, "must be TLS 1.2 or TLS 1.3"},
		{"no version", func(c *OriginConfig) { c.MinVersion = 0 }, "must be TLS 1.2 or TLS 1.3"},
	} {
		cfg := DefaultOrigin()
		cfg.ServerName = upstreamName
		if c.change != nil {
			c.change(&cfg)
		}
		_, err := NewOriginator(cfg)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A pin is what the command in the error message prints.
func TestPinIsWhatOpenSSLPrints(t *testing.T) {
	cert := newCert(t, upstreamName)
	_, err := ParsePin("none")
	if err == nil {
		t.Fatal("no error")
	}
	_, command, ok := strings.Cut(err.Error(), "printed by: ")
	if !ok {
		t.Fatalf("no command in %q", err)
	}
	sh := exec.CommandContext(within(t), "sh", "-c", strings.Replace(command, "cert.pem", `"$1"`, 1), "sh", cert.file(t))
	out, err := sh.Output()
	if err != nil {
		t.Fatal(err)
	}
	pin, err := ParsePin(strings.TrimSpace(string(out)))
	if err != nil || pin != pinOf(cert.cert.Leaf) {
		t.Errorf("%q: %v, %v", out, pin, err)
	}
	if again, err := ParsePin(pin.String()); err != nil || again != pin {
		t.Errorf("%v is read as %v, %v", pin, again, err)
	}
}

func TestWhatIsNoPin(t *testing.T) {
	good := Pin{31: 4}.String()
	for name, text := range map[string]string{
		"empty":             "",
		"too short":         good[:40],
		"without padding":   strings.TrimRight(good, "="),
		"a line break":      good[:20] + "\n" + good[20:],
		"another alphabet":  "_" + good[1:],
		"hexadecimal":       strings.Repeat("0a", 32),
		"stray bits":        good[:42] + "R=", // the last bits of a sextet that mean nothing
		"blanks around it":  " " + good,
		"a hash's name":     "sha256/" + good,
		"longer than a pin": good + good,
	} {
		if p, err := ParsePin(text); err == nil {
			t.Errorf("%s: %q is read as %v", name, text, p)
		}
	}
}

func TestRoots(t *testing.T) {
	one, two := newCert(t, upstreamName), newCert(t, upstreamName)
	file := filepath.Join(t.TempDir(), "ca.pem")
	bundle := "Our two authorities:\n" + string(one.certPEM) + "\n" + string(two.keyPEM) + string(two.certPEM)
	writeFile(t, file, []byte(bundle))
	roots, err := Roots(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, cert := range []testCert{one, two} {
		o := newOriginator(t, func(c *OriginConfig) { c.Roots = roots }).Bind()
		if m := newGoServer(cert, tls.VersionTLS13).control(t, o); m.clientErr != nil {
			t.Errorf("certificate %d of the file: %v", i, m.clientErr)
		}
	}
	o := newOriginator(t, func(c *OriginConfig) { c.Roots = roots }).Bind()
	if m := newGoServer(newCert(t, upstreamName), tls.VersionTLS13).control(t, o); m.clientErr == nil {
		t.Error("a certificate was accepted that is not in the file")
	}
}

// Each mistake in the file is told when it is read, and names the file: a root
// that was left out would be missed only when a handshake fails.
func TestMistakesInACAFile(t *testing.T) {
	cert, other := newCert(t, upstreamName), newCert(t, upstreamName)
	whole := string(cert.certPEM)
	junk := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no DER")}))
	for _, c := range []struct{ name, content, want string }{
		{"empty", "", "holds no PEM block"},
		{"DER", string(cert.cert.Certificate[0]), "holds no PEM block"},
		{"a key alone", string(cert.keyPEM), "holds only PRIVATE KEY"},
		{"a block that is no certificate", whole + junk, "PEM block 2 is no certificate"},
		{"a last block cut short", whole + string(other.certPEM[:200]), "of 2 PEM blocks only 1 can be read"},
		{"a first block cut short", whole[:200] + "\n" + string(other.certPEM), "only 1 can be read"},
		{"a damaged block", strings.Replace(whole, "\n", "\n!!", 1) + string(other.certPEM), "only 1 can be read"},
	} {
		file := filepath.Join(t.TempDir(), "ca.pem")
		writeFile(t, file, []byte(c.content))
		roots, err := Roots(file)
		if err == nil || roots != nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := Roots(missing); err == nil || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
	if _, err := Roots(os.TempDir()); err == nil {
		t.Error("a folder was accepted")
	}
}
