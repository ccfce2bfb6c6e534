package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tlsUpstream is a configuration whose upstream has the given tls settings.
func tlsUpstream(t *testing.T, address string, lines ...string) (dir string, s *Settings) {
	t.Helper()
	dir = write(t, map[string]string{"f.hcl": listenerText + certificateText + `
storage { dir = "state" }
upstream "legacy" {
  address = "` + address + `"
  tls {
    ` + strings.Join(lines, "\n    ") + `
  }
}
`})
	s, diags := Load(filepath.Join(dir, "f.hcl"))
	if diags.HasErrors() {
		t.Fatal(printed(t, diags))
	}
	return dir, s
}

func TestUpstreamTLSIsBuilt(t *testing.T) {
	dir, s := tlsUpstream(t, "10.0.0.5:990", `mode = "implicit"`, `ca = "house.pem"`)
	pair(t, dir, "house")
	if diags := s.Check(); diags.Len() > 0 {
		t.Error(printed(t, diags))
	}
	if c := build(t, s).Listeners[0].Upstream.Config(); c.TLS.Originator == nil {
		t.Error("there is no originator")
	}
}

func TestUpstreamWithoutTLSNeedsNothing(t *testing.T) {
	_, s := tlsUpstream(t, "10.0.0.5:21", `mode = "off"`)
	if c := build(t, s).Listeners[0].Upstream.Config(); c.TLS.Originator != nil {
		t.Error("there is an originator for clear text")
	}
}

// Both check and run say what is wrong with the files, at the place that names
// them.
func TestUpstreamTLSFilesMustBeUsable(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"missing":     {"", "cannot read CA file"},
		"not PEM":     {"hello", "holds no PEM block"},
		"a key alone": {"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "give a PEM file with a CERTIFICATE block"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, s := tlsUpstream(t, "10.0.0.5:21", `mode = "explicit"`, `ca = "house.pem"`)
			if test.content != "" {
				if err := os.WriteFile(filepath.Join(dir, "house.pem"), []byte(test.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, built := s.Build(Environment{})
			for _, diags := range []Diagnostics{s.Check(), built} {
				text := strings.ToLower(printed(t, diags))
				if !diags.HasErrors() || !strings.Contains(text, strings.ToLower(test.want)) || !strings.Contains(text, `in upstream "legacy"`) {
					t.Errorf("want an error in the upstream block with %q, got\n%s", test.want, text)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
				t.Error("a self-signed certificate was made for a configuration that cannot run")
			}
		})
	}
}

func TestNameToVerifyDefaultsToTheHost(t *testing.T) {
	for address, want := range map[string]string{
		"ftp.internal:990":     "ftp.internal",
		"10.0.0.5:21":          "10.0.0.5",
		"[2001:db8::5]:21":     "2001:db8::5",
		"[fe80::5%eth0]:21":    "fe80::5",
		"other.example.com:21": "other.example.com",
	} {
		_, s := tlsUpstream(t, address, `mode = "explicit"`)
		if got := s.Upstreams[0].serverName(); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
		build(t, s)
	}
	_, s := tlsUpstream(t, "10.0.0.5:21", `mode = "explicit"`, `server_name = "ftp.internal"`)
	if got := s.Upstreams[0].serverName(); got != "ftp.internal" {
		t.Errorf("%q instead of server_name", got)
	}
}
