package clients

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// TNFTP drives tnftp, NetBSD's ftp program, by a script on its standard input.
type TNFTP struct{ program }

// NewTNFTP finds tnftp.
func NewTNFTP(t testing.TB) TNFTP {
	t.Helper()
	return TNFTP{program{name: "tnftp", Program: machine.Find(t, "tnftp", "tnftp")}}
}

// complaint is how a failed step looks: tnftp's exit status tells nothing. Its
// "400 bytes sent" begins as a reply does.
var complaint = regexp.MustCompile(`(?m)^([45]\d\d([ -][^b]| b[^y])|\?|ftp: |tnftp: |Not connected|usage:|local: .*: No such)`)

// debugging is what tnftp says when it shows its commands and is not run by root.
const debugging = "tnftp: setsockopt SO_DEBUG (ignored): Permission denied\n"

// Run does the steps.
func (c TNFTP) Run(ctx context.Context, target Target, steps []Step) (string, error) {
	script := fmt.Sprintf("open %s %s\nuser %s %s\nbinary\n", target.host(), target.port(), target.User, target.Password)
	for _, step := range steps {
		script += c.step(step) + "\n"
	}
	way := "-p"
	if target.Active {
		way = "-A"
	}
	said, err := c.run(ctx, strings.NewReader(script+"quit\n"), "-n", "-i", "-v", "-d", way)
	if err != nil {
		return said, err
	}
	heard, err := takeRefusals(said, steps)
	if err != nil {
		return said, fmt.Errorf("tnftp: %w\n%s", err, said)
	}
	if found := complaint.FindString(strings.ReplaceAll(heard, debugging, "")); found != "" {
		return said, fmt.Errorf("tnftp: complains with %q\n%s", found, said)
	}
	return said, keepListings(said, steps)
}

// takeRefusals takes the 550 of each step that is to have one, and of the SIZE
// that tnftp sends first, out of what was said.
func takeRefusals(said string, steps []Step) (string, error) {
	for _, s := range steps {
		if s.Op != Refused {
			continue
		}
		before, after, _ := strings.Cut(said, " remote: "+s.Remote+"\n")
		own, rest, _ := strings.Cut(after, "\nlocal: ")
		if !strings.Contains(own, "\n550 ") {
			return said, fmt.Errorf("%s %q was not refused", s.Op, s.Remote)
		}
		said = before + "\n" + strings.ReplaceAll(own, "\n550 ", "\n") + "\nlocal: " + rest
	}
	return said, nil
}

// keepListings writes all that tnftp has said to where the listings by MLSD
// belong: it prints those, and has no way to put them into a file.
func keepListings(said string, steps []Step) error {
	for _, s := range steps {
		if s.Op != MachineList {
			continue
		}
		if err := os.WriteFile(s.Local, []byte(said), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c TNFTP) step(s Step) string {
	local, remote := quote(s.Local), quote(s.Remote)
	folder := remote
	if s.Remote == "" {
		folder = "."
	}
	switch s.Op {
	case List:
		return fmt.Sprintf("ls %s %s", folder, local)
	case NameList:
		return fmt.Sprintf("nlist %s %s", folder, local)
	case MachineList:
		return "mlsd " + folder
	case Upload:
		return fmt.Sprintf("put %s %s", local, remote)
	case Download:
		return fmt.Sprintf("get %s %s", remote, local)
	case Refused:
		return fmt.Sprintf("get %s %s", remote, local)
	case Append:
		return fmt.Sprintf("append %s %s", local, remote)
	case ResumeUpload:
		return fmt.Sprintf("restart %d\nput %s %s", s.Offset, local, remote)
	case ResumeDownload:
		return fmt.Sprintf("reget %s %s", remote, local)
	case Rename:
		return fmt.Sprintf("rename %s %s", remote, quote(s.To))
	case Delete:
		return "delete " + remote
	case Mkdir:
		return "mkdir " + remote
	case Rmdir:
		return "rmdir " + remote
	default:
		panic("no operation " + string(s.Op))
	}
}
