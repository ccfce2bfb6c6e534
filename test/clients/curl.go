package clients

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// Curl drives the curl program: all steps in one run, so that it keeps its
// control connection from one to the next.
type Curl struct{ program }

// NewCurl finds curl.
func NewCurl(t testing.TB) Curl {
	t.Helper()
	curl := machine.Find(t, "curl", "curl")
	said, err := curl.Command(t.Context(), "--disable", "--version").Output()
	words := strings.Fields(string(said))
	if err != nil || len(words) < 2 {
		t.Fatalf("curl --version: %v, %q", err, said)
	}
	return Curl{program{name: "curl", version: words[1], Program: curl}}
}

// Run does the steps. One that is to be refused is a run by itself: curl's exit
// status speaks of one transfer.
func (c Curl) Run(ctx context.Context, target Target, steps []Step) (string, error) {
	var all strings.Builder
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].Op != Refused && steps[n-1].Op != Refused {
			n++
		}
		said, err := c.together(ctx, target, steps[:n])
		all.WriteString(said)
		if n == 1 {
			err = steps[0].failed(err)
		}
		if err != nil {
			return all.String(), err
		}
		steps = steps[n:]
	}
	return all.String(), nil
}

// together does the steps in one session.
func (c Curl) together(ctx context.Context, target Target, steps []Step) (string, error) {
	var parts []string
	for _, step := range steps {
		parts = append(parts, c.common(target)+c.step(target, step))
	}
	return c.run(ctx, strings.NewReader(strings.Join(parts, "next\n")), "--disable", "--config", "-")
}

// UploadFrom uploads what the reader yields.
func (c Curl) UploadFrom(ctx context.Context, target Target, remote string, from io.Reader) error {
	cmd := c.Command(ctx, c.arguments(target, remote, "--upload-file", "-")...)
	cmd.Stdin = from
	return c.stream(cmd)
}

// DownloadTo writes the file to the writer.
func (c Curl) DownloadTo(ctx context.Context, target Target, remote string, to io.Writer) error {
	cmd := c.Command(ctx, c.arguments(target, remote)...)
	cmd.Stdout = to
	return c.stream(cmd)
}

// arguments are for a run without a configuration file, which would be read
// from the standard input that holds the upload.
func (c Curl) arguments(target Target, remote string, more ...string) []string {
	args := []string{"--disable", "--silent", "--show-error", "--no-buffer"}
	for line := range strings.Lines(c.session(target)) {
		name, value, has := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
		args = append(args, "--"+name)
		if has {
			args = append(args, strings.Trim(value, `"`))
		}
	}
	return append(append(args, more...), c.url(target, remote))
}

// common is what each step begins with: curl forgets its options at "next".
func (c Curl) common(target Target) string {
	return "silent\nshow-error\nverbose\nfail-early\n" + c.session(target)
}

// session is the configuration that says with whom and how to speak.
func (c Curl) session(target Target) string {
	lines := []string{"ftp-method = \"nocwd\"", "user = " + quote(target.User+":"+target.Password)}
	if target.TLS != Plain {
		lines = append(lines, "cacert = "+quote(target.CA))
	}
	if target.Host != "" {
		lines = append(lines, "resolve = "+quote(fmt.Sprintf("%s:%d:%s", target.Host, target.Addr.Port(), target.Addr.Addr())))
	}
	if target.Cert != "" {
		lines = append(lines, "cert = "+quote(target.Cert), "key = "+quote(target.Key))
	}
	// Both demand TLS; together, the first alone would count.
	switch {
	case target.TLS == Plain:
	case target.Clear:
		lines = append(lines, "ftp-ssl-control")
	default:
		lines = append(lines, "ssl-reqd")
	}
	switch target.Version {
	case tls.VersionTLS12:
		lines = append(lines, "tlsv1.2", `tls-max = "1.2"`)
	case tls.VersionTLS13:
		lines = append(lines, "tlsv1.3")
	}
	if target.Active {
		lines = append(lines, `ftp-port = "-"`)
	}
	return strings.Join(lines, "\n") + "\n"
}

func (c Curl) step(target Target, s Step) string {
	local, remote := quote(s.Local), c.url(target, s.Remote)
	folder := remote
	if s.Remote != "" {
		folder += "/"
	}
	quotes := func(commands ...string) string {
		text := fmt.Sprintf("head\nurl = %s\n", quote(c.url(target, "")))
		for _, command := range commands {
			text += "quote = " + quote(command) + "\n"
		}
		return text
	}
	switch s.Op {
	case List:
		return fmt.Sprintf("url = %s\noutput = %s\n", quote(folder), local)
	case NameList:
		return fmt.Sprintf("list-only\nurl = %s\noutput = %s\n", quote(folder), local)
	case MachineList:
		return fmt.Sprintf("request = \"MLSD\"\nurl = %s\noutput = %s\n", quote(folder), local)
	case Upload:
		return fmt.Sprintf("upload-file = %s\nurl = %s\n", local, quote(remote))
	case Abort:
		// curl sends ABOR when it has what it was to have, and begins a new session.
		return fmt.Sprintf("range = 0-%d\nurl = %s\noutput = %s\n", firstBytes-1, quote(remote), local)
	case Download, Refused:
		return fmt.Sprintf("url = %s\noutput = %s\n", quote(remote), local)
	case Append:
		return fmt.Sprintf("append\nupload-file = %s\nurl = %s\n", local, quote(remote))
	case ResumeUpload:
		return fmt.Sprintf("continue-at = -\nupload-file = %s\nurl = %s\n", local, quote(remote))
	case ResumeDownload:
		return fmt.Sprintf("continue-at = -\nurl = %s\noutput = %s\n", quote(remote), local)
	case Rename:
		return quotes("RNFR "+s.Remote, "RNTO "+s.To)
	case Delete:
		return quotes("DELE " + s.Remote)
	case Mkdir:
		return quotes("MKD " + s.Remote)
	case Rmdir:
		return quotes("RMD " + s.Remote)
	}
	panic("no operation " + string(s.Op))
}

func (c Curl) url(target Target, remote string) string {
	scheme := "ftp"
	if target.TLS == Implicit {
		scheme = "ftps"
	}
	names := strings.Split(remote, "/")
	for i := range names {
		names[i] = url.PathEscape(names[i])
	}
	return scheme + "://" + target.hostPort() + "/" + strings.Join(names, "/")
}

// quote writes a value for curl's configuration file and for lftp's and tnftp's
// scripts: within double quotes, with backslashes before those and itself.
func quote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}
