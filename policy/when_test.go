package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// observed is a request in which every fact has a value of its own.
func observed(t testing.TB) policy.Request {
	q := in(t, "/in", "STOR a.csv")
	q.Client = netip.MustParseAddr("198.51.100.4")
	q.Session = policy.Session{Listener: "ftp", Upstream: "legacy", Host: "ftp.example.com", LoggedIn: true, Commands: 12, Denied: 3}
	q.TLS = policy.TLS{
		Active: true, Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: "ftp.example.com", Data: "private", SessionReused: true,
		Certificate: policy.Certificate{
			Subject: "CN=partner-7,O=Example", CN: "partner-7", Emails: []string{"a@example.com", "b@example.com"}, DNS: []string{"c.example.com"},
			Serial: "1234", Issuer: "CN=CA", SHA256: "ab12",
		},
	}
	q.Time = time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC)
	return q
}

func TestConditions(t *testing.T) {
	const yes, no, fails = "yes", "no", "fails"
	tests := []struct{ when, want string }{
		{`command.verb == "STOR"`, yes},
		{`command.argument == "a.csv"`, yes},
		{`command.path == "/in/a.csv"`, yes},
		{`command.path_from == ""`, yes},
		{`user.name == "partner-7"`, yes},
		{`client.address == "198.51.100.4"`, yes},
		{`session.listener == "ftp" && session.upstream == "legacy" && session.host == "ftp.example.com"`, yes},
		{`session.logged_in && session.commands == 12 && session.denied == 3`, yes},
		{`tls.active && tls.version == "1.3" && tls.cipher == "TLS_AES_128_GCM_SHA256" && tls.sni == "ftp.example.com"`, yes},
		{`tls.data == "private" && tls.session_reused`, yes},
		{`tls.client_certificate.cn == user.name`, yes},
		{`tls.client_certificate.subject == "CN=partner-7,O=Example" && tls.client_certificate.serial == "1234"`, yes},
		{`tls.client_certificate.issuer == "CN=CA" && tls.client_certificate.sha256 == "ab12"`, yes},
		{`contains(tls.client_certificate.emails, "b@example.com") && tls.client_certificate.dns[0] == "c.example.com"`, yes},
		{`transfer.type == "I"`, yes},
		{`time.hour == 0 && time.minute == 30 && time.weekday == "thursday" && time.date == "2026-11-26"`, yes}, // in Berlin
		{`time.unix == 1795649400`, yes},
		{`tls["version"] == "1.3"`, yes},
		{`tls.version != "1.3"`, no},
		{`false`, no},
		{`1 == 1`, yes},
		{`matches(command.path, "^/in/[a-z]+\\.csv$")`, yes},
		{`matches(command.path, "^/out/")`, no},
		{`matches(command.argument, lower("^A"))`, yes},
		{`matches("x", command.argument)`, no},
		{`glob(user.name, "partner-*")`, yes},
		{`glob(user.name, "{other,friend}-*")`, no},
		{`cidr(client.address, "198.51.100.0/24")`, yes},
		{`cidr(client.address, "2001:db8::/32")`, no},
		{`cidr(client.address, "198.51.100.4")`, yes},
		{`startswith(command.path, "/in/") && endswith(command.path, ".csv")`, yes},
		{`length(command.argument) == 5 && length(tls.client_certificate.emails) == 2`, yes},
		{`upper(user.name) == "PARTNER-7" && join("-", split("/", command.path)) == "-in-a.csv"`, yes},
		{`replace(user.name, "-", "") == "partner7"`, yes},
		{`length([for e in tls.client_certificate.emails : e if endswith(e, "@example.com")]) == 2`, yes},
		{`session.commands > 10 ? tls.active : false`, yes},
		// What has no value denies.
		{`tls.client_certificate.emails[7] == "a"`, fails},
		{`parseint(command.argument, 10) > 3`, fails},
		{`matches("x", "(${command.argument}")`, fails},
		{`cidr(user.name, "10.0.0.0/8")`, fails},
		{`cidr(client.address, user.name)`, fails},
		{`tls.client_certificate.cn == user.name ? null : true`, fails},
		{`length(replace(replace(replace("aaaaaaaaaaaaaaaaaaaa${user.name}", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "a", "bbbbbbbbbbbbbbbbbbbbbbbb")) > 0`, fails},
	}
	for _, tt := range tests {
		p := compile(t, fmt.Sprintf("time_zone = \"Europe/Berlin\"\ndefault = \"allow\"\nrule \"r\" {\n commands = [\"STOR\"]\n when = %s\n action = \"disconnect\"\n}", tt.when))
		d := p.Decide(observed(t))
		got := map[policy.Reason]string{policy.ByRule: yes, policy.ByDefault: no, policy.ByExpression: fails}[d.Reason]
		if got != tt.want {
			t.Errorf("%s: %s, want %s: %+v", tt.when, got, tt.want, d)
		}
		if d.Reason == policy.ByExpression && (d.Action != policy.Deny || d.Passes() || d.At.Line != 6 || d.Detail == "" || d.Rule != "r" || d.Reply.Code != 550) {
			t.Errorf("%s: %+v", tt.when, d)
		}
	}
}

// The names of a client that has shown nothing equal nothing.
func TestConditionsWithoutFacts(t *testing.T) {
	for when, want := range map[string]policy.Reason{
		`tls.client_certificate.cn == user.name`:       policy.ByDefault,
		`tls.client_certificate.sha256 != null`:        policy.ByDefault,
		`lower(tls.client_certificate.cn) == "a"`:      policy.ByExpression,
		`contains(tls.client_certificate.emails, "a")`: policy.ByDefault,
		`cidr(client.address, "0.0.0.0/0")`:            policy.ByDefault,
		`tls.version == ""`:                            policy.ByRule,
		`!tls.active`:                                  policy.ByRule,
	} {
		p := compile(t, fmt.Sprintf("default = \"allow\"\nrule \"r\" {\n when = %s\n action = \"deny\"\n}", when))
		q := policy.Request{Command: ftpparse.Command{Verb: "NOOP"}}
		if d := p.Decide(q); d.Reason != want {
			t.Errorf("%s: %+v", when, d)
		}
	}
}

// A condition on the path holds for every reading of an allowed command.
func TestConditionsOnPaths(t *testing.T) {
	allow := compile(t, "rule \"r\" {\n when = startswith(command.path, \"/in/\")\n action = \"allow\"\n}")
	deny := compile(t, "default = \"allow\"\nrule \"r\" {\n when = command.path == \"/secret\" || command.path_from == \"/secret\"\n action = \"deny\"\n}")
	tests := []struct {
		policy    *policy.Policy
		directory string
		line      string
		passes    bool
		reason    policy.Reason
	}{
		{allow, "/in", "RETR a", true, policy.ByRule},
		{allow, "/in", "RETR ../b", false, policy.ByDefault},
		{allow, "/in", `RETR "/b"`, false, policy.ByDefault},
		{allow, "/in", "RETR  /b", false, policy.ByDefault},
		{allow, "", "RETR a", false, policy.ByExpression},
		{allow, "", "RETR /in/a", true, policy.ByRule},
		{allow, "/in", "LIST -R /in/a", false, policy.ByExpression},
		{allow, "/in", "RETR a*", false, policy.ByExpression},
		{allow, "/in", "NOOP", false, policy.ByDefault},
		{deny, "/", "RETR secret", false, policy.ByRule},
		{deny, "/", `RETR "secret"`, false, policy.ByRule},
		{deny, "/", "LIST -la secret", false, policy.ByRule},
		{deny, "/", "RETR a", true, policy.ByDefault},
		{deny, "", "RETR a", false, policy.ByExpression},
		{deny, "/", "RNTO b", false, policy.ByRule},
		{deny, "/", "NOOP", true, policy.ByDefault},
	}
	for _, tt := range tests {
		q := in(t, tt.directory, tt.line)
		q.RenameFrom = policy.Source{Argument: "secret", Directory: "/"}
		if d := tt.policy.Decide(q); d.Passes() != tt.passes || d.Reason != tt.reason {
			t.Errorf("%s: %+v", tt.line, d)
		}
	}
}

// No rule, name or function ever sees what PASS and ACCT bring along.
func TestSecretsReachNoRule(t *testing.T) {
	p := compile(t, `
rule "argument" {
  arguments = ["hunter2", "^$", ".*"]
  action    = "disconnect"
}
rule "condition" {
  when   = command.argument != ""
  action = "disconnect"
}
rule "rest" {
  commands = ["PASS", "ACCT"]
  action   = "allow"
}`)
	for _, verb := range []string{"PASS", "ACCT", "pass"} {
		q := policy.Request{Command: ftpparse.Command{Verb: verb, Argument: "hunter2", Space: true}}
		if d := p.Decide(q); d.Rule != "rest" || !d.Passes() {
			t.Errorf("%s: %+v", verb, d)
		}
		if e := fmt.Sprintf("%+v", p.Explain(q)); strings.Contains(e, "hunter2") {
			t.Errorf("%s: %s", verb, e)
		}
	}
}

func BenchmarkConditions(b *testing.B) {
	for _, when := range []string{
		`tls.version == "1.3" || tls.session_reused`,
		`startswith(command.path, "/in/") && time.hour >= 8`,
		`tls.client_certificate.cn == user.name`,
	} {
		p := compile(b, fmt.Sprintf("default = \"allow\"\nrule \"r\" {\n when = %s\n action = \"deny\"\n}", when))
		q := observed(b)
		b.Run(strings.Fields(when)[0], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(q)
			}
		})
	}
}

// Of several places that RNFR may have meant none is the one.
func TestSourceOfSeveralPlacesIsUnknown(t *testing.T) {
	p := compile(t, "rule \"r\" {\n when = command.path_from == \"/in/a\"\n action = \"allow\"\n}")
	for source, want := range map[string]policy.Reason{"a": policy.ByRule, "b": policy.ByDefault, " a": policy.ByExpression, "a*": policy.ByExpression} {
		q := in(t, "/in", "RNTO b")
		q.RenameFrom = policy.Source{Argument: source, Directory: "/in"}
		if d := p.Decide(q); d.Reason != want {
			t.Errorf("%q: %+v", source, d)
		}
	}
}
