package clients

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// LFTP drives lftp by a script.
type LFTP struct{ program }

// NewLFTP finds lftp.
func NewLFTP(t testing.TB) LFTP {
	t.Helper()
	return LFTP{program{name: "lftp", Program: machine.Find(t, "lftp", "lftp")}}
}

// Run does the steps.
func (c LFTP) Run(ctx context.Context, target Target, steps []Step) (string, error) {
	script := c.session(target)
	for _, step := range steps {
		script += c.step(step) + "\n"
	}
	return c.run(ctx, strings.NewReader(script), "--norc")
}

// session is the part of the script that says with whom and how to speak.
func (c LFTP) session(target Target) string {
	scheme := "ftp"
	if target.TLS == Implicit {
		scheme = "ftps"
	}
	return strings.Join([]string{
		"debug 5", // the whole conversation, for the error
		"set cmd:fail-exit yes",
		"set cmd:interactive no",
		"set net:max-retries 1",
		"set net:timeout 60",
		"set net:persist-retries 0",
		"set xfer:clobber yes",
		"set ftp:prefer-epsv yes",
		fmt.Sprintf("set ftp:ssl-allow %t", target.TLS != Plain),
		fmt.Sprintf("set ftp:ssl-force %t", target.TLS != Plain),
		fmt.Sprintf("set ftp:ssl-protect-data %t", !target.Clear),
		fmt.Sprintf("set ftp:ssl-protect-list %t", !target.Clear),
		fmt.Sprintf("set ftp:ssl-protect-fxp %t", !target.Clear),
		fmt.Sprintf("set ftp:passive-mode %t", !target.Active),
		"set ssl:priority " + quote(c.versions(target)),
		"set ssl:verify-certificate yes",
		"set ssl:check-hostname yes",
		"set ssl:ca-file " + quote(target.CA),
		"set ssl:cert-file " + quote(target.Cert),
		"set ssl:key-file " + quote(target.Key),
		fmt.Sprintf("open -u %s,%s %s://%s", target.User, target.Password, scheme, target.hostPort()),
		"",
	}, "\n")
}

// versions is GnuTLS's way to name them.
func (c LFTP) versions(target Target) string {
	switch target.Version {
	case tls.VersionTLS12:
		return "NORMAL:-VERS-ALL:+VERS-TLS1.2"
	case tls.VersionTLS13:
		return "NORMAL:-VERS-ALL:+VERS-TLS1.3"
	}
	return "NORMAL"
}

func (c LFTP) step(s Step) string {
	local, remote := quote(s.Local), quote(s.Remote)
	switch s.Op {
	case List:
		return fmt.Sprintf("ls %s > %s", remote, local)
	case NameList:
		return fmt.Sprintf("nlist %s > %s", remote, local)
	case MachineList:
		return fmt.Sprintf("set ftp:use-mlsd yes; recls -1 %s/ > %s", remote, local)
	case Upload:
		return fmt.Sprintf("put %s -o %s", local, remote)
	case Download:
		return fmt.Sprintf("get %s -o %s", remote, local)
	case ResumeUpload:
		return fmt.Sprintf("put -c %s -o %s", local, remote)
	case ResumeDownload:
		return fmt.Sprintf("get -c %s -o %s", remote, local)
	case Rename:
		return fmt.Sprintf("mv %s %s", remote, quote(s.To))
	case Delete:
		return "rm -- " + remote
	case Mkdir:
		return "mkdir -- " + remote
	case Rmdir:
		return "rmdir -- " + remote
	case Refused:
		// "!" would be a shell's; what counts is that the rest is not reached.
		return fmt.Sprintf("get %s -o %s && exit 9 || echo 550 was heard", remote, local)
	case Abort:
		// lftp gives a transfer up, with ABOR, when nobody reads on.
		return fmt.Sprintf("cat %s | head -c %d > %s || echo broken off", remote, firstBytes, local)
	case Append:
	}
	panic("lftp cannot " + string(s.Op))
}
