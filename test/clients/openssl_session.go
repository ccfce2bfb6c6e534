package clients

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An opensslSession is one control connection and the data connections under it.
type opensslSession struct {
	client  OpenSSL
	target  Target
	ticket  string // file with the control connection's session
	control *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	said    transcript
}

// A transcript is what was said on the control connection, and what openssl had
// to say about it.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// start opens the control connection and awaits the greeting.
func (s *opensslSession) start(ctx context.Context) error {
	args := append(s.common(s.target.hostPort()), "-sess_out", s.ticket)
	if s.target.TLS == Explicit {
		args = append(args, "-starttls", "ftp")
	}
	s.control = s.client.Command(ctx, args...)
	s.control.Stderr = &s.said
	in, err := s.control.StdinPipe()
	if err != nil {
		return err
	}
	out, err := s.control.StdoutPipe()
	if err != nil {
		return err
	}
	s.in, s.out = in, bufio.NewReader(out)
	if err := s.control.Start(); err != nil {
		return err
	}
	if s.target.TLS == Explicit {
		// The greeting and AUTH TLS are openssl's part; what comes next is ours.
		_, _ = io.WriteString(&s.said, "AUTH TLS\n")
		return nil
	}
	return s.await(220)
}

// common are the arguments of every s_client. Without commands: a line that
// begins with Q or R is FTP, or part of a file, and not for openssl.
func (s *opensslSession) common(addr string) []string {
	args := []string{
		"s_client", "-connect", addr, "-quiet", "-no_ign_eof", "-nocommands",
		"-CAfile", s.target.CA, "-verify_return_error", "-verify_ip", s.target.host(), "-verify_quiet",
	}
	switch s.target.Version {
	case tls.VersionTLS12:
		args = append(args, "-tls1_2")
	case tls.VersionTLS13:
		args = append(args, "-tls1_3")
	}
	return args
}

// expect says a command and awaits the final reply of that code.
func (s *opensslSession) expect(line string, code int) (string, error) {
	if err := s.say(line); err != nil {
		return "", err
	}
	text, err := s.reply()
	if err == nil && !strings.HasPrefix(text, strconv.Itoa(code)) {
		err = fmt.Errorf("%s: %q instead of %d", verb(line), text, code)
	}
	return text, err
}

func (s *opensslSession) await(code int) error {
	text, err := s.reply()
	if err == nil && !strings.HasPrefix(text, strconv.Itoa(code)) {
		err = fmt.Errorf("%q instead of %d", text, code)
	}
	return err
}

// announced says a transfer command and awaits its preliminary reply.
func (s *opensslSession) announced(command string) error {
	if err := s.say(command); err != nil {
		return err
	}
	text, err := s.reply()
	if err == nil && !strings.HasPrefix(text, "1") {
		err = fmt.Errorf("%s: %q", verb(command), text)
	}
	return err
}

func (s *opensslSession) say(line string) error {
	shown := line
	if verb(line) == "PASS" {
		shown = "PASS ..."
	}
	_, _ = io.WriteString(&s.said, shown+"\n")
	_, err := io.WriteString(s.in, line+"\r\n")
	return err
}

// reply returns the last line of a reply.
func (s *opensslSession) reply() (string, error) {
	last := ""
	for {
		line, err := s.out.ReadString('\n')
		_, _ = io.WriteString(&s.said, line)
		if err != nil {
			return "", fmt.Errorf("read reply: %w", err)
		}
		line = strings.TrimRight(line, "\r\n")
		if last == "" && len(line) > 3 {
			last = line[:3] + " "
		}
		if strings.HasPrefix(line, last) {
			return line, nil
		}
	}
}

func verb(line string) string {
	v, _, _ := strings.Cut(line, " ")
	return v
}

// transfer moves one file: up from the file in, or down to the file out.
func (s *opensslSession) transfer(ctx context.Context, command string, offset int64, in, out *os.File) error {
	data, err := s.begin(ctx, command, offset, in, out)
	if err != nil {
		return err
	}
	if err := data.Wait(); err != nil {
		return fmt.Errorf("data connection: %w", err)
	}
	return s.await(226)
}

// begin opens a data connection and has the transfer announced. The s_client is
// the caller's to wait for, unless the command was refused.
func (s *opensslSession) begin(ctx context.Context, command string, offset int64, in, out *os.File) (*exec.Cmd, error) {
	addr, err := s.passive()
	if err != nil {
		return nil, err
	}
	data, err := s.data(ctx, addr, in, out)
	if err != nil {
		return nil, err
	}
	err = nil
	if offset > 0 {
		_, err = s.expect(fmt.Sprint("REST ", offset), 350)
	}
	if err == nil {
		err = s.announced(command)
	}
	if err != nil {
		_ = data.Process.Kill()
		_ = data.Wait()
		return nil, err
	}
	return data, nil
}

// data starts the s_client of a data connection. A download reads no input, the
// end of which would end it.
func (s *opensslSession) data(ctx context.Context, addr string, in, out *os.File) (*exec.Cmd, error) {
	args := s.common(addr)
	if _, err := os.Stat(s.ticket); err == nil {
		args = append(args, "-sess_in", s.ticket)
	}
	if in == nil {
		args = append(args, "-ign_eof")
	}
	cmd := s.client.Command(ctx, args...)
	cmd.Stderr = &s.said
	if in != nil {
		cmd.Stdin = in
	}
	if out != nil {
		cmd.Stdout = out
	}
	return cmd, cmd.Start()
}

var extended = regexp.MustCompile(`\(\|\|\|(\d+)\|\)`)

func (s *opensslSession) passive() (string, error) {
	text, err := s.expect("EPSV", 229)
	if err != nil {
		return "", err
	}
	port := extended.FindStringSubmatch(text)
	if port == nil {
		return "", fmt.Errorf("no port in %q", text)
	}
	return net.JoinHostPort(s.target.host(), port[1]), nil
}

// abort breaks a download off after its first bytes. ABOR may have been answered
// by the transfer's own reply, and then again: NOOP is answered last. It must not
// come together with ABOR: what follows ABOR in one read Pure-FTPd throws away.
func (s *opensslSession) abort(ctx context.Context, step Step) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	data, err := s.begin(ctx, "RETR "+step.Remote, 0, nil, write)
	_ = write.Close()
	defer read.Close()
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(read, make([]byte, firstBytes)); err != nil {
		return err
	}
	defer func() {
		_ = data.Process.Kill()
		_ = data.Wait()
	}()
	if err := s.say("ABOR"); err != nil {
		return err
	}
	if _, err := s.reply(); err != nil {
		return err
	}
	if err := s.say("NOOP"); err != nil {
		return err
	}
	for range 2 {
		text, err := s.reply()
		if err != nil || strings.HasPrefix(text, "200") {
			return err
		}
	}
	return errors.New("ABOR got three replies")
}

// close ends the control connection's s_client. An end that it did not expect
// makes it fail; what counts are the replies.
func (s *opensslSession) close() {
	if s.control == nil || s.control.Process == nil {
		return
	}
	_ = s.in.Close()
	killer := time.AfterFunc(10*time.Second, func() { _ = s.control.Process.Kill() })
	defer killer.Stop()
	_ = s.control.Wait()
}
