package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// repeated writes n blocks or elements.
func repeated(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestPoliciesAreBounded(t *testing.T) {
	const rule = "rule \"r%d\" {\n action = \"deny\"\n commands = [\"SITE S%[1]d\"]\n}\n"
	tests := []struct{ inside, want string }{
		{repeated(2001, "rule \"r%d\" {\n action = \"deny\"\n}\n"), "Too many blocks"},
		{repeated(201, "limit \"l%d\" {\n sessions = 1\n}\n"), "Too many blocks"},
		{repeated(201, "reply \"r%d\" {\n text = \"x\"\n}\n"), "Too many blocks"},
		{repeated(5001, "test \"t%d\" {\n command = \"NOOP\"\n expect = \"deny\"\n}\n"), "Too many blocks"},
		{repeated(300, rule), "Too many commands"},
		{"rule \"r\" {\n action = \"deny\"\n users = [" + repeated(50001, "\"u%d\",") + "]\n}\n", "Policy too large"},
		{"rule \"r\" {\n action = \"deny\"\n users = [\"" + strings.Repeat("a", 1001) + "\"]\n}\n", "Text too long"},
		{"rule \"r\" {\n action = \"deny\"\n users = [\"" + strings.Repeat("a", 513) + "\"]\n}\n", "longer than 512 bytes"},
		{"rule \"r\" {\n action = \"deny\"\n arguments = [\"" + strings.Repeat("(a{30}b{30}){3}", 20) + "\"]\n}\n", "too large"},
		{"rule \"r\" {\n action = \"deny\"\n when = " + strings.Repeat("tls.active && ", 600) + "true\n}\n", "more than 1000 parts"},
		{"rule \"" + strings.Repeat("r", 1001) + "\" {\n action = \"deny\"\n}\n", "Name expected"},
	}
	for _, tt := range tests {
		p, diags, _ := compileText(t, "p.hcl", "policy \"p\" {\n"+tt.inside+"}\n")
		if p != nil || !strings.Contains(diags.Error()+fmt.Sprint(diags.Errs()), tt.want) {
			t.Errorf("%.60s: no %q in %.300v", tt.inside, tt.want, diags)
		}
	}
	for _, inside := range []string{
		repeated(2000, "rule \"r%d\" {\n commands = [\"*\"]\n users = [\"u%[1]d\", \"v%[1]d\"]\n action = \"deny\"\n}\n"),
		repeated(100, rule),
		// The search for rules without effect gives up.
		repeated(100, "rule \"r%d\" {\n action = \"deny\"\n users = ["+repeated(100, "\"u%[1]d-%%[1]d\",")+"]\n}\n"),
	} {
		if p, diags, _ := compileText(t, "p.hcl", "policy \"p\" {\n"+inside+"}\n"); p == nil {
			t.Errorf("%.60s: %.300v", inside, diags)
		}
	}
}

// Patterns that drive careless matchers into exponential time.
func TestPatternsTakeLittleTime(t *testing.T) {
	p := compile(t, fmt.Sprintf("default = \"allow\"\nrule \"r\" {\n paths = [%q, %q]\n users = [%q]\n action = \"deny\"\n}",
		"/"+strings.Repeat("*a", 100)+"b", strings.Repeat("/**/a", 100)+"/b", strings.Repeat("*a", 200)+"*b"))
	q := in(t, "/", "RETR /"+strings.Repeat("a", 4000))
	q.User = strings.Repeat("a", 4000)
	if d := p.Decide(q); d.Action != policy.Allow {
		t.Errorf("%+v", d)
	}
	q = in(t, "/", "RETR "+strings.Repeat("/a", 2000))
	if d := p.Decide(q); d.Action != policy.Allow {
		t.Errorf("%+v", d)
	}
}

// A pattern may come from the client, too.
func TestPatternsOfClientsAreBounded(t *testing.T) {
	p := compile(t, "rule \"r\" {\n when = matches(user.name, command.argument)\n action = \"allow\"\n}")
	for pattern, want := range map[string]string{
		strings.Repeat("a", 1000):             "",
		strings.Repeat("a", 1001):             "longer than 1000 bytes",
		strings.Repeat("(a{30}b{30}){3}", 20): "too large",
		"(":                                   "missing closing",
	} {
		d := p.Decide(in(t, "/", "NOOP "+pattern))
		if d.Passes() || (d.Reason == policy.ByExpression) != (want != "") || !strings.Contains(d.Detail, want) {
			t.Errorf("%.20s: %+v", pattern, d)
		}
	}
}
