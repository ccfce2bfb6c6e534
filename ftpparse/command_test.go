package ftpparse_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

func TestParseCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]ftpparse.Command{
		"NOOP":                           {Verb: "NOOP"},
		"noop":                           {Verb: "NOOP"},
		"NoOp ":                          {Verb: "NOOP", Space: true},
		"PASS":                           {Verb: "PASS"},
		"PASS ":                          {Verb: "PASS", Space: true},
		"PASS  ":                         {Verb: "PASS", Argument: " ", Space: true},
		"RETR a b":                       {Verb: "RETR", Argument: "a b", Space: true},
		"RETR  a ":                       {Verb: "RETR", Argument: " a ", Space: true},
		"RETR \ta":                       {Verb: "RETR", Argument: "\ta", Space: true},
		"LIST -aL":                       {Verb: "LIST", Argument: "-aL", Space: true},
		"CWD gr\xfc\xdfe":                {Verb: "CWD", Argument: "gr\xfc\xdfe", Space: true},
		"CWD grüße/日本":                   {Verb: "CWD", Argument: "grüße/日本", Space: true},
		"CWD a\xff\xffb":                 {Verb: "CWD", Argument: "a\xffb", Space: true},
		"CWD \xff\xff\xff\xff":           {Verb: "CWD", Argument: "\xff\xff", Space: true},
		"CWD a\x1b[2J\x7f":               {Verb: "CWD", Argument: "a\x1b[2J\x7f", Space: true},
		"XSHA256 f":                      {Verb: "XSHA256", Argument: "f", Space: true},
		"x":                              {Verb: "X"},
		"ABCDEFGH12345678":               {Verb: "ABCDEFGH12345678"},
		"\xff\xf4\xff\xf2ABOR":           {Verb: "ABOR"}, // IP, DM: what clients send in front of ABOR
		"\xff\xf0NOOP":                   {Verb: "NOOP"}, // SE that ends nothing
		"NO\xff\xfa\xff\xffX\xff\xf0OP":  {Verb: "NOOP"},
		"AB\xff\xf1OR":                   {Verb: "ABOR"},
		"ABOR\xff\xf1":                   {Verb: "ABOR"},
		"\xff\xfb\x01NOOP":               {Verb: "NOOP"}, // WILL ECHO
		"\xff\xfe\nNOOP":                 {Verb: "NOOP"}, // an option may look like a line end
		"NO\xff\xfaDELE a\r\n\xff\xf0OP": {Verb: "NOOP"},
		"NO\xff\xfa\xff\xff\xff\xf0OP":   {Verb: "NOOP"},
	} {
		got, err := ftpparse.ParseCommand([]byte(line))
		if err != nil || got != want {
			t.Errorf("ParseCommand(%q) = %#v, %v; want %#v", line, got, err, want)
		}
	}
}

func TestParseCommandRefuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]error{
		"":                         ftpparse.ErrVerb,
		" ":                        ftpparse.ErrVerb,
		" NOOP":                    ftpparse.ErrVerb,
		"1NOOP":                    ftpparse.ErrVerb,
		"NO-OP":                    ftpparse.ErrVerb,
		"NOOP\tx":                  ftpparse.ErrVerb,
		"NÖOP":                     ftpparse.ErrVerb,
		"ABCDEFGHIJKLMNOPQ":        ftpparse.ErrVerb,
		"\x16\x03\x01\x02":         ftpparse.ErrVerb, // a TLS hello
		"NOOP\r":                   ftpparse.ErrControlByte,
		"NOOP\n":                   ftpparse.ErrControlByte,
		"CWD a\rDELE b":            ftpparse.ErrControlByte,
		"CWD a\r\nDELE b":          ftpparse.ErrControlByte,
		"CWD a\x00":                ftpparse.ErrControlByte,
		"\x00":                     ftpparse.ErrControlByte,
		"CWD a\r\xff\xff":          ftpparse.ErrControlByte,
		"NOOP\xff":                 ftpparse.ErrTelnet,
		"NOOP\xffX":                ftpparse.ErrTelnet,
		"NOOP\xff\xef":             ftpparse.ErrTelnet,
		"NOOP\xff\xfb":             ftpparse.ErrTelnet,
		"NOOP\xff\xfa\x18":         ftpparse.ErrTelnet,
		"NOOP\xff\xfa\x18\xff":     ftpparse.ErrTelnet,
		"NOOP\xff\xfa\x18\xffX":    ftpparse.ErrTelnet,
		"NOOP\xff\xff\xff":         ftpparse.ErrTelnet,
		"\x00\xffX":                ftpparse.ErrTelnet,
		"\xff\xf4\xff\xf2":         ftpparse.ErrVerb,
		"\xff\xfa\r\n\xff\xf0":     ftpparse.ErrVerb, // a sub-negotiation and nothing else
		"A\xff\xf4\xff\xf2 ä\x00":  ftpparse.ErrControlByte,
		"NOOP\xff\xfa\xff\xf0\xff": ftpparse.ErrTelnet,
	} {
		got, err := ftpparse.ParseCommand([]byte(line))
		if !errors.Is(err, want) || got != (ftpparse.Command{}) {
			t.Errorf("ParseCommand(%q) = %#v, %v; want %v", line, got, err, want)
		}
	}
}

func TestParseCommandLeavesTheLineAlone(t *testing.T) {
	t.Parallel()
	const line = "no\xff\xf1op \xff\xff"
	given := []byte(line)
	if _, err := ftpparse.ParseCommand(given); err != nil {
		t.Fatal(err)
	}
	if string(given) != line {
		t.Errorf("line is now %q", given)
	}
}

func TestCommandAppendTo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		command ftpparse.Command
		want    string
	}{
		{ftpparse.Command{Verb: "NOOP"}, "NOOP\r\n"},
		{ftpparse.Command{Verb: "PASS", Space: true}, "PASS \r\n"},
		{ftpparse.Command{Verb: "RETR", Argument: " a\xffb ", Space: true}, "RETR  a\xff\xffb \r\n"},
		{ftpparse.Command{Verb: "TYPE", Argument: "I"}, "TYPE I\r\n"},
	} {
		if got := string(test.command.AppendTo([]byte("+"))); got != "+"+test.want {
			t.Errorf("%#v.AppendTo = %q, want %q", test.command, got, test.want)
		}
	}
}

func TestCommandValid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		command ftpparse.Command
		want    error
	}{
		{ftpparse.Command{Verb: "CWD", Argument: "a b\xff"}, nil},
		{ftpparse.Command{Verb: "CWD", Argument: "a\r\nDELE b"}, ftpparse.ErrControlByte},
		{ftpparse.Command{Verb: "CWD", Argument: "a\nDELE b"}, ftpparse.ErrControlByte},
		{ftpparse.Command{Verb: "CWD", Argument: "a\x00"}, ftpparse.ErrControlByte},
		{ftpparse.Command{Verb: "cwd"}, ftpparse.ErrVerb},
		{ftpparse.Command{Verb: "CWD a"}, ftpparse.ErrVerb},
		{ftpparse.Command{}, ftpparse.ErrVerb},
	} {
		if err := test.command.Valid(); !errors.Is(err, test.want) {
			t.Errorf("%#v.Valid() = %v, want %v", test.command, err, test.want)
		}
	}
}

func TestCommandString(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"NOOP":                  `NOOP`,
		"PASS":                  `PASS`,
		"PASS ":                 `PASS ****`,
		"pass hunter2":          `PASS ****`,
		"ACCT hunter2":          `ACCT ****`,
		"ADAT aHVudGVyMg==":     `ADAT ****`,
		"CONF aHVudGVyMg==":     `CONF ****`,
		"PSAS hunter2":          `PSAS ****`, // unknown: it may be a mistyped PASS
		"USER alice":            `USER alice`,
		"SITE CHMOD 644 a.txt":  `SITE CHMOD 644 a.txt`,
		"SITE PSWD old new":     `SITE PSWD ****`,
		"SITE  chpass bob new":  `SITE chpass ****`,
		"SITE HELP":             `SITE HELP`,
		"CWD a\x1b[2Jb":         `CWD a\x1b[2Jb`,
		"CWD grüße":             `CWD grüße`,
		"CWD gr\xfc\xdfe":       `CWD gr\xfc\xdfe`,
		"CWD a\u2028level=info": `CWD a\u2028level=info`,
		"RETR a ":               `RETR a `,
	} {
		c, err := ftpparse.ParseCommand([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.String(); got != want {
			t.Errorf("String of %q = %q, want %q", line, got, want)
		}
	}
}

func TestCommandHidesItsSecretFromEveryPrinter(t *testing.T) {
	t.Parallel()
	c := ftpparse.Command{Verb: "PASS", Argument: "hunter2", Space: true}
	text, err := json.Marshal(struct{ C ftpparse.Command }{c})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%s %v %+v %#v %q %x", c, c, c, c, c, []any{c}) + string(text)
	for _, secret := range []string{"hunter2", "68756e74657232"} {
		if strings.Contains(shown, secret) {
			t.Errorf("the password is in %s", shown)
		}
	}
}
