package main

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ftpsproxy/ftpsproxy/configs"
)

// ailing never changes and has a warning.
type ailing struct{ text string }

func (ailing) Reload() (bool, error)      { return false, nil }
func (a ailing) Warning(time.Time) string { return a.text }

// A warning is written at once, and the same one once a day, whatever is reloaded
// meanwhile.
func TestWarningsAreRepeatedEveryDay(t *testing.T) {
	core, logged := observer.New(zapcore.WarnLevel)
	w := watcher{log: zap.New(core)}
	start := time.Now()
	for _, step := range []struct {
		at   time.Duration
		text string
		want int
	}{
		{0, "", 0},
		{time.Hour, "it expires", 1},
		{2 * time.Hour, "it expires", 1},
		{24 * time.Hour, "it expires", 1},
		{25 * time.Hour, "it expires", 2},
		{26 * time.Hour, "it expired", 3},
		{27 * time.Hour, "it expired", 3},
	} {
		w.follow([]configs.Watched{{What: "certificate", Name: "main", Source: ailing{step.text}}})
		w.look(start.Add(step.at))
		if got := logged.Len(); got != step.want {
			t.Errorf("after %v: %d lines, want %d", step.at, got, step.want)
		}
	}
	line := logged.All()[0]
	if line.Message != "certificate needs attention" || line.ContextMap()["certificate"] != "main" || line.ContextMap()["state"] != "it expires" {
		t.Errorf("%s %v", line.Message, line.ContextMap())
	}
}

// A configuration that is refused writes nothing: not for its listeners, nor for
// an address that is taken.
func TestHangupRefusedMakesNoCertificate(t *testing.T) {
	config := file(t, "f.hcl", selfSignedConfig)
	p := start(t, "run", "--config", config)
	p.address("ftp")
	before := below(t, filepath.Join(filepath.Dir(config), "state"))
	others := strings.Replace(selfSignedConfig, "self_signed {}", `self_signed { names = ["other.example.com"] }`, 1)
	for _, refused := range []string{
		strings.Replace(others, `"127.0.0.1:0"`, `"127.0.0.2:0"`, 1),
		others + `
certificate "more" {
  acme {
    names   = ["ftp.example.com"]
    ca      = "https://127.0.0.1:1/directory"
    address = "` + taken(t) + `"
  }
}`,
	} {
		rewrite(t, config, refused)
		p.signal(syscall.SIGHUP)
		p.stderr.await(t, "configuration not reloaded")
		if after := below(t, filepath.Join(filepath.Dir(config), "state")); !slices.Equal(before, after) {
			t.Errorf("of %q it has become %q", before, after)
		}
	}
	rewrite(t, config, others)
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "configuration reloaded")
	if after := below(t, filepath.Join(filepath.Dir(config), "state")); slices.Equal(before, after) {
		t.Error("nor does one that is not refused")
	}
	p.stop()
}

// below lists the files of a folder.
func below(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A certificate that soon expires is shown, with a word in the log, until there is
// another; one that has expired replaces nothing.
func TestExpiringCertificateIsShownAndWarnedOf(t *testing.T) {
	config := file(t, "f.hcl", strings.Replace(selfSignedConfig, "self_signed {}", `files {
    cert = "cert.pem"
    key  = "key.pem"
  }`, 1))
	dir := filepath.Dir(config)
	renewUntil(t, dir, time.Now().Add(-time.Hour))
	if r := execute(t, "run", "--config", config); r.status != 1 || !strings.Contains(r.stderr, "expired on") {
		t.Errorf("at the start: status %d\n%s", r.status, r.stderr)
	}
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	renewUntil(t, dir, end)
	p := start(t, "run", "--config", config)
	address := p.address("ftp")
	p.stderr.await(t, "Certificate needs attention")
	p.stderr.await(t, `"msg":"certificate needs attention","certificate":"main","state":"certificate `+filepath.Join(dir, "cert.pem")+` expires on`)
	if !shown(t, address).NotAfter.Equal(end) {
		t.Error("another certificate is shown")
	}
	renew(t, dir)
	p.stderr.await(t, "certificate replaced")
	good := shown(t, address)
	renewUntil(t, dir, time.Now().Add(-time.Hour))
	p.stderr.await(t, "certificate not replaced")
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "configuration not reloaded")
	if !shown(t, address).Equal(good) {
		t.Error("the certificate in use was given up for an expired one")
	}
	p.stop()
}

// What is wrong with a certificate is said when it has been found twice, again when
// something else is wrong, and after a day.
func TestRefusalsAreToldOnceEach(t *testing.T) {
	core, logged := observer.New(zapcore.WarnLevel)
	w := watcher{log: zap.New(core)}
	c := configs.Watched{What: "certificate", Name: "main"}
	now := time.Now()
	for _, look := range []struct {
		text  string
		after time.Duration
		told  int
	}{
		{"mismatch", 0, 0},
		{"mismatch", time.Second, 1},
		{"mismatch", 2 * time.Second, 1},
		{"expired", 3 * time.Second, 1},
		{"expired", 4 * time.Second, 2},
		{"expired", time.Hour, 2},
		{"expired", 25 * time.Hour, 3},
	} {
		w.complain(c, look.text, now.Add(look.after))
		if n := logged.Len(); n != look.told {
			t.Fatalf("%s after %s: told %d times, want %d", look.text, look.after, n, look.told)
		}
	}
}
