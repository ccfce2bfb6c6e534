package tlsterm

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mholt/acmez/v3"
)

// ExecSolver has a program put the records of dns-01 into the zone. It is run
// with three more arguments: "present" or "cleanup", the record's owner with a
// final dot, and its text. It must not end before the record can be asked for;
// it may take two minutes, and succeeds with status 0. What it prints is shown
// when it fails.
func ExecSolver(command []string) (acmez.Solver, error) {
	if len(command) == 0 || !filepath.IsAbs(command[0]) {
		return nil, errors.New("give the program by its absolute path")
	}
	return newDNSSolver(execSolver{command}, aliases{}), nil
}

type execSolver struct{ command []string }

func (s execSolver) put(ctx context.Context, r record) error {
	return s.run(ctx, "present", r)
}

func (s execSolver) remove(ctx context.Context, r record) error {
	ctx, cancel := cleanupContext(ctx, dnsPatience)
	defer cancel()
	return s.run(ctx, "cleanup", r)
}

func (s execSolver) run(ctx context.Context, action string, r record) error {
	ctx, cancel := context.WithTimeout(ctx, dnsPatience)
	defer cancel()
	args := append(append([]string{}, s.command[1:]...), action, r.owner, r.text)
	cmd := exec.CommandContext(ctx, s.command[0], args...) //nolint:gosec // the operator's own program
	// Its children go with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &solverError{what: action, how: s.command[0], err: fmt.Errorf("%w: %s", err, oneLine(strings.ToValidUTF8(string(said.kept), "")))}
}

// A tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxProblem/2; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}
