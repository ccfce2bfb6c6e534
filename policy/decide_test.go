package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

func TestTheZeroDecisionDenies(t *testing.T) {
	var d policy.Decision
	if d.Passes() || d.Action != policy.Deny {
		t.Errorf("%+v", d)
	}
	if d := compile(t, "").Decide(policy.Request{}); d.Passes() {
		t.Errorf("the zero request: %+v", d)
	}
}

func TestMatchers(t *testing.T) {
	q := in(t, "/in", "STOR /in/a")
	q.Client = netip.MustParseAddr("::ffff:198.51.100.4")
	q.Session.Host = "FTP.example.com."
	tests := []struct {
		matcher string
		matches bool
	}{
		{``, true},
		{`commands = ["STOR"]`, true},
		{`commands = ["stor"]`, true},
		{`commands = ["*"]`, true},
		{`commands = ["RETR", "@write"]`, true},
		{`commands = ["@read"]`, false},
		{`users = ["partner-*"]`, true},
		{`users = ["x", "partner-7"]`, true},
		{`users = ["Partner-*"]`, false},
		{`users = []`, false},
		{`hosts = ["ftp.EXAMPLE.com"]`, true},
		{`hosts = ["*.example.com."]`, true},
		{`hosts = ["*.example.org"]`, false},
		{`from = ["198.51.100.0/24"]`, true},
		{`from = ["198.51.100.4"]`, true},
		{`from = ["2001:db8::/32", "::/0"]`, false},
		{`paths = ["/in/*"]`, true},
		{`paths = ["/out/**", "/in/**"]`, true},
		{`paths = ["/out/**"]`, false},
		{`arguments = ["^/in/"]`, true},
		{`arguments = ["^in", "a$"]`, true},
		{`arguments = ["^a"]`, false},
		{"commands = [\"@write\"]\n paths = [\"/in/**\"]\n users = [\"p*\"]\n from = [\"198.0.0.0/8\"]\n arguments = [\"a\"]\n when = true", true},
		{"commands = [\"@write\"]\n paths = [\"/in/**\"]\n users = [\"x*\"]", false},
		{"when = false", false},
	}
	for _, tt := range tests {
		for action, other := range map[string]string{"allow": "deny", "deny": "allow", "disconnect": "allow"} {
			p := compile(t, fmt.Sprintf("default = %q\nrule \"r\" {\n %s\n action = %q\n}", other, tt.matcher, action))
			if d := p.Decide(q); (d.Reason == policy.ByRule) != tt.matches || tt.matches && d.Action.String() != action || !tt.matches && d.Action.String() != other {
				t.Errorf("%s, %s: %+v", tt.matcher, action, d)
			}
		}
	}
}

// A client whose address is not known belongs to no network that is allowed, and
// to each that is not.
func TestNoAddress(t *testing.T) {
	q := in(t, "/", "NOOP")
	for action, want := range map[string]policy.Reason{"allow": policy.ByDefault, "deny": policy.ByRule} {
		p := compile(t, fmt.Sprintf("rule \"r\" {\n from = [\"10.0.0.0/8\"]\n action = %q\n}", action))
		if d := p.Decide(q); d.Reason != want {
			t.Errorf("%s: %+v", action, d)
		}
	}
}

func TestRepliesByKind(t *testing.T) {
	p := compile(t, `
rule "own words" {
  commands = ["DELE"]
  action   = "deny"
  reply    = "450 Not now."
}
rule "end" {
  commands = ["SITE EXEC"]
  action   = "disconnect"
}
rule "end in own words" {
  commands = ["SITE PSWD"]
  action   = "disconnect"
  reply    = "421 Enough."
}`)
	for line, want := range map[string]int{
		"RETR a": 550, "LIST": 550, "CWD x": 550, "XCWD x": 550, "CDUP": 550, "MDTM a": 550, "SITE CHMOD 644 a": 550, "STAT a": 550, "RNTO a": 550,
		"USER a": 530, "PASS a": 530, "ACCT a": 530, "REIN": 530,
		"NOOP": 502, "STAT": 502, "PASV": 502, "SITE HELP": 502, "OPTS UTF8 ON": 502, "PWD": 502, "TYPE I": 502,
		"FROB": 500, "XFROB a": 500,
		"DELE a": 450, "SITE EXEC a": 421, "SITE PSWD a": 421,
	} {
		d := p.Decide(in(t, "/", line))
		if d.Passes() || d.Reply.Code != want || d.Reply.Text == "" {
			t.Errorf("%s: %+v, want %d", line, d, want)
		}
	}
	if d := p.Decide(in(t, "/", "SITE PSWD a")); d.Reply.Text != "Enough." || d.Action != policy.Disconnect {
		t.Errorf("%+v", d)
	}
}

func TestXFormsAreTheSameCommand(t *testing.T) {
	for x, plain := range map[string]string{"XMKD": "MKD", "XRMD": "RMD", "XCWD": "CWD", "XPWD": "PWD", "XCUP": "CDUP"} {
		for _, named := range []string{x, plain, strings.ToLower(x)} {
			p := compile(t, fmt.Sprintf("default = \"allow\"\nrule \"r\" {\n commands = [%q]\n action = \"deny\"\n}", named))
			for _, given := range []string{x, plain} {
				if d := p.Decide(in(t, "/", given+" a")); d.Rule != "r" {
					t.Errorf("a rule on %s, the command %s: %+v", named, given, d)
				}
			}
		}
	}
}

// Whom a group contains is the language's, line by line.
func TestGroups(t *testing.T) {
	groups := map[string]string{
		"@login":    "USER a,PASS a,ACCT a,REIN",
		"@session":  "QUIT,NOOP,SYST,STAT,HELP,FEAT,OPTS UTF8 ON,OPTS MLST type;,TYPE I,MODE S,STRU F,CLNT a,LANG en,ALLO 1,REST 0,ABOR,CSID a,RANG 0 1",
		"@data":     "PASV,EPSV,PORT 1,EPRT 1,PRET RETR a",
		"@navigate": "CWD a,CDUP,PWD,XCWD a,XCUP,XPWD,SMNT a",
		"@list":     "LIST,NLST,MLSD,MLST,STAT a,SIZE a,MDTM a,XCRC a,XMD5 a,XSHA a,XSHA1 a,XSHA256 a,XSHA512 a,HASH a,MD5 a,MMD5 a,AVBL,DSIZ",
		"@read":     "RETR a,SITE CPFR a,THMB JPG 1 1 a",
		"@write":    "STOR a,STOU,APPE a,MFMT 20260101000000 a,MFF a; a,MFCT 20260101000000 a,SITE CHMOD 644 a,SITE UTIME 20260101000000 a,SITE CHGRP a a,SITE CHOWN a a,COMB a b,SITE CPTO a,SITE COPY a b,SITE SYMLINK a b",
		"@delete":   "DELE a,RMD a,XRMD a,RMDA a,SITE RMDIR a",
		"@rename":   "RNFR a,RNTO a",
		"@mkdir":    "MKD a,XMKD a,SITE MKDIR a",
		"@site":     "SITE HELP,SITE FROB,SITE CHMOD 644 a,SITE CPFR a,SITE",
		"@unknown":  "FROB,FROB a,X",
	}
	var all []string
	for _, lines := range groups {
		all = append(all, strings.Split(lines, ",")...)
	}
	for group, lines := range groups {
		p := compile(t, fmt.Sprintf("rule \"r\" {\n commands = [%q]\n action = \"allow\"\n}", group))
		for _, line := range all {
			want := slices.Contains(strings.Split(lines, ","), line) || group == "@site" && strings.HasPrefix(line, "SITE")
			if d := p.Decide(in(t, "/", line)); d.Passes() != want {
				t.Errorf("%s has %q: %t", group, line, d.Passes())
			}
		}
	}
}

// A verb of the registry that is in no group would slip through every list of
// denied groups.
func TestEveryVerbIsInAGroup(t *testing.T) {
	p := compile(t, `default = "allow"
rule "r" {
  commands = ["@login", "@session", "@data", "@navigate", "@list", "@read", "@write", "@delete", "@rename", "@mkdir", "@site"]
  action   = "deny"
}`)
	for v := range ftpparse.Verbs() {
		if d := p.Decide(in(t, "/", v.Name)); policy.Governs(v.Name) && d.Passes() {
			t.Errorf("%s is in no group", v.Name)
		}
	}
}

// MDTM with a time in front of the path changes a file on some servers.
func TestMDTMIsBothWhatItMayBe(t *testing.T) {
	const set, ask = "MDTM 20260101000000 a", "MDTM a"
	for rules, want := range map[string][2]bool{ // ask, set
		"rule \"r\" {\n commands = [\"@list\"]\n action = \"allow\"\n}":                      {true, false},
		"rule \"r\" {\n commands = [\"@write\"]\n action = \"allow\"\n}":                     {false, false},
		"rule \"r\" {\n commands = [\"@list\", \"@write\"]\n action = \"allow\"\n}":          {true, true},
		"rule \"r\" {\n commands = [\"MDTM\"]\n action = \"allow\"\n}":                       {true, true},
		"default = \"allow\"\nrule \"r\" {\n commands = [\"@write\"]\n action = \"deny\"\n}": {true, false},
		"default = \"allow\"\nrule \"r\" {\n commands = [\"MDTM\"]\n action = \"deny\"\n}":   {false, false},
	} {
		p := compile(t, rules)
		if got := [2]bool{p.Decide(in(t, "/", ask)).Passes(), p.Decide(in(t, "/", set)).Passes()}; got != want {
			t.Errorf("%s: %v, want %v", rules, got, want)
		}
	}
}

func TestUnknownVerbs(t *testing.T) {
	for rules, want := range map[string]bool{
		`default = "allow"`: false,
		"rule \"r\" {\n commands = [\"*\"]\n action = \"allow\"\n}":                 true,
		"rule \"r\" {\n action = \"allow\"\n}":                                      true,
		"rule \"r\" {\n commands = [\"@unknown\"]\n action = \"allow\"\n}":          true,
		"rule \"r\" {\n commands = [\"FROBNICATE\"]\n action = \"allow\"\n}":        true,
		"rule \"r\" {\n commands = [\"*\", \"FROBNICATE\"]\n action = \"allow\"\n}": true,
		"rule \"r\" {\n commands = [\"OTHERWISE\"]\n action = \"allow\"\n}":         false,
	} {
		p := compile(t, rules)
		named := strings.Contains(rules, "FROB") || strings.Contains(rules, "@unknown")
		for _, line := range []string{"FROBNICATE", "frobnicate a"} {
			d := p.Decide(policy.Request{Command: command(t, line), Directory: "/"})
			if d.Passes() != (want && named) {
				t.Errorf("%s: %s: %+v", rules, line, d)
			}
			if !d.Passes() && (d.Reply.Code != 500 || d.Reason != policy.ByUnknownVerb) {
				t.Errorf("%s: %s: %+v", rules, line, d)
			}
		}
	}
	// That one rule names a verb makes it known to no other.
	const named = "rule \"n\" {\n commands = [\"FROBNICATE\"]\n users = [\"other\"]\n action = \"allow\"\n}\n"
	for rest, want := range map[string]bool{
		"default = \"allow\"": false,
		"rule \"r\" {\n commands = [\"*\"]\n action = \"allow\"\n}":        false,
		"rule \"r\" {\n commands = [\"@unknown\"]\n action = \"allow\"\n}": true,
	} {
		if d := compile(t, named+rest).Decide(in(t, "/", "FROBNICATE")); d.Passes() != want {
			t.Errorf("%s: %+v", rest, d)
		}
	}
	p := compile(t, "rule \"r\" {\n commands = [\"*\"]\n action = \"disconnect\"\n}")
	if d := p.Decide(in(t, "/", "FROB")); d.Action != policy.Disconnect {
		t.Errorf("denying everything leaves unknown verbs out: %+v", d)
	}
}

func TestSubCommands(t *testing.T) {
	p := compile(t, `default = "allow"
rule "exec" {
  commands = ["SITE EXEC"]
  action   = "disconnect"
}
rule "utf8" {
  commands = ["OPTS UTF8"]
  action   = "deny"
}`)
	for _, line := range []string{
		"SITE EXEC", "SITE EXEC a", "SITE exec a", "site Exec a", "SITE  EXEC a", "SITE \tEXEC\ta", `SITE "EXEC" a`, `SITE 'EXEC' a`, `SITE EX\EC a`, "SITE EXEC  a", "SITE \v\fEXEC",
	} {
		if d := p.Decide(in(t, "/", line)); d.Rule != "exec" {
			t.Errorf("%q: %+v", line, d)
		}
	}
	for _, line := range []string{"SITE EXECUTE a", "SITE HELP EXEC", "SITE", "SITE CHMOD 644 a", "OPTS MLST", "OPTS", "SITE \u017fEXEC", "SITE " + strings.Repeat("EXEC", 100)} {
		if d := p.Decide(in(t, "/", line)); !d.Passes() {
			t.Errorf("%q: %+v", line, d)
		}
	}
	if d := p.Decide(in(t, "/", "opts utf8 on")); d.Rule != "utf8" {
		t.Errorf("%+v", d)
	}
}

// Case and Unicode's normal forms are the upstream's own affair, as the package
// comment says: names are compared byte by byte.
func TestNamesAreBytes(t *testing.T) {
	p := compile(t, "default = \"allow\"\nrule \"r\" {\n paths = [\"/gr\u00fcn\"]\n action = \"deny\"\n}")
	for name, passes := range map[string]bool{"/gr\u00fcn": false, "/gru\u0308n": true, "/GR\u00fcN": true, "/gr\xfcn": true} {
		if d := p.Decide(in(t, "/", "RETR "+name)); d.Passes() != passes {
			t.Errorf("%q: %+v", name, d)
		}
	}
}

func TestWhy(t *testing.T) {
	p := compile(t, "rule \"a\" {\n commands = [\"NOOP\"]\n action = \"allow\"\n}\nrule \"b\" {\n commands = [\"SYST\"]\n when = tls.client_certificate.emails[0] == \"x\"\n action = \"allow\"\n}")
	for line, want := range map[string]string{
		"NOOP": `rule "a" at policy.hcl:2`,
		"QUIT": "default, at policy.hcl:1",
		"FROB": "unknown verb, at policy.hcl:1",
		"SYST": `the failing condition of rule "b" at policy.hcl:8: Invalid index: `,
	} {
		if got := p.Decide(in(t, "/", line)).Why(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestMonitorLetsEverythingPass(t *testing.T) {
	p := compile(t, "mode = \"monitor\"\nrule \"r\" {\n commands = [\"SITE EXEC\"]\n action = \"disconnect\"\n}\nrule \"w\" {\n commands = [\"DELE\"]\n when = command.path == tls.client_certificate.emails[0]\n action = \"allow\"\n}")
	for line, want := range map[string]policy.Action{"SITE EXEC a": policy.Disconnect, "RETR a": policy.Deny, "FROB": policy.Deny, "DELE a": policy.Deny} {
		d := p.Decide(in(t, "/", line))
		if !d.Passes() || !d.Monitor || d.Action != want || d.Reply.Code == 0 {
			t.Errorf("%s: %+v", line, d)
		}
	}
	if !p.Monitor() || p.NeverAllows(in(t, "/", "NOOP"), "RETR") {
		t.Error("FEAT must announce what passes")
	}
}

// A policy may be asked by many sessions at once.
func TestDecideInParallel(t *testing.T) {
	p := compile(t, besieged)
	t.Run("group", func(t *testing.T) {
		for i := range 8 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for j := range 500 {
					allowed := j%2 == 0
					line := fmt.Sprintf("RETR /finance/%d-%d", i, j)
					if allowed {
						line = fmt.Sprintf("RETR /incoming/%d-%d", i, j)
					}
					if d := p.Decide(in(t, "/", line)); d.Passes() != allowed {
						t.Fatalf("%s: %+v", line, d)
					}
				}
			})
		}
	})
}
