package machine

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// required is the environment variable by which test/run says that every
// program must be there: a missing one fails the test instead of skipping it.
const required = "FTPSPROXY_TEST_PROGRAMS"

// A Program is one that test/run fetched, or that the machine has installed.
type Program struct {
	Path string
	// Root is the folder its package was unpacked in, "/" for an installed one.
	Root string
}

// Find returns the program of that name from the Debian package of that name,
// the fetched one first. Without it the test is skipped, or fails when test/run
// has promised it.
func Find(t testing.TB, pkg, name string) Program {
	t.Helper()
	root := fetched(t, pkg)
	for _, dir := range []string{"usr/sbin", "usr/bin"} {
		path := filepath.Join(root, dir, name)
		if _, err := os.Stat(path); err == nil {
			return Program{Path: path, Root: root}
		}
	}
	search := []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"}
	for _, dir := range search {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return Program{Path: path, Root: "/"}
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return Program{Path: path, Root: "/"}
	}
	missing(t, name)
	return Program{}
}

// FindModule returns the folder to put on PYTHONPATH for a Python module from
// the Debian package of that name.
func FindModule(t testing.TB, pkg, name string) string {
	t.Helper()
	for _, root := range []string{fetched(t, pkg), "/"} {
		dir := filepath.Join(root, "usr/lib/python3/dist-packages")
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return dir
		}
	}
	missing(t, name)
	return ""
}

// Command prepares the program to run with the libraries of its own package,
// in the C locale with UTF-8 so that names and messages do not depend on the
// caller's, and without the caller's home, whose dotfiles change clients.
func (p Program) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=/nonexistent", "TERM=dumb"}
	if p.Root != "/" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+strings.Join(p.libraries(), ":"))
	}
	return cmd
}

// libraries lists the folders of shared libraries in the unpacked package:
// usr/lib, lib, and under either the one named after the architecture.
func (p Program) libraries() []string {
	var dirs []string
	for _, pattern := range []string{"usr/lib", "lib", "usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, err := filepath.Glob(filepath.Join(p.Root, pattern))
		if err == nil {
			dirs = append(dirs, found...)
		}
	}
	return dirs
}

// Repository returns the folder with go.mod in it.
func Repository(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod in any folder above the test's")
		}
		dir = filepath.Dir(dir)
	}
}

func fetched(t testing.TB, pkg string) string {
	t.Helper()
	return filepath.Join(Repository(t), "test/.cache/root", pkg)
}

func missing(t testing.TB, name string) {
	t.Helper()
	if os.Getenv(required) != "" {
		t.Fatalf("%s is missing, although test/run ran", name)
	}
	t.Skipf("%s is missing: test/run --fetch gets it", name)
}
