package interop

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// folder is the environment variable with the folder for the built binary.
const folder = "FTPSPROXY_INTEROP_FOLDER"

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ftpsproxy-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Sessions wait more than they compute: for a server's slow login, or for
	// curl, which pauses before some of its data connections.
	for _, err := range []error{
		os.Setenv(folder, dir), flag.Set("test.parallel", "6"),
		os.Setenv("PEBBLE_VA_NOSLEEP", "1"), os.Setenv("PEBBLE_AUTHZREUSE", "0"), os.Setenv("PEBBLE_WFE_NONCEREJECT", "0"),
	} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// build builds the program once and returns its path.
var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(os.Getenv(folder), "ftpsproxy")
	out, err := exec.Command("go", "build", "-race", "-o", binary, "github.com/ftpsproxy/ftpsproxy/cmd/ftpsproxy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the proxy: %w\n%s", err, out)
	}
	return binary, nil
})

// program returns the program under test. It looks at all of its sources: what a
// test has looked at decides whether go test may repeat an old result, and the
// building happens in another process.
func program(t *testing.T) machine.Program {
	t.Helper()
	root := machine.Repository(t)
	for _, dir := range []string{"cmd", "configs", "ftpparse", "policy", "proxy", "tlsterm"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "_test.go") {
				return err
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return machine.Program{Path: path, Root: "/"}
}
