package policy_test

import (
	"net/netip"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// documented is the policy that the language's documentation shows.
const documented = `
  default = "deny"
  mode    = "enforce"

  rule "login and looking around" {
    commands = ["@login", "@session", "@list", "@navigate"]
    action   = "allow"
  }
  rule "uploads land in incoming" {
    commands = ["@write", "MKD"]
    users    = ["partner-*"]
    from     = ["198.51.100.0/24", "2001:db8::/32"]
    paths    = ["/incoming/**"]
    when     = tls.version == "1.3" || tls.session_reused
    action   = "allow"
  }
  rule "no executables anywhere" {
    commands = ["@write", "RNTO"]
    paths    = ["**/*.{exe,js,php}"]
    action   = "deny"
    reply    = "553 This type of file is not accepted."
  }
  rule "SITE EXEC is an attack" {
    commands = ["SITE EXEC"]
    action   = "disconnect"
  }
  reply "hide the product" {
    commands = ["*"]
    codes    = ["220", "215"]
    text     = "FTP service"
  }
  test "a partner cannot reach finance" {
    session = { user = "partner-7", from = "198.51.100.4", tls = { version = "1.3" } }
    command = "STOR /finance/a.csv"
    expect  = "deny"
    rule    = ""
  }
`

func TestTheDocumentedPolicy(t *testing.T) {
	p := compile(t, documented)
	for _, r := range p.Test() {
		if !r.Passed {
			t.Errorf("%s: %q", r.Name, r.Diff)
		}
	}
	tests := []struct {
		line string
		want policy.Action
		code int
		rule string
	}{
		{"USER partner-7", policy.Allow, 0, "login and looking around"},
		{"STOR /incoming/a.csv", policy.Allow, 0, "uploads land in incoming"},
		{"STOR a.csv", policy.Allow, 0, "uploads land in incoming"},
		{"XMKD sub", policy.Allow, 0, "uploads land in incoming"},
		{"STOR ../finance/a.csv", policy.Deny, 550, ""},
		{"STOR /a.exe", policy.Deny, 553, "no executables anywhere"},
		{"SITE EXEC rm", policy.Disconnect, 421, "SITE EXEC is an attack"},
		{"site exec rm", policy.Disconnect, 421, "SITE EXEC is an attack"},
		{"SITE HELP", policy.Deny, 502, ""},
		{"RETR /incoming/a.csv", policy.Deny, 550, ""},
		{"FOO", policy.Deny, 500, ""},
		{"PASV", policy.Deny, 502, ""},
	}
	for _, tt := range tests {
		q := in(t, "/incoming", tt.line)
		q.Client = netip.MustParseAddr("198.51.100.4")
		q.TLS = policy.TLS{Active: true, Version: "1.3"}
		d := p.Decide(q)
		if d.Action != tt.want || d.Reply.Code != tt.code || d.Rule != tt.rule {
			t.Errorf("%s: %+v", tt.line, d)
		}
	}
}
