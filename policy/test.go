package policy

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A test is a compiled test block: what should become of one command.
type test struct {
	name    string
	at      Place
	request Request
	want    Action
	rule    string // "": whichever
}

// A TestResult is what became of a test block's command.
type TestResult struct {
	Name        string
	At          Place
	Request     Request
	Passed      bool
	Diff        []string // for people: "- " is what was expected, "+ " what came
	Explanation Explanation
}

// Test runs the policy's test blocks, in the order of the file. In monitor mode,
// too, the action counts that the rules say.
func (p *Policy) Test() []TestResult {
	results := make([]TestResult, len(p.tests))
	for i := range p.tests {
		results[i] = p.run(&p.tests[i])
	}
	return results
}

func (p *Policy) run(t *test) TestResult {
	r := TestResult{Name: t.name, At: t.at, Request: t.request, Explanation: p.Explain(t.request)}
	got := r.Explanation.Decision
	if got.Action != t.want {
		r.Diff = append(r.Diff,
			fmt.Sprintf("- expect = %q", t.want),
			fmt.Sprintf("+ expect = %q by %s", got.Action, got.Why()))
	}
	if t.rule != "" && got.Rule != t.rule {
		r.Diff = append(r.Diff,
			fmt.Sprintf("- rule = %q", t.rule),
			fmt.Sprintf("+ rule = %q by %s", got.Rule, got.Why()))
	}
	r.Passed = len(r.Diff) == 0
	return r
}

// test reads a test block.
func (d *decoder) test(b *hclsyntax.Block) {
	t := test{name: b.Labels[0], at: placeOf(b.DefRange())}
	t.request = Request{Directory: "/", TransferType: "A", Time: time.Unix(0, 0)}
	d.body(b.Body, []field{
		{"session", false, func(e hclsyntax.Expression) { d.testSession(e, &t.request) }},
		{"command", true, func(e hclsyntax.Expression) { t.request.Command = d.testCommand(e) }},
		{"rename_from", false, func(e hclsyntax.Expression) {
			if m, ok := d.text(e); ok {
				t.request.RenameFrom.Argument = m.text
			}
		}},
		{"expect", true, func(e hclsyntax.Expression) { t.want = actionOf(d.word(e, "allow", "deny", "disconnect")) }},
		{"rule", false, func(e hclsyntax.Expression) { t.rule = d.testRule(e) }},
	}, nil)
	t.request.RenameFrom.Directory = t.request.Directory
	if t.request.Command.Verb == "USER" && t.request.User == "" {
		t.request.User = t.request.Command.Argument
	}
	d.policy.tests = append(d.policy.tests, t)
}

func (d *decoder) testCommand(e hclsyntax.Expression) ftpparse.Command {
	m, ok := d.text(e)
	if !ok {
		return ftpparse.Command{}
	}
	c, err := ftpparse.ParseCommand([]byte(m.text))
	switch {
	case err != nil:
		d.errorf(m.at, "Invalid command", "This is no line that a client can send: it needs a verb, a space and an argument, such as \"STOR /a.txt\".")
	case !Governs(c.Verb):
		d.errorf(m.at, "Not for the policy", "%s is answered by the proxy itself; no policy is asked about it.", c.Verb)
	}
	return c
}

func (d *decoder) testRule(e hclsyntax.Expression) string {
	m, ok := d.text(e)
	if !ok || m.text == "" {
		return ""
	}
	var names []string
	for _, r := range d.policy.rules {
		if r.name == m.text {
			return m.text
		}
		names = append(names, r.name)
	}
	d.errorf(m.at, "Unknown rule", "There is no rule %q in this policy.%s", m.text, didYouMean(m.text, names))
	return ""
}

// testSession reads the facts that a test supposes: session = { user = … }. What
// it does not say is as in a session that has logged in as the user, without
// TLS, in the directory "/", at the beginning of 1970.
func (d *decoder) testSession(e hclsyntax.Expression, q *Request) {
	v, ok := d.value(e)
	if !ok {
		return
	}
	loggedIn := optional[bool]{}
	d.object(v, e, []member{
		text("user", &q.User), text("host", &q.Session.Host), text("directory", &q.Directory),
		text("listener", &q.Session.Listener), text("upstream", &q.Session.Upstream), text("type", &q.TransferType),
		parsed("from", &q.Client, "an IP address such as \"198.51.100.4\"", netip.ParseAddr),
		parsed("time", &q.Time, "a time such as \"2026-11-25T09:30:00Z\"", func(s string) (time.Time, error) {
			return time.Parse(time.RFC3339, s)
		}),
		whole("commands", &q.Session.Commands), whole("denied", &q.Session.Denied),
		maybe("logged_in", &loggedIn),
		{"tls", d.testTLS(&q.TLS)},
	})
	if q.Session.LoggedIn = q.User != ""; loggedIn.given {
		q.Session.LoggedIn = loggedIn.value
	}
	if q.Session.Host == "" {
		q.Session.Host = q.TLS.SNI
	}
}
