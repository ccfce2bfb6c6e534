package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for another process. It is only ever reached when
// something is broken.
const patience = time.Minute

// A Process is a running program and all that it has started.
type Process struct {
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
	err    error
}

// Start runs the command in a process group of its own. What it prints goes to
// a log, unless the command says where, and the log is shown when the test has
// failed. At the end of the test the whole group is killed and waited for.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{name: name, cmd: cmd, log: filepath.Join(t.TempDir(), "log"), exited: make(chan struct{})}
	// A file rather than a pipe: a pipe is held open by grandchildren, and
	// waiting for its end would wait for them.
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	if cmd.Stderr == nil {
		cmd.Stderr = log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go p.wait()
	t.Cleanup(func() { p.end(t) })
	p.guard(t)
	return p
}

// guard starts a shell that kills the group when this test process dies without
// cleaning up: the shell waits for the end of a pipe that only we can write to.
// Servers change their user, which would make them lose a parent-death signal.
func (p *Process) guard(t testing.TB) {
	t.Helper()
	guard := exec.Command("/bin/sh", "-c", `read -r line; kill -s KILL -- "-$0"`, strconv.Itoa(p.PID()))
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := guard.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	// The guard goes first: later the number could be another group's.
	t.Cleanup(func() {
		_ = guard.Process.Kill()
		_ = guard.Wait()
		_ = pipe.Close()
	})
}

// PID is the number of the process, and of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed once the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Log returns what the process has printed so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop sends the signal and returns how the process ended: nil is exit status 0.
func (p *Process) Stop(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return p.err
	case <-time.After(patience):
		return fmt.Errorf("%s still runs %v after %v", p.name, patience, signal)
	}
}

// Descriptors lists what the process holds open, but for pipes: Go keeps those
// through which it splices from socket to socket, until a garbage collection.
func (p *Process) Descriptors() ([]string, error) {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID()))
	if err != nil {
		return nil, err
	}
	var open []string
	for _, link := range links {
		what, err := os.Readlink(link)
		if err == nil && !strings.HasPrefix(what, "pipe:") {
			open = append(open, what)
		}
	}
	return open, nil
}

func (p *Process) wait() {
	p.err = p.cmd.Wait()
	close(p.exited)
}

// end kills the group and waits until nothing of it is left, so that no session
// of a server outlives the test with files of its folder open.
func (p *Process) end(t testing.TB) {
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.exited
	if err := Eventually(func() error { return groupGone(p.PID()) }); err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
	if t.Failed() {
		t.Logf("log of %s:\n%s", p.name, p.Log())
	}
}

// Await asks until the answer is nil. It gives up when the process has ended.
func (p *Process) Await(check func() error) error {
	if err := eventually(check, p.exited); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// Eventually asks until the answer is nil, and returns the last answer when
// patience runs out. It is for facts of other processes that announce nothing.
func Eventually(check func() error) error { return eventually(check, nil) }

func eventually(check func() error, ended <-chan struct{}) error {
	deadline := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ended:
			return fmt.Errorf("it has ended: %w", err)
		case <-deadline:
			return fmt.Errorf("after %v: %w", patience, err)
		}
	}
}

// groupGone returns an error while a process of the group is alive. The dead
// that nobody has reaped yet do not count: where process 1 is no real init they
// stay for good.
func groupGone(group int) error {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) phase parent group ...: the name may hold blanks and brackets.
		rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			return fmt.Errorf("%s of process group %d is still there", filepath.Dir(path), group)
		}
	}
	return nil
}
