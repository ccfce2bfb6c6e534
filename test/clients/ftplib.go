package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// Ftplib drives Python's ftplib. Its FTP_TLS never resumes a TLS session on a
// data connection.
type Ftplib struct {
	program
	steps   string // the script that does a list of steps
	example string // the script that people copy from the manual
}

// NewFtplib finds Python.
func NewFtplib(t testing.TB) Ftplib {
	t.Helper()
	dir := filepath.Join(machine.Repository(t), "test/clients/testdata")
	return Ftplib{
		program: program{name: "ftplib", Program: machine.Find(t, "python3", "python3")},
		steps:   filepath.Join(dir, "ftplib_steps.py"),
		example: filepath.Join(dir, "ftplib_example.py"),
	}
}

// Run does the steps.
func (c Ftplib) Run(ctx context.Context, target Target, steps []Step) (string, error) {
	work, err := json.Marshal(struct {
		Host, Port string
		Target     Target
		Steps      []Step
	}{target.Addr.Addr().String(), target.port(), target, steps})
	if err != nil {
		return "", err
	}
	return c.run(ctx, bytes.NewReader(work), c.steps)
}

// Example runs the few lines with which most Python programs use FTPS, in the
// folder dir: upload.txt goes to the server, download.txt comes from it. It
// returns the listing that they print. FTP_TLS verifies no certificate so.
func (c Ftplib) Example(ctx context.Context, target Target, dir string) (string, error) {
	cmd := c.Command(ctx, c.example, target.host(), target.port(), target.User, target.Password)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), c.explain(err, string(out))
}
