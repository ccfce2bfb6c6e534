package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// besieged lets partners work in /incoming, but not in /incoming/secret, and
// lets nobody upload programs.
const besieged = `
  rule "login" {
    commands = ["@login", "@session", "@navigate", "@data"]
    action   = "allow"
  }
  rule "secret" {
    paths  = ["/incoming/secret/**"]
    action = "deny"
  }
  rule "no programs" {
    commands = ["@write", "RNTO"]
    paths    = ["**/*.{exe,php}"]
    action   = "deny"
  }
  rule "incoming" {
    commands = ["@list", "@read", "@write", "@rename", "MKD", "DELE", "SITE CHMOD"]
    paths    = ["/incoming/**"]
    action   = "allow"
  }
`

func TestNoSpellingGetsRoundThePolicy(t *testing.T) {
	p := compile(t, besieged)
	var attempts []string
	// Each way to name a place where nothing is allowed, with each verb that takes
	// it.
	for _, path := range []string{
		"/finance/a", "../finance/a", "/incoming/../finance/a", "//finance/a", "/./finance/a", "/finance/./a", "/finance//a",
		"/incoming/./../finance/a", "/incoming/x/../../finance/a", "./../finance/a", "x/../../finance/a",
		" /finance/a", "  /finance/a", "\t/finance/a", "/finance/a ", `"/finance/a"`, `"/finance/a`, `'/finance/a'`, ` "/finance/a"`,
		`""/finance/a`, `/fin"ance"/a`, `/incoming/".."/finance/a`, `\\?\C:\finance\a`, `\\localhost\c$\finance\a`, `\finance\a`, `..\finance\a`, `/incoming\..\..\finance\a`, `C:\finance\a`, `c:/finance/a`, ".. /finance/a", `.. \finance\a`,
		`\.\./finance/a`, `/incoming/\.\./finance/a`,
		"~", "~root/a", "~/a", "~partner-7", " ~root/a", `"~root/a"`,
		"/fin*/a", "/fin?nce/a", "/[f]inance/a", "/{finance}/a", "{/finance/a}", "{/finance/a,}", "{,/finance/}a", "{/finance/,x}a", "{~root/,x}a", "/incoming/{..,x}/finance/a",
		"{.}{.}/finance/a", "{.,}./finance/a", ".*/finance/a", ".?/finance/a", "../fin*/a", "*/../../finance/a", ".[.]/finance/a",
		"\xc0\xae\xc0\xae/finance/a", "..\xc0\xaffinance\xc0\xafa", "\xe0\x80\xae./finance/a", "\xf0\x80\x80\xaf/finance/a", "/incoming/\xc0\xae./finance/a",
		"/", "..", "/..", "../..", "/incoming/..",
		"secret/a", "/incoming/secret", "secret", "x/../secret/a", "/incoming/./secret/a", "se*/a", "secret ", `"secret/a"`, `secret\a`, "secret./a", "secret::$INDEX_ALLOCATION/a",
		"secret:$I30:$INDEX_ALLOCATION/a", "/incoming/secret:x/a", "secret:x", "sec>et/a", "secre<", "/incoming/se<\\a", ".<\\finance\\a", "d:a", "D:/incoming/a", `\??\C:\finance\a`,
		"'/finance/a", "x/./..//../finance/./a", "../incoming/../finance/a", `x\..\..\finance\a`, `x/..\../finance/a`, `.\..\finance\a`, "../finance/a.", "..  /finance/a",
	} {
		for _, verb := range []string{"RETR", "STOR", "DELE", "SIZE", "APPE", "MLST", "MDTM", "MKD"} {
			attempts = append(attempts, verb+" "+path)
		}
		for _, form := range []string{
			"LIST %s", "LIST -la %s", "LIST -l -a %s", "NLST %s", "LIST -- %s", "LIST x %s", "MLSD -R %s", "MLST -a %s", "LIST -l %s -a",
			"MDTM 20260101 %s", "MDTM 1aaaaaaaaaaaaa.b %s", "STAT %s", "STAT -l %s", "LIST -R %s",
			"MLSD %s", "MDTM 20260101000000 %s", "MDTM 2xxx\txxx %s", "MDTM 202601010000\tx %s", "MDTM 2xxxxxxxxxxxxx.x %s", "MFMT 20260101000000 %s", "MFF modify=20260101000000; %s",
			"SITE CHMOD 777 %s", "site chmod 777 %s", "SITE  CHMOD  777 %s", "SITE \tCHMOD 777 %s", `SITE "CHMOD" 777 %s`,
			"SITE UTIME 20260101000000 %s", "SITE UTIME %s 20260101000000 20260101000000 20260101000000 UTC", "SITE CHMOD -R 777 %s", "SITE CHMOD 7\tx %s", "MFMT 2\tx %s", "SITE CPTO %s",
			"NLST -a x%s", "MLSD -a x%s", "NLST -- x%s", "MLSD - x%s", "NLST -la  x%s", "MLSD -R %s", "MLSD -l -a %s", "NLST -l -a x %s", "SITE CPFR %s", "XCRC %s", "XCRC %s 0 10", "HASH %s", "MD5 %s", "XSHA256 %s",
			"MMD5 x,%s", "COMB x %s", "THMB JPG 1 1 %s", "RNFR %s", "RNTO %s", "STOU %s", "XMKD %s",
		} {
			attempts = append(attempts, fmt.Sprintf(form, path))
		}
		if strings.HasPrefix(path, "secret") || strings.HasPrefix(path, "x/") || strings.HasPrefix(path, "se*") {
			continue // its letters are options
		}
		for _, form := range []string{"LIST -%s", "LIST -la%s", "NLST -R%s", "STAT -l -a%s", "LIST x -%s", "LIST --%s", "LIST -=%s", "MLSD -%s"} {
			attempts = append(attempts, fmt.Sprintf(form, path))
		}
	}
	for _, verb := range []string{"RETR", "STOR", "DELE", "LIST", "NLST", "APPE", "RNFR", "RNTO", "SIZE", "MKD", "SITE CHMOD 777"} {
		attempts = append(attempts, verb+" 'SYS1.PARMLIB(A)'", verb+"  'USER.FINANCE' ") // data sets of z/OS
	}
	attempts = append(attempts,
		"NLST -a", "MLSD -a", "NLST -", "MLSD -la ", "NLST -la\t", "MLSD -R", "MLSD -R ../..", "AVBL /finance", "DSIZ ../finance", "THMB JPG 1 1 secret/a",
		"LIST -l/finance", "STAT --R/", "STAT -R--..", "STAT -l1-aUTC-a/fin*", "LIST -R-l..", "LIST -l../finance", "STAT -R/", "STAT -R..", "LIST x -a/finance", "LIST -a -l../finance", "LIST -l.. /incoming", "NLST -1/finance", "MLSD -a/finance", "STAT -a\t-l/",
		"LIST -R", "LIST -laR", "LIST --recursive", "NLST -R /incoming", "LIST *", "STAT *", "STAT -R .",
		"STOR a.exe", "STOR a.php", "STOR sub/a.exe", "STOR a.exe.", "STOR a.exe ", "STOR a.php::$DATA", "STOR a.php:x", "STOR ab.php:x:$DATA", "STOR a.ph>", "STOR a.<", "STOR sub/a.exe .", "STOR a.exe. .", "RNTO a.exe:$DATA", "MFMT 20260101000000 a.exe:x", `STOR "a.exe"`, `STOR sub\a.exe`,
		"STOR a.ex?", "STOR a.[e]xe", "STOR a.{exe}", "STOR *", "APPE a.exe", "STOU a.exe", "STOU /incoming", "STOU sub/..", "STOU ../incoming", "STOU sub/../../incoming/", "RNTO a.exe", "MFMT 20260101000000 a.exe",
		"MDTM 20260101000000 a.exe", "MDTM 20260101 a.exe", "MDTM 2xxxxxxx a.exe", "SITE CHMOD 755 a.exe", `SITE CHMOD 755 "a.exe"`, "SITE UTIME a.exe 20260101000000 20260101000000 20260101000000 UTC",
		"RNFR /incoming", "RNFR .", "RNFR ../incoming", "RNFR secret/a", "RMD x", "RMDA x", "XRMD x",
		"SITE EXEC ls", "SITE", "SITE FROB x", "site", "SITE RMDIR x", "SITE MKDIR x", "FROB", "FROB x", "XFOO", "SMNT2 /", "AUTH2",
	)
	for _, line := range attempts {
		q := in(t, "/incoming", line)
		q.RenameFrom = policy.Source{Argument: "x", Directory: "/incoming"}
		if d := p.Decide(q); d.Passes() {
			t.Errorf("%q passes by %q: %s", line, d.Rule, readings(p.Explain(q)))
		}
	}
	t.Logf("%d attempts", len(attempts))
}

// The same policy does not stand in the way of those it is for.
func TestHonestCommandsPass(t *testing.T) {
	p := compile(t, besieged)
	for _, line := range []string{
		"USER partner-7", "PASS x", "NOOP", "TYPE I", "PASV", "CWD /finance", "STAT", "OPTS UTF8 ON", "PWD", "CDUP",
		"LIST", "LIST -la sub", "LIST -l -a sub", "NLST sub", "LIST /incoming/sub", "LIST -la /incoming/sub", "MLSD", "MLSD sub", "MLST a", "STAT sub", "STAT -la sub",
		"RETR a", "RETR /incoming/a b.csv", "RETR sub/./a", "RETR /incoming/sub/../a", "RETR ./a", "SIZE a.exe", "RETR a.exe",
		"STOR a", "STOR ä.csv", "STOR gr\xfc\xdfe", "STOR \xc0\xc1", "STOR à la carte", "STOR a.exe.txt", "STOR report (1).pdf", "STOR [draft].pdf", "STOR {0b1c}.txt", "STOR what?.txt", "STOR ~$x.doc", "STOR 10:30.csv", "STOR notes: final.csv", "STOR it's.csv", "STOR 'tis.csv", "STOR a<b.csv", "NLST -l sub", "NLST -l -a /incoming/sub", "MLSD -la sub", "SITE CHMOD -x a", "SITE CHMOD u+x a",
		"APPE a", "STOU", "STOU a", "MKD sub", "XMKD sub", "DELE a", "RNFR a", "RNTO b", "MDTM a", "MDTM 20260101000000 a", "MFMT 20260101000000 a b",
		"SITE CHMOD 644 a", "SITE UTIME 20260101000000 a", "XCRC a", `XCRC "a b" 0 10`, "HASH a", "THMB JPG 1 1 a",
	} {
		q := in(t, "/incoming", line)
		q.RenameFrom = policy.Source{Argument: "a", Directory: "/incoming"}
		if d := p.Decide(q); d.Action != policy.Allow {
			t.Errorf("%q: %s by %q, %s: %s", line, d.Action, d.Rule, d.Reason, readings(p.Explain(q)))
		}
	}
}

// Options are no part of a name for those who stand elsewhere.
func TestHonestCommandsPassFromAnywhere(t *testing.T) {
	p := compile(t, besieged)
	for _, line := range []string{"LIST -la /incoming", "NLST -l -a /incoming/sub", "MDTM 20260101000000 /incoming/a", "XCRC /incoming/a 0 10", "STAT -l /incoming"} {
		if d := p.Decide(in(t, "/", line)); !d.Passes() {
			t.Errorf("%s: %+v: %s", line, d, readings(p.Explain(in(t, "/", line))))
		}
	}
	// With "..", the name that the options may be part of leads elsewhere.
	if d := p.Decide(in(t, "/finance", "LIST -la /../incoming")); d.Passes() {
		t.Errorf("%+v", d)
	}
	p = compile(t, "default = \"allow\"\nrule \"finance\" {\n paths = [\"/finance/**\"]\n action = \"deny\"\n}")
	if d := p.Decide(in(t, "/finance", "LIST -la /incoming")); d.Passes() {
		t.Errorf("%+v", d)
	}
}

// A directory may be named by a pattern, too.
func TestRenamingByPattern(t *testing.T) {
	p := compile(t, "default = \"allow\"\nrule \"vault\" {\n paths = [\"/a/vault/x/**\"]\n action = \"deny\"\n}")
	for line, passes := range map[string]bool{"RNFR v*lt": false, "RNFR v*": false, "RNFR *": false, "RNFR v*.txt": true, "RNFR vault": false, "RNFR vault2": true, "RETR v*lt": true} {
		if d := p.Decide(in(t, "/a", line)); d.Passes() != passes {
			t.Errorf("%s: %+v", line, d)
		}
	}
}

func TestUnknownDirectory(t *testing.T) {
	p := compile(t, besieged)
	for line, want := range map[string]policy.Action{
		"RETR a": policy.Deny, "LIST": policy.Deny, "RETR /incoming/a": policy.Allow, "STOU": policy.Deny,
		"NOOP": policy.Allow, "CWD sub": policy.Allow, "RNFR a": policy.Deny,
	} {
		if d := p.Decide(in(t, "", line)); d.Action != want {
			t.Errorf("%s: %+v", line, d)
		}
	}
	// Nobody knows where "a" is: it may be in the place that is denied.
	allow := compile(t, "default = \"allow\"\n rule \"secret\" {\n paths = [\"/secret/**\"]\n action = \"deny\"\n}\n")
	for line, want := range map[string]string{"RETR a": "secret", "RETR /a": "", "NOOP": "", "CWD ..": "secret", "LIST": "secret"} {
		if d := allow.Decide(in(t, "", line)); d.Rule != want {
			t.Errorf("%s: %+v", line, d)
		}
	}
}

func TestRenameIsDecidedWithBothPaths(t *testing.T) {
	p := compile(t, `
rule "vault" {
  commands = ["RNTO"]
  paths    = ["/a/vault/**"]
  action   = "deny"
}
rule "rename" {
  commands = ["@rename"]
  paths    = ["/a/**", "/b/**"]
  action   = "allow"
}`)
	tests := []struct {
		directory, from, to string
		passes              bool
	}{
		{"/a", "x", "/a/y", true},
		{"/a", "x", "/b/y", true},
		{"/a", "/b/x", "/a/y", true},
		{"/a", "/c/x", "/a/y", false}, // allowed needs both
		{"/a", "/a/x", "/c/y", false},
		{"/a", "/a/vault/x", "/a/y", false}, // denied needs one
		{"/a", "/a/x", "/a/vault/y", false},
		{"/a", "", "/a/y", false},       // RNFR of nobody knows what
		{"/", "/a", "/b/y", false},      // would carry the vault along
		{"", "x", "/a/y", false},        // from nobody knows where
		{"/a", "../c/x", "/a/y", false}, // relative to where RNFR was given
	}
	for _, tt := range tests {
		q := in(t, "/a", "RNTO "+tt.to)
		q.RenameFrom = policy.Source{Argument: tt.from, Directory: tt.directory}
		if d := p.Decide(q); d.Passes() != tt.passes {
			t.Errorf("%q in %q to %q: %+v, %s", tt.from, tt.directory, tt.to, d, readings(p.Explain(q)))
		}
	}
}
