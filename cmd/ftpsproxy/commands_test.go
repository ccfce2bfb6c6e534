package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const selfSignedConfig = `
listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "behind"
  certificate = "main"
}
upstream "behind" { address = "127.0.0.1:1" }
certificate "main" {
  self_signed {}
}
storage { dir = "state" }
`

func TestCheckTellsWhatWouldRunAndWritesNothing(t *testing.T) {
	config := file(t, "f.hcl", selfSignedConfig)
	r := execute(t, "check", "--config", config)
	if r.status != 0 || r.stderr != "" || !strings.Contains(r.stdout, "listener ftp at 127.0.0.1:0: explicit TLS") {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	entries, err := os.ReadDir(filepath.Dir(config))
	if err != nil || len(entries) != 1 {
		t.Errorf("check left %v (%v)", entries, err)
	}
}

func TestCheckFindsMistakesAndUnusableCertificates(t *testing.T) {
	for name, test := range map[string]struct{ old, with, want string }{
		"mistake":     {`"127.0.0.1:1"`, `"127.0.0.1"`, "is not host:port"},
		"certificate": {"self_signed {}", "files {\n    cert = \"none.pem\"\n    key = \"none.key\"\n  }", "none.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, "check", "--config", file(t, "f.hcl", strings.Replace(selfSignedConfig, test.old, test.with, 1)))
			if r.status != 1 || r.stdout != "" || !strings.Contains(r.stderr, test.want) {
				t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
			}
		})
	}
}

func TestVersionIsOneLine(t *testing.T) {
	r := execute(t, "version")
	if r.status != 0 || !strings.HasPrefix(r.stdout, "ftpsproxy ") || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("status %d, %q", r.status, r.stdout)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := execute(t, "completion", shell); r.status != 0 || !strings.Contains(r.stdout, "ftpsproxy") {
			t.Errorf("%s: status %d, %d bytes", shell, r.status, len(r.stdout))
		}
	}
	// What a shell asks when somebody types "ftpsproxy run --" and TAB.
	r := execute(t, "__complete", "run", "--")
	for _, flag := range []string{"--config", "--to", "--from", "--name", "--storage"} {
		if !strings.Contains(r.stdout, flag) {
			t.Errorf("%s is not completed:\n%s", flag, r.stdout)
		}
	}
}
