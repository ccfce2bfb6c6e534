package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

// tryLines are the lines that the demo prints to be copied.
func tryLines(banner, program string) []string {
	var lines []string
	for line := range strings.Lines(banner) {
		if command := strings.TrimSpace(line); strings.HasPrefix(line, "  ") && strings.Contains(command, program+" ") {
			lines = append(lines, command)
		}
	}
	return lines
}

func shell(t *testing.T, line string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, stderr.String())
	}
	return string(out)
}

// The very lines that the demo prints work: upload, list, download, and a list
// over implicit TLS, with the certificate verified.
func TestDemoLinesWorkAsPrinted(t *testing.T) {
	p := start(t, "demo", "--explicit", "127.0.0.1:0", "--implicit", "127.0.0.1:0")
	p.stdout.await(t, "Stop with Ctrl-C.")
	lines := tryLines(p.stdout.text(), "curl")
	if len(lines) != 4 {
		t.Fatalf("%d curl lines, want 4:\n%s", len(lines), p.stdout.text())
	}
	shell(t, lines[0])
	if got := shell(t, lines[1]); !strings.Contains(got, "hello.txt") {
		t.Errorf("list: %q", got)
	}
	if got := shell(t, lines[2]); got != "hello\n" {
		t.Errorf("download: %q", got)
	}
	if got := shell(t, lines[3]); !strings.Contains(got, "hello.txt") {
		t.Errorf("list over implicit TLS: %q", got)
	}
	p.signal(syscall.SIGINT)
	if r := p.wait(); r.status != 0 {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
	left, err := os.ReadDir(temporary(p))
	if err != nil || len(left) != 0 {
		t.Errorf("the demo left %v (%v)", left, err)
	}
}

// temporary is the folder that the program takes for the system's temporary
// one: of several variables of that name the last one counts.
func temporary(p *program) string {
	for _, e := range slices.Backward(p.cmd.Env) {
		if dir, ok := strings.CutPrefix(e, "TMPDIR="); ok {
			return dir
		}
	}
	return ""
}

func TestDemoServesAndKeepsAGivenFolder(t *testing.T) {
	folder := t.TempDir()
	rewrite(t, filepath.Join(folder, "there.txt"), "there already")
	p := start(t, "demo", "--explicit", "127.0.0.1:0", "--implicit", "127.0.0.1:0", "--dir", folder)
	p.stdout.await(t, "Stop with Ctrl-C.")
	if got := shell(t, tryLines(p.stdout.text(), "curl")[1]); !strings.Contains(got, "there.txt") {
		t.Errorf("list: %q", got)
	}
	p.stop()
	if _, err := os.Stat(filepath.Join(folder, "there.txt")); err != nil {
		t.Error(err)
	}
}

func TestDemoNamesTheFlagsWhenAPortIsTaken(t *testing.T) {
	address := taken(t)
	r := execute(t, "demo", "--explicit", address, "--implicit", "127.0.0.1:0")
	oneSentence(t, r, address, "--explicit")
}

// plain logs in at the demo's upstream, without the proxy.
func plain(t *testing.T, folder string) *ftp.ServerConn {
	t.Helper()
	l, err := startDemoUpstream(folder, "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conn, err := ftp.Dial(l.Addr().String(), ftp.DialWithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Quit() })
	if err := conn.Login(demoUser, "secret"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestDemoUpstreamStoresAppendsAndResumes(t *testing.T) {
	folder := t.TempDir()
	conn := plain(t, folder)
	steps := []struct {
		name string
		do   func() error
		want string
	}{
		{"store", func() error { return conn.Stor("f", strings.NewReader("0123456789")) }, "0123456789"},
		{"append", func() error { return conn.Append("f", strings.NewReader("ab")) }, "0123456789ab"},
		{"resume", func() error { return conn.StorFrom("f", strings.NewReader("XY"), 4) }, "0123XY6789ab"},
		{"replace", func() error { return conn.Stor("f", strings.NewReader("new")) }, "new"},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got, err := os.ReadFile(filepath.Join(folder, "f"))
		if err != nil || string(got) != step.want {
			t.Fatalf("%s: file holds %q (%v), want %q", step.name, got, err, step.want)
		}
	}
	r, err := conn.RetrFrom("f", 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != "ew" {
		t.Errorf("resumed download: %q (%v)", got, err)
	}
	r.Close()
}

func TestDemoUpstreamListsTimesInUTC(t *testing.T) {
	folder := t.TempDir()
	rewrite(t, filepath.Join(folder, "f"), "text")
	when := time.Date(2020, 2, 3, 4, 5, 6, 0, time.FixedZone("east", 5*3600))
	if err := os.Chtimes(filepath.Join(folder, "f"), when, when); err != nil {
		t.Fatal(err)
	}
	entries, err := plain(t, folder).List("/")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	if e := entries[0]; e.Name != "f" || e.Size != 4 || !e.Time.Equal(when) {
		t.Errorf("got %+v, want time %v", e, when.UTC())
	}
}

func TestDemoUpstreamStaysInItsFolder(t *testing.T) {
	outside := t.TempDir()
	rewrite(t, filepath.Join(outside, "secret.txt"), "secret")
	folder := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	conn := plain(t, folder)
	for _, path := range []string{"link/secret.txt", "../" + filepath.Base(outside) + "/secret.txt"} {
		if r, err := conn.Retr(path); err == nil {
			r.Close()
			t.Errorf("%s can be read", path)
		}
		if err := conn.Stor(path, strings.NewReader("changed")); err == nil {
			t.Errorf("%s can be written", path)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(outside, "secret.txt")); string(got) != "secret" {
		t.Errorf("the file outside holds %q", got)
	}
}

func TestDemoUpstreamHandlesFolders(t *testing.T) {
	folder := t.TempDir()
	conn := plain(t, folder)
	if err := errors.Join(
		conn.MakeDir("sub"),
		conn.Stor("sub/f", strings.NewReader("text")),
		conn.Rename("sub/f", "sub/g"),
	); err != nil {
		t.Fatal(err)
	}
	if err := conn.RemoveDir("sub"); err == nil {
		t.Error("a folder that holds files was removed")
	}
	if err := errors.Join(conn.Delete("sub/g"), conn.RemoveDir("sub")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "sub")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}
