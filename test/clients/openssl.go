package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// OpenSSL is a client of which the TLS is openssl's: one s_client holds the
// control connection, another each data connection, which resumes the session
// that the first was given. The commands are said from here.
type OpenSSL struct {
	program
	folder string // for the sessions' tickets
}

// NewOpenSSL finds openssl.
func NewOpenSSL(t testing.TB) OpenSSL {
	t.Helper()
	return OpenSSL{
		program: program{name: "openssl", Program: machine.Find(t, "openssl", "openssl")},
		folder:  t.TempDir(),
	}
}

// Run does the steps.
func (c OpenSSL) Run(ctx context.Context, target Target, steps []Step) (string, error) {
	folder, err := os.MkdirTemp(c.folder, "session-")
	if err != nil {
		return "", err
	}
	s := &opensslSession{client: c, target: target, ticket: filepath.Join(folder, "ticket.pem")}
	err = s.open(ctx)
	for _, step := range steps {
		if err == nil {
			err = step.failed(s.do(ctx, step))
		}
	}
	if err == nil {
		_, err = s.expect("QUIT", 221)
	}
	s.close()
	return s.said.String(), c.explain(err, s.said.String())
}

// open logs in and asks for data connections with TLS.
func (s *opensslSession) open(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	for _, c := range []struct {
		line string
		code int
	}{
		{"USER " + s.target.User, 331},
		{"PASS " + s.target.Password, 230},
		{"PBSZ 0", 200},
		{"PROT P", 200},
		{"TYPE I", 200},
	} {
		if _, err := s.expect(c.line, c.code); err != nil {
			return err
		}
	}
	return nil
}

// do does one step.
func (s *opensslSession) do(ctx context.Context, step Step) error {
	switch step.Op {
	case List, NameList, MachineList:
		return s.fetch(ctx, string(step.Op)+argument(step.Remote), step, 0)
	case Download, Refused:
		return s.fetch(ctx, "RETR "+step.Remote, step, 0)
	case ResumeDownload:
		return s.fetch(ctx, "RETR "+step.Remote, step, step.Offset)
	case Upload:
		return s.send(ctx, "STOR "+step.Remote, step, 0)
	case Append:
		return s.send(ctx, "APPE "+step.Remote, step, 0)
	case ResumeUpload:
		return s.send(ctx, "STOR "+step.Remote, step, step.Offset)
	case Abort:
		return s.abort(ctx, step)
	default:
		return s.change(step)
	}
}

// change does what needs no data connection.
func (s *opensslSession) change(step Step) error {
	line, code := "", 250
	switch step.Op {
	case Rename:
		if _, err := s.expect("RNFR "+step.Remote, 350); err != nil {
			return err
		}
		line = "RNTO " + step.To
	case Delete:
		line = "DELE " + step.Remote
	case Rmdir:
		line = "RMD " + step.Remote
	case Mkdir:
		line, code = "MKD "+step.Remote, 257
	default:
		return fmt.Errorf("no operation %s", step.Op)
	}
	_, err := s.expect(line, code)
	return err
}

func (s *opensslSession) fetch(ctx context.Context, command string, step Step, offset int64) error {
	how := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if offset > 0 {
		how = os.O_WRONLY | os.O_APPEND
	}
	file, err := os.OpenFile(step.Local, how, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(s.transfer(ctx, command, offset, nil, file), file.Close())
}

func (s *opensslSession) send(ctx context.Context, command string, step Step, offset int64) error {
	file, err := os.Open(step.Local)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	return s.transfer(ctx, command, offset, file, nil)
}

func argument(text string) string {
	if text == "" {
		return ""
	}
	return " " + text
}
