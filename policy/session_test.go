package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

func TestNeverAllows(t *testing.T) {
	p := compile(t, `
rule "no checksums for guests" {
  commands = ["XCRC"]
  users    = ["guest"]
  action   = "deny"
}
rule "checksums" {
  commands = ["XCRC"]
  action   = "allow"
}
rule "sizes in one place" {
  commands = ["SIZE"]
  paths    = ["/a/**"]
  action   = "allow"
}
rule "no times from outside" {
  commands = ["MFMT"]
  from     = ["192.0.2.0/24"]
  action   = "deny"
}
rule "some times" {
  commands = ["MFMT"]
  arguments = ["^2026"]
  action   = "allow"
}
rule "hash with TLS" {
  commands = ["HASH"]
  when     = tls.active
  action   = "allow"
}
rule "listings in the morning" {
  commands = ["MLST", "MLSD"]
  when     = time.hour < 12
  action   = "allow"
}
rule "not there" {
  commands = ["MLSD"]
  paths    = ["/x"]
  action   = "deny"
}
rule "asking for times" {
  commands = ["@list"]
  users    = ["asker"]
  action   = "allow"
}
rule "fails" {
  commands = ["LANG"]
  when     = tls.client_certificate.emails[0] == "a"
  action   = "allow"
}
rule "at times" {
  commands = ["CLNT"]
  when     = command.argument == "a"
  action   = "allow"
}
rule "one option" {
  commands = ["OPTS UTF8"]
  action   = "allow"
}`)
	tests := []struct {
		user, from, verb string
		tls, never       bool
	}{
		{"guest", "10.0.0.1", "XCRC", false, true},
		{"a", "10.0.0.1", "XCRC", false, false},
		{"a", "10.0.0.1", "xcrc", false, false},
		{"a", "10.0.0.1", "SIZE", false, false},
		{"a", "192.0.2.1", "MFMT", false, true},
		{"a", "10.0.0.1", "MFMT", false, false},
		{"a", "10.0.0.1", "HASH", false, true},
		{"a", "10.0.0.1", "HASH", true, false},
		{"a", "10.0.0.1", "MLST", false, false},
		{"a", "10.0.0.1", "MLSD", false, false},
		{"a", "10.0.0.1", "MDTM", false, true},
		{"asker", "10.0.0.1", "MDTM", false, false},
		{"a", "10.0.0.1", "LANG", false, true},
		{"a", "10.0.0.1", "CLNT", false, false},
		{"a", "10.0.0.1", "OPTS", false, false},
		{"a", "10.0.0.1", "OPTS UTF8", false, false},
		{"a", "10.0.0.1", "SITE CHMOD", false, true},
		{"a", "10.0.0.1", "SITE", false, true},
		{"a", "10.0.0.1", "FROB", false, true},
		{"a", "10.0.0.1", "AUTH", false, false}, // not the policy's
	}
	for _, tt := range tests {
		q := policy.Request{User: tt.user, Client: netip.MustParseAddr(tt.from), TLS: policy.TLS{Active: tt.tls}, Session: policy.Session{LoggedIn: true}}
		if got := p.NeverAllows(q, tt.verb); got != tt.never {
			t.Errorf("%s by %s from %s, TLS %t: %t", tt.verb, tt.user, tt.from, tt.tls, got)
		}
	}
	open := compile(t, "default = \"allow\"\nrule \"r\" {\n commands = [\"MDTM\"]\n action = \"deny\"\n}")
	if !open.NeverAllows(policy.Request{}, "MDTM") || open.NeverAllows(policy.Request{}, "SIZE") || !open.NeverAllows(policy.Request{}, "FROB") {
		t.Error("under default allow")
	}
}

// Before the login only what is denied to everybody from there is never allowed.
func TestNeverAllowsBeforeTheLogin(t *testing.T) {
	p := compile(t, `
rule "a user's" {
  commands = ["MDTM"]
  users    = ["partner-*"]
  action   = "allow"
}
rule "a host's" {
  commands = ["HASH"]
  hosts    = ["files.example.com"]
  action   = "allow"
}
rule "with TLS" {
  commands = ["XCRC"]
  when     = tls.active
  action   = "allow"
}
rule "from elsewhere" {
  commands = ["SIZE"]
  from     = ["192.0.2.0/24"]
  action   = "allow"
}
rule "not to guests" {
  commands = ["MFMT"]
  users    = ["guest"]
  action   = "deny"
}
rule "to others" {
  commands = ["MFMT"]
  action   = "allow"
}
rule "not to anybody" {
  commands = ["REST"]
  action   = "deny"
}
rule "too late" {
  commands = ["REST"]
  users    = ["partner-*"]
  action   = "allow"
}`)
	for verb, never := range map[string]bool{"MDTM": false, "HASH": false, "XCRC": false, "SIZE": true, "MFMT": false, "REST": true, "MLST": true} {
		if got := p.NeverAllows(policy.Request{Client: netip.MustParseAddr("198.51.100.4")}, verb); got != never {
			t.Errorf("%s: %t", verb, got)
		}
	}
}

// What is never allowed is not allowed with any argument either.
func TestNeverAllowsAgreesWithDecide(t *testing.T) {
	for _, inside := range []string{documented, besieged, "default = \"allow\"", "rule \"r\" {\n commands = [\"@list\"]\n paths = [\"/a/**\"]\n action = \"deny\"\n}\ndefault = \"allow\""} {
		p := compile(t, inside)
		for v := range ftpparse.Verbs() {
			for _, argument := range []string{"", " /incoming/a", " /a/b", " 20260101000000 /incoming/a"} {
				q := in(t, "/incoming", v.Name+argument)
				if policy.Governs(v.Name) && p.NeverAllows(q, v.Name) && p.Decide(q).Passes() {
					t.Errorf("%s%s passes", v.Name, argument)
				}
			}
		}
	}
}

func TestNeedsDirectory(t *testing.T) {
	for rule, want := range map[string]bool{
		"": false,
		"rule \"r\" {\n commands = [\"@read\"]\n action = \"allow\"\n}":                             false,
		"rule \"r\" {\n paths = [\"/a\"]\n action = \"allow\"\n}":                                   true,
		"rule \"r\" {\n paths = [\"/a\"]\n action = \"deny\"\n}":                                    true,
		"rule \"r\" {\n paths = [\"/a\"]\n users = [\"other\"]\n action = \"allow\"\n}":             false,
		"rule \"r\" {\n paths = [\"/a\"]\n when = false\n action = \"allow\"\n}":                    false,
		"rule \"r\" {\n when = command.path == \"/a\"\n action = \"allow\"\n}":                      true,
		"rule \"r\" {\n when = command.path_from == \"/a\"\n action = \"allow\"\n}":                 true,
		"rule \"r\" {\n when = command.verb == \"RETR\"\n action = \"allow\"\n}":                    false,
		"rule \"r\" {\n when = length(keys(command)) > 3\n users = [\"*\"]\n action = \"allow\"\n}": true,
	} {
		if got := compile(t, rule).NeedsDirectory(policy.Request{User: "partner-7"}); got != want {
			t.Errorf("%s: %t", rule, got)
		}
	}
}

func TestReplyText(t *testing.T) {
	p := compile(t, `
reply "login" {
  commands = ["USER", "PASS"]
  codes    = ["530", "3"]
  text     = "Login."
}
reply "exec" {
  commands = ["SITE EXEC", "XMKD"]
  text     = "No."
}
reply "hide" {
  commands = ["*"]
  codes    = ["2"]
  text     = "FTP service"
}`)
	tests := []struct {
		line string
		code int
		text string
	}{
		{"", 220, "FTP service"},
		{"", 421, ""},
		{"SYST", 215, "FTP service"},
		{"FROB", 200, "FTP service"},
		{"SYST", 500, ""},
		{"USER a", 331, "Login."},
		{"PASS a", 530, "Login."},
		{"PASS a", 230, "FTP service"},
		{"PASV", 227, ""},
		{"EPSV", 229, ""},
		{"PWD", 257, ""},
		{"MKD a", 550, "No."},
		{"MKD a", 257, ""},
		{"site exec a", 500, "No."},
		{"SITE HELP", 500, ""},
		{"SITE HELP", 214, "FTP service"},
	}
	for _, tt := range tests {
		var c ftpparse.Command
		if tt.line != "" {
			c = command(t, tt.line)
		}
		text, ok := p.ReplyText(c, tt.code)
		if text != tt.text || ok != (tt.text != "") {
			t.Errorf("%d to %q: %q, %t", tt.code, tt.line, text, ok)
		}
	}
	if text, ok := compile(t, "").ReplyText(command(t, "SYST"), 215); ok {
		t.Errorf("without rules: %q", text)
	}
}

func TestExplain(t *testing.T) {
	p := compile(t, documented)
	q := in(t, "/incoming", "STOR a.exe")
	q.Client = netip.MustParseAddr("203.0.113.9")
	q.TLS = policy.TLS{Active: true, Version: "1.3"}
	e := p.Explain(q)
	if diff := cmp.Diff(p.Decide(q), e.Decision); diff != "" {
		t.Error(diff)
	}
	want := `STOR
  touches /incoming/a.exe
  "login and looking around" policy.hcl:6 allow: commands
  "uploads land in incoming" policy.hcl:10 allow: from
  "no executables anywhere" policy.hcl:18 deny: decides
  deny 553 by rule "no executables anywhere" policy.hcl:18
`
	if diff := cmp.Diff(want, told(e)); diff != "" {
		t.Error(diff)
	}

	q.Client = netip.MustParseAddr("198.51.100.4")
	q.Command.Argument = "/elsewhere/a"
	want = `STOR
  touches /elsewhere/a
  "login and looking around" policy.hcl:6 allow: commands
  "uploads land in incoming" policy.hcl:10 allow: paths
  "no executables anywhere" policy.hcl:18 deny: paths
  "SITE EXEC is an attack" policy.hcl:24 disconnect: commands
  deny 550 by default policy.hcl:1
`
	if diff := cmp.Diff(want, told(p.Explain(q))); diff != "" {
		t.Error(diff)
	}

	p = compile(t, "rule \"a\" {\n commands = [\"NOOP\"]\n action = \"allow\"\n}\nrule \"b\" {\n when = time.hour == 3 && lower(tls.client_certificate.cn) == \"x\"\n action = \"allow\"\n}\nrule \"c\" {\n commands = [\"QUIT\"]\n action = \"allow\"\n}")
	want = `MDTM
  touches /incoming/a, /incoming/20260101000000 a
  "a" policy.hcl:2 allow: commands
  "b" policy.hcl:6 allow: when
  "c" policy.hcl:10 allow: commands
  deny 550 by default policy.hcl:1
MDTM time path
  touches /incoming/a, /incoming/20260101000000 a
  "a" policy.hcl:2 allow: commands
  "b" policy.hcl:6 allow: when
  "c" policy.hcl:10 allow: commands
  deny 550 by default policy.hcl:1
`
	e = p.Explain(in(t, "/incoming", "MDTM 20260101000000 a"))
	if diff := cmp.Diff(want, told(e)); diff != "" {
		t.Error(diff)
	}
}

// told prints an explanation.
func told(e policy.Explanation) string {
	var b strings.Builder
	for _, r := range e.Readings {
		var places []string
		for _, p := range r.Paths {
			places = append(places, p.Path)
		}
		fmt.Fprintf(&b, "%s\n  touches %s\n", r.Command, strings.Join(places, ", "))
		for _, s := range r.Steps {
			why := s.Failed.String()
			if s.Failed == policy.NoMatcher {
				why = "decides"
			}
			if s.Error != "" {
				why += ", failed"
			}
			fmt.Fprintf(&b, "  %q %s:%d %s: %s\n", s.Rule, s.At.File, s.At.Line, s.Action, why)
		}
		d := r.Decision
		fmt.Fprintf(&b, "  %s %d by %s", d.Action, d.Reply.Code, d.Reason)
		if d.Rule != "" {
			fmt.Fprintf(&b, " %q", d.Rule)
		}
		fmt.Fprintf(&b, " %s:%d\n", d.At.File, d.At.Line)
	}
	return b.String()
}

func TestTestBlocks(t *testing.T) {
	p := compile(t, documented+`
  test "wrong action" {
    session = { user = "partner-7", from = "198.51.100.4", tls = { version = "1.3" } }
    command = "STOR /incoming/a.csv"
    expect  = "deny"
  }
  test "wrong rule" {
    command = "STOR /a.exe"
    expect  = "deny"
    rule    = "SITE EXEC is an attack"
  }
  test "right rule" {
    session = { directory = "/incoming", user = "x" }
    command = "RNTO a.js"
    rename_from = "b"
    expect  = "deny"
    rule    = "no executables anywhere"
  }
  test "before login" {
    command = "USER a"
    expect  = "allow"
  }`)
	var got []string
	for _, r := range p.Test() {
		got = append(got, fmt.Sprintf("%s %t %q", r.Name, r.Passed, r.Diff))
		if (len(r.Diff) == 0) != r.Passed || r.At.Line == 0 || len(r.Explanation.Readings) == 0 {
			t.Errorf("%+v", r)
		}
	}
	want := []string{
		`a partner cannot reach finance true []`,
		`wrong action false ["- expect = \"deny\"" "+ expect = \"allow\" by rule \"uploads land in incoming\" at policy.hcl:10"]`,
		`wrong rule false ["- rule = \"SITE EXEC is an attack\"" "+ rule = \"no executables anywhere\" by rule \"no executables anywhere\" at policy.hcl:18"]`,
		`right rule true []`,
		`before login true []`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTestsSuppose(t *testing.T) {
	p := compile(t, `
time_zone = "Europe/Berlin"
rule "all" {
  when = session.logged_in && user.name == "a" && session.host == "h" && session.listener == "l" && session.upstream == "u" && session.commands == 5 && session.denied == 2 && transfer.type == "I" && time.hour == 10 && tls.active && tls.version == "1.2" && tls.cipher == "c" && tls.sni == "h" && tls.data == "clear" && tls.session_reused && tls.client_certificate.cn == "a" && tls.client_certificate.emails[0] == "m" && command.path == "/d/x"
  action = "allow"
}
rule "none" {
  when = !session.logged_in && user.name == "" && !tls.active && tls.version == "" && tls.data == "clear" && command.path == "/x" && time.unix == 0
  action = "disconnect"
}
rule "other" {
  when   = user.name == "b" && !session.logged_in && !tls.active && tls.data == "clear"
  action = "disconnect"
}
test "all" {
  session = {
    user = "a", from = "192.0.2.1", listener = "l", upstream = "u", directory = "/d", commands = 5, denied = 2, type = "I", time = "2026-11-25T09:30:00Z"
    tls = { version = "1.2", cipher = "c", sni = "h", data = "clear", session_reused = true, client_certificate = { cn = "a", emails = ["m"] } }
  }
  command = "RETR x"
  expect  = "allow"
}
test "none" {
  command = "RETR x"
  expect  = "disconnect"
}
test "other" {
  session = { user = "b", logged_in = false, tls = { active = false } }
  command = "RETR x"
  expect  = "disconnect"
}`)
	for _, r := range p.Test() {
		if !r.Passed {
			t.Errorf("%s: %q, %+v", r.Name, r.Diff, r.Request)
		}
	}
}
