package ftpparse_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// An exchange is a command of a recorded session and the reply to it, in wire
// form. The greeting has no command.
type exchange struct {
	command, reply string
}

// recorded returns the sessions in testdata/servers: what FTP servers in use
// say, by server. In the files a line that starts with "> " is a command, the
// others are its reply; line ends are LF and were CRLF without exception.
func recorded(t testing.TB) map[string][]exchange {
	t.Helper()
	files, err := filepath.Glob("testdata/servers/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded sessions (%v)", err)
	}
	sessions := make(map[string][]exchange)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var session []exchange
		for i, part := range strings.Split("\n"+string(text), "\n> ") {
			var e exchange
			if i > 0 {
				e.command, part, _ = strings.Cut(part, "\n")
				e.command += "\r\n"
			}
			e.reply = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSuffix(part, "\n"), "\n")+"\n", "\n", "\r\n")
			session = append(session, e)
		}
		sessions[strings.TrimSuffix(filepath.Base(file), ".txt")] = session
	}
	return sessions
}

// said is the last recorded reply to a command, given by a logged-in user.
func said(t *testing.T, session []exchange, command string) ftpparse.Reply {
	t.Helper()
	for _, e := range slices.Backward(session) {
		if e.command == command+"\r\n" {
			r, err := ftpparse.NewReplyReader(strings.NewReader(e.reply), lineLimit, totalLimit).Read()
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatalf("%s was not recorded", command)
	return ftpparse.Reply{}
}

func TestRecordedSessionsAreReadAndPrintedWithoutLoss(t *testing.T) {
	t.Parallel()
	for server, session := range recorded(t) {
		var replies, commands strings.Builder
		for _, e := range session {
			commands.WriteString(e.command)
			replies.WriteString(e.reply)
		}
		rr := ftpparse.NewReplyReader(strings.NewReader(replies.String()), lineLimit, totalLimit)
		cr := ftpparse.NewCommandReader(strings.NewReader(commands.String()), limit)
		for i, e := range session {
			r, err := rr.Read()
			if err != nil {
				t.Fatalf("%s: reply to %q: %v", server, e.command, err)
			}
			if got := string(r.AppendTo(nil)); got != e.reply {
				t.Errorf("%s: %q: reply %q, want %q", server, e.command, got, e.reply)
			}
			if i == 0 {
				continue
			}
			c, err := cr.Read()
			if err != nil {
				t.Fatalf("%s: %q: %v", server, e.command, err)
			}
			if got := string(c.AppendTo(nil)); got != e.command {
				t.Errorf("%s: command %q, want %q", server, got, e.command)
			}
		}
		if _, err := rr.Read(); err != io.EOF { //nolint:errorlint // EOF and nothing that wraps it
			t.Errorf("%s: %v behind the last reply", server, err)
		}
	}
}

func TestRecordedPassiveReplies(t *testing.T) {
	t.Parallel()
	for server, session := range recorded(t) {
		pasv := said(t, session, "PASV")
		if addr, err := ftpparse.Parse227(pasv); err != nil || addr.Addr().String() != "127.0.0.1" || addr.Port() < 1024 {
			t.Errorf("%s: Parse227(%q) = %v, %v", server, pasv.Lines, addr, err)
		}
		epsv := said(t, session, "EPSV")
		if port, err := ftpparse.Parse229(epsv); err != nil || port < 1024 {
			t.Errorf("%s: Parse229(%q) = %v, %v", server, epsv.Lines, port, err)
		}
	}
}

func TestRecordedFeatures(t *testing.T) {
	t.Parallel()
	for server, session := range recorded(t) {
		feat := said(t, session, "FEAT")
		features, err := ftpparse.ParseFEAT(feat)
		if err != nil || len(features) != len(feat.Lines)-2 {
			t.Fatalf("%s: ParseFEAT = %v, %v; want one feature for each inner line", server, features, err)
		}
		// Apart from its first and last line, whose words are free, the reply
		// comes back as it was.
		got, want := ftpparse.FormatFEAT(features).Lines, feat.Lines
		for i := 1; i < len(want)-1; i++ {
			if got[i] != want[i] {
				t.Errorf("%s: line %q, want %q", server, got[i], want[i])
			}
		}
		names := make(map[string]bool)
		for _, f := range features {
			names[f.Name()] = true
		}
		for _, name := range []string{"EPSV", "MDTM", "REST", "SIZE"} {
			if !names[name] {
				t.Errorf("%s: no %s in %v", server, name, features)
			}
		}
	}
}

// Whatever verb a server of today says it knows, the registry knows.
func TestRecordedVerbsAreInTheRegistry(t *testing.T) {
	t.Parallel()
	for server, session := range recorded(t) {
		help := said(t, session, "HELP")
		if strings.Contains(help.Text(), "SITE") {
			continue // Pure-FTPd only names its SITE commands
		}
		if len(help.Lines) < 5 {
			t.Fatalf("%s: no list of commands in %q", server, help.Lines)
		}
		for _, line := range help.Lines[1 : len(help.Lines)-1] {
			for verb := range strings.FieldsSeq(line) {
				if _, ok := ftpparse.Lookup(strings.TrimSuffix(verb, "*")); !ok {
					t.Errorf("%s: %s is not in the registry", server, verb)
				}
			}
		}
	}
}
