package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen; it bounds a hang and
// measures nothing.
const patience = time.Minute

// binaryEnv names the built program, for the tests of this package.
const binaryEnv = "FTPSPROXY_TEST_BINARY"

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ftpsproxy-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "ftpsproxy")
	args := slices.Concat([]string{"build", "-o", binary}, buildFlags(), []string{"."})
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(binaryEnv, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// result is what a program that has ended leaves behind.
type result struct {
	status         int
	stdout, stderr string
}

// execute runs the program to its end.
func execute(t *testing.T, args ...string) result {
	t.Helper()
	return start(t, args...).wait()
}

// program is a running ftpsproxy.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *output
	stderr *output
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Getenv(binaryEnv), args...)}
	// Its own state and temporary folders, to see what it leaves behind.
	p.cmd.Env = append(os.Environ(), "NO_COLOR=1", "XDG_STATE_HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout, p.stderr = follow(stdout), follow(stderr)
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); p.wait() })
	return p
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns when the program has ended; it may be called again.
func (p *program) wait() result {
	p.t.Helper()
	p.stdout.ended(p.t)
	p.stderr.ended(p.t)
	var exit *exec.ExitError
	if p.cmd.ProcessState == nil {
		if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
	}
	return result{p.cmd.ProcessState.ExitCode(), p.stdout.text(), p.stderr.text()}
}

// stop ends the program and expects that it ends well.
func (p *program) stop() result {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	r := p.wait()
	if r.status != 0 {
		p.t.Errorf("exit status %d after SIGTERM\n%s", r.status, r.stderr)
	}
	return r
}

// address waits until the named listener is announced.
func (p *program) address(listener string) string {
	p.t.Helper()
	line := p.stdout.await(p.t, "listening "+listener+" ")
	return strings.TrimPrefix(line, "listening "+listener+" ")
}

// output collects a stream and lets tests wait for a line.
type output struct {
	mu    sync.Mutex
	all   bytes.Buffer
	lines chan string
	done  chan struct{}
}

func follow(r io.Reader) *output {
	o := &output{lines: make(chan string, 1000), done: make(chan struct{})}
	go o.read(r)
	return o
}

func (o *output) read(r io.Reader) {
	defer close(o.done)
	in := bufio.NewScanner(r)
	for in.Scan() {
		o.mu.Lock()
		o.all.WriteString(in.Text() + "\n")
		o.mu.Unlock()
		o.lines <- in.Text()
	}
	close(o.lines)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// await returns the next line that holds the text.
func (o *output) await(t *testing.T, text string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-o.lines:
			if !ok {
				t.Fatalf("the program ended without %q:\n%s", text, o.text())
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			t.Fatalf("no line with %q:\n%s", text, o.text())
		}
	}
}

func (o *output) ended(t *testing.T) {
	t.Helper()
	select {
	case <-o.done:
	case <-time.After(patience):
		t.Fatalf("the program does not end:\n%s", o.text())
	}
}

// file writes one file and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	rewrite(t, path, text)
	return path
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
