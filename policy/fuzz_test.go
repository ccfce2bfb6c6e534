package policy_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// seedPolicies adds the policies of the tests.
func seedPolicies(f *testing.F) {
	f.Helper()
	for _, inside := range []string{documented, besieged, rules(20, "when = tls.active\n")} {
		f.Add("policy \"p\" {\n" + inside + "}\n")
	}
	files, err := filepath.Glob("testdata/mistakes/*.hcl")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, when := range []string{
		`"${1e999}${command.path}" == ""`, `[for k, v in tls : v if true][0] == tls.active`, `command["path"] == user["name"]`,
		`matches(user.name, user.name)`, `join(",", split("", command.path)) == ""`, `tls.client_certificate.emails[*] == []`, `-1 == +1`,
		`length(tls) > length(time)`, `!(null)`, `"%{ if tls.active }a%{ endif }" == "a"`, `coalesce(null, user.name) == ""`, `element([], 1)`,
	} {
		f.Add("policy \"p\" {\n rule \"r\" {\n when = " + when + "\n action = \"allow\"\n}\n}\n")
	}
}

// Whatever stands in the file, compiling ends and gives either a policy or an
// error with a place; the policy then decides everything, and Explain says the
// same as Decide.
func FuzzCompile(f *testing.F) {
	seedPolicies(f)
	lines := []string{"STOR /incoming/a.csv", "LIST -la ../b", "RNTO a*", "SITE EXEC x", "PASS secret", "FROB", "MDTM 20260101000000 {a,b}", "NOOP"}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		file, diags := hclsyntax.ParseConfig([]byte(text), "fuzz.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			return // configs compiles nothing either
		}
		content, _, _ := file.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "policy", LabelNames: []string{"name"}}}})
		for _, block := range content.Blocks {
			p, found := policy.Compile(block, nil)
			if (p == nil) != found.HasErrors() {
				t.Fatalf("a policy is there: %t, and: %v", p != nil, found)
			}
			for _, d := range found {
				if d.Subject == nil || d.Subject.Filename != "fuzz.hcl" || d.Summary == "" || d.Detail == "" {
					t.Fatalf("a diagnostic without a place or words: %#v", d)
				}
			}
			if p == nil {
				continue
			}
			for _, line := range lines {
				exercise(t, p, in(t, "/incoming", line))
			}
			p.Test()
		}
	})
}

func exercise(t *testing.T, p *policy.Policy, q policy.Request) {
	t.Helper()
	q.Client = netip.MustParseAddr("198.51.100.4")
	d, e := p.Decide(q), p.Explain(q)
	if d != e.Decision {
		t.Fatalf("%s: %+v, explained as %+v", q.Command, d, e.Decision)
	}
	if !d.Passes() && (d.Reply.Code < 400 || d.Reply.Code > 599 || d.Reply.Text == "") {
		t.Fatalf("%s: %+v", q.Command, d)
	}
	// Without gates and pool, the readings say the same.
	strictest := e.Readings[0].Decision
	for _, r := range e.Readings {
		if r.Decision.Action != policy.Allow && strictest.Action != policy.Disconnect {
			strictest = r.Decision
		}
	}
	if strictest.Action != d.Action && strictest.Action != policy.Disconnect {
		t.Fatalf("%s: decided %+v, read as %+v", q.Command, d, e.Readings)
	}
	if p.NeverAllows(q, q.Command.Verb) && d.Passes() && policy.Governs(q.Command.Verb) {
		t.Fatalf("%s is never allowed, but: %+v", q.Command, d)
	}
	p.NeedsDirectory(q)
	p.Limits(q)
	p.ReplyText(q.Command, 550)
}

// Whatever a client says, deciding ends, and a path outside of /incoming is never
// touched as far as the cleaned reading shows it.
func FuzzDecide(f *testing.F) {
	for _, line := range []string{
		"RETR /incoming/../finance/a", "STOR {/a,b}", "LIST -laR ~root", `SITE "CHMOD" 777 \..\a`, "MFMT 20260101000000  /x", "XCRC \"a\" 0 1",
		"RETR .. /a", "COMB a,\"b\" c", "SITE UTIME /a 20260101000000 20260101000000 20260101000000 UTC", "PRET LIST -R /",
	} {
		f.Add(line, "/incoming")
		f.Add(line, "")
	}
	inside := compile(f, besieged)
	open := compile(f, "default = \"allow\"\nrule \"outside\" {\n paths = [\"/incoming/**\"]\n action = \"deny\"\n}")
	f.Fuzz(func(t *testing.T, line, directory string) {
		c, err := ftpparse.ParseCommand([]byte(line))
		if err != nil {
			return
		}
		q := policy.Request{Command: c, Directory: directory, User: "partner-7", RenameFrom: policy.Source{Argument: c.Argument, Directory: directory}, Time: time.Unix(0, 0)}
		exercise(t, inside, q)
		exercise(t, open, q)
		e := inside.Explain(q)
		if !e.Decision.Passes() || e.Decision.Rule != "incoming" {
			return
		}
		// What is allowed in /incoming alone, a policy that denies all of it denies.
		if open.Decide(q).Passes() {
			t.Fatalf("%q in %q is taken to be inside and outside: %+v", line, directory, e.Readings)
		}
	})
}
