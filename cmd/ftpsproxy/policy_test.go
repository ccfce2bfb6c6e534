package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// withPolicy is a configuration whose policy "partners" has this inside.
func withPolicy(t *testing.T, inside string) string {
	t.Helper()
	text := strings.Replace(selfSignedConfig, `certificate = "main"`, "certificate = \"main\"\n  policy      = \"partners\"", 1)
	return file(t, "f.hcl", text+"policy \"partners\" {\n"+strings.TrimPrefix(inside, "\n")+"}\n")
}

const partnersPolicy = `
  rule "usual" {
    commands = ["@login", "@session"]
    action   = "allow"
  }
  rule "everything at once" {
    commands = ["STOR"]
    users    = ["partner-*"]
    from     = ["198.51.100.0/24"]
    paths    = ["/incoming/**"]
    when     = tls.version == "1.3" && tls.data == "private" && tls.session_reused && session.host == "h" && session.listener == "ftp" && session.upstream == "behind" && session.logged_in && transfer.type == "I" && time.hour == 10
    action   = "allow"
  }
  rule "rename" {
    commands = ["@rename"]
    paths    = ["/incoming/**"]
    action   = "allow"
  }
  rule "large" {
    commands = ["SIZE"]
    when     = parseint(command.argument, 10) < 5
    action   = "allow"
  }
`

// lineOf is where a text stands for the first time, as a place is written.
func lineOf(t *testing.T, config, text string) string {
	t.Helper()
	content, err := os.ReadFile(config)
	before, _, found := strings.Cut(string(content), text)
	if err != nil || !found {
		t.Fatalf("%q is not in %s (%v)", text, config, err)
	}
	return fmt.Sprintf("%s:%d", config, strings.Count(before, "\n")+1)
}

func TestPolicyTestPrintsALinePerTest(t *testing.T) {
	config := withPolicy(t, partnersPolicy+`
  test "renamed" {
    command     = "RNTO /incoming/b"
    rename_from = "/incoming/a"
    expect      = "allow"
    rule        = "rename"
  }
  test "elsewhere" {
    session = { user = "x", from = "198.51.100.4" }
    command = "RNFR /a"
    expect  = "deny"
  }
`)
	r := execute(t, "policy", "test", "--config", config)
	if r.status != 0 || r.stdout != "ok   partners: renamed\nok   partners: elsewhere\n2 passed, 0 failed\n" {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	r = execute(t, "policy", "test", "--config", config, "--policy", "partners")
	if r.status != 0 || !strings.HasSuffix(r.stdout, "2 passed, 0 failed\n") {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
}

func TestPolicyTestShowsADiff(t *testing.T) {
	config := withPolicy(t, partnersPolicy+`
  test "fine" {
    command = "NOOP"
    expect  = "allow"
  }
  test "wrong action" {
    session = { user = "x", from = "198.51.100.4" }
    command = "STOR /incoming/a"
    expect  = "allow"
  }
  test "wrong rule" {
    command = "RNFR /incoming/a"
    expect  = "allow"
    rule    = "usual"
  }
`)
	r := execute(t, "policy", "test", "--config", config)
	want := fmt.Sprintf(`ok   partners: fine
FAIL partners: wrong action
     STOR /incoming/a by "x" from 198.51.100.4, at %[1]s
     - expect = "allow"
     + expect = "deny" by default, at %[2]s
FAIL partners: wrong rule
     RNFR /incoming/a by "" from no address, at %[3]s
     - rule = "usual"
     + rule = "rename" by rule "rename" at %[4]s
1 passed, 2 failed
`, lineOf(t, config, `test "wrong action"`), lineOf(t, config, `policy "partners" {`),
		lineOf(t, config, `test "wrong rule"`), lineOf(t, config, `rule "rename"`))
	if r.status != 1 || r.stdout != want {
		t.Errorf("status %d\n%s%s\nwant\n%s", r.status, r.stdout, r.stderr, want)
	}
}

func TestPolicyTestWantsSomethingToTest(t *testing.T) {
	config := withPolicy(t, partnersPolicy)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no tests":          {[]string{"--config", config}, "no test block was found"},
		"no tests of one":   {[]string{"--config", config, "--policy", "partners"}, "no test block was found"},
		"no such policy":    {[]string{"--config", config, "--policy", "partner"}, `there is no policy "partner"; there is partners`},
		"no policy":         {[]string{"--config", file(t, "f.hcl", selfSignedConfig)}, "there is no policy block in"},
		"no configuration":  {nil, `"config" not set`},
		"a mistake in it":   {[]string{"--config", withPolicy(t, "  default = \"maybe\"\n")}, "maybe"},
		"an unknown rule":   {[]string{"--config", withPolicy(t, partnersPolicy+"  test \"t\" {\n    command = \"NOOP\"\n    expect = \"allow\"\n    rule = \"renam\"\n  }\n")}, `There is no rule "renam"`},
		"another verb's":    {[]string{"--config", withPolicy(t, partnersPolicy+"  test \"t\" {\n    command = \"AUTH TLS\"\n    expect = \"allow\"\n  }\n")}, "answered by the proxy itself"},
		"words it does not": {[]string{"--config", config, "partners"}, "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, append([]string{"policy", "test"}, c.args...)...)
			if r.status != 1 || r.stdout != "" || !strings.Contains(r.stderr, c.want) {
				t.Errorf("status %d, want %q\n%s%s", r.status, c.want, r.stdout, r.stderr)
			}
		})
	}
}

// every flag that the policy above asks for.
func explainFlags() map[string]string {
	return map[string]string{
		"--user": "partner-7", "--from": "198.51.100.4", "--host": "h", "--listener": "ftp", "--upstream": "behind",
		"--type": "I", "--time": "2026-11-25T10:30:00Z", "--session-reused": "true", "--directory": "/incoming",
	}
}

func explain(t *testing.T, config string, flags map[string]string, command string) result {
	t.Helper()
	args := []string{"policy", "explain", "--config", config, "--policy", "partners"}
	for name, value := range flags {
		args = append(args, name+"="+value)
	}
	return execute(t, append(args, command)...)
}

// Each flag is a fact: with all of them the rule matches, with another value of any
// it does not.
func TestPolicyExplainTakesEveryFact(t *testing.T) {
	config := withPolicy(t, partnersPolicy)
	r := explain(t, config, explainFlags(), "STOR a")
	want := fmt.Sprintf(`STOR a by "partner-7" from 198.51.100.4

read as STOR, on /incoming/a
  %[1]s: rule "usual", allow: commands does not match
  %[2]s: rule "everything at once", allow: matches

allow by rule "everything at once" at %[2]s
`, lineOf(t, config, `rule "usual"`), lineOf(t, config, `rule "everything at once"`))
	if r.status != 0 || r.stdout != want {
		t.Fatalf("status %d\n%s%s\nwant\n%s", r.status, r.stdout, r.stderr, want)
	}
	for name, c := range map[string]struct{ value, failed string }{
		"--user": {"anna", "users"}, "--from": {"192.0.2.1", "from"}, "--host": {"g", "when"}, "--listener": {"x", "when"},
		"--upstream": {"x", "when"}, "--type": {"A", "when"}, "--time": {"2026-11-25T11:00:00Z", "when"},
		"--session-reused": {"false", "when"}, "--directory": {"", "paths"}, "--tls": {"1.2", "when"},
		"--clear-data": {"true", "when"}, "--not-logged-in": {"true", "when"},
	} {
		flags := explainFlags()
		flags[name] = c.value
		r := explain(t, config, flags, "STOR a")
		if r.status != 0 || !strings.Contains(r.stdout, `"everything at once", allow: `+c.failed+" does not match") || !strings.HasSuffix(r.stdout, "reply 550 Permission denied.\n") {
			t.Errorf("%s=%s: status %d\n%s%s", name, c.value, r.status, r.stdout, r.stderr)
		}
	}
}

func TestPolicyExplainShowsWhyNot(t *testing.T) {
	config := withPolicy(t, partnersPolicy)
	for name, c := range map[string]struct {
		flags   map[string]string
		command string
		want    []string
	}{
		"a rename":            {map[string]string{"--rename-from": "/incoming/a"}, "RNTO /incoming/b", []string{"/incoming/a and what is below (from RNFR); /incoming/b", `allow by rule "rename"`}},
		"from somewhere else": {map[string]string{"--rename-from": "/a"}, "RNTO /incoming/b", []string{`rule "rename", allow: paths does not match`, "deny by default, at " + lineOf(t, config, `policy "partners" {`)}},
		"an unknown place":    {map[string]string{"--directory": ""}, "RNFR a", []string{"a path that is not known", "deny by default"}},
		"a failing condition": {nil, "SIZE a", []string{"its condition failed", `deny by rule "large"`, "reply 550"}},
		"an unknown verb":     {nil, "FROB a", []string{"deny: unknown verb", "reply 500"}},
		"a question":          {nil, "MDTM 20260101000000 a", []string{"read as MDTM", "read as MDTM time path"}},
		"without TLS":         {map[string]string{"--tls": "off"}, "NOOP", []string{`allow by rule "usual"`}},
		"no secret":           {nil, "PASS hunter2", []string{"PASS ****"}},
		"not the policy's":    {nil, "AUTH TLS", []string{"AUTH is not the policy's to judge"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := explain(t, config, c.flags, c.command)
			for _, want := range c.want {
				if r.status != 0 || !strings.Contains(r.stdout, want) {
					t.Errorf("status %d, want %q\n%s%s", r.status, want, r.stdout, r.stderr)
				}
			}
			if strings.Contains(r.stdout+r.stderr, "hunter2") {
				t.Error("the password is shown")
			}
		})
	}
}

func TestPolicyExplainSaysThatAPolicyOnlyWatches(t *testing.T) {
	r := explain(t, withPolicy(t, "  mode = \"monitor\"\n"), nil, "STOR a")
	if r.status != 0 || !strings.Contains(r.stdout, "mode is monitor: it is logged and passes") {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
}

// Of the limits, those are shown that apply to the session.
func TestPolicyExplainShowsTheLimits(t *testing.T) {
	const inside = `
  limit "partners" {
    users                 = ["partner-*"]
    sessions              = 4
    rate_up               = "10MiB"
    rate_up_per_session   = "1MiB"
    rate_down_per_session = 1000
  }
  limit "others" {
    users               = ["guest"]
    commands_per_second = 5
  }
`
	config := withPolicy(t, inside)
	r := explain(t, config, map[string]string{"--user": "partner-7"}, "NOOP")
	want := fmt.Sprintf(`
limits of this session
  %s: limit "partners": 4 sessions, 10MiB/s up, 1MiB/s up in each session, 1000B/s down in each session
`, lineOf(t, config, `limit "partners"`))
	if r.status != 0 || !strings.HasSuffix(r.stdout, want) {
		t.Errorf("status %d\n%s%s\nwant\n%s", r.status, r.stdout, r.stderr, want)
	}
	if r := explain(t, config, map[string]string{"--user": "anna"}, "NOOP"); strings.Contains(r.stdout, "limit") {
		t.Errorf("nothing limits anna:\n%s", r.stdout)
	}
	r = explain(t, withPolicy(t, "  mode = \"monitor\"\n"+inside), map[string]string{"--user": "guest"}, "NOOP")
	if !strings.Contains(r.stdout, "limits of this session (not in force: mode is monitor)\n") || !strings.Contains(r.stdout, `limit "others": 5 commands/s in each session`) {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
	r = execute(t, "check", "--config", config)
	if !strings.Contains(r.stdout, "    limit partners: 4 sessions, 10MiB/s up,") || !strings.Contains(r.stdout, "    limit others: 5 commands/s in each session\n") {
		t.Errorf("check says\n%s%s", r.stdout, r.stderr)
	}
}

// A mistake is one sentence, and nothing is explained.
func TestPolicyExplainRefusesMistakes(t *testing.T) {
	config := withPolicy(t, partnersPolicy)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"policy":   {[]string{"--policy", "partner", "NOOP"}, `there is no policy "partner"; there is partners`},
		"address":  {[]string{"--policy", "partners", "--from", "here", "NOOP"}, `--from: "here" is not an IP address`},
		"time":     {[]string{"--policy", "partners", "--time", "noon", "NOOP"}, `--time: "noon" is not a time such as`},
		"version":  {[]string{"--policy", "partners", "--tls", "1.1", "NOOP"}, `--tls: "1.1" is not one of 1.2, 1.3 and off`},
		"command":  {[]string{"--policy", "partners", " NOOP"}, `" NOOP" is no FTP command`},
		"nothing":  {[]string{"--policy", "partners"}, "accepts 1 arg(s), received 0"},
		"too much": {[]string{"--policy", "partners", "STOR", "a"}, "accepts 1 arg(s), received 2"},
		"whose":    {[]string{"NOOP"}, `"policy" not set`},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, append([]string{"policy", "explain", "--config", config}, c.args...)...)
			if r.status != 1 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, c.want) {
				t.Errorf("status %d, want %q\n%s%s", r.status, c.want, r.stdout, r.stderr)
			}
		})
	}
}

// Rules that can never match are no mistake, but are told.
func TestCheckWarnsOfRulesWithoutEffect(t *testing.T) {
	for name, c := range map[string]struct{ rule, want string }{
		"shadowed":   {"  rule \"late\" {\n    commands = [\"NOOP\"]\n    action = \"deny\"\n  }\n", `The rule "late" can never match: the rule "usual" at line `},
		"unknown":    {"  rule \"theirs\" {\n    commands = [\"FROBNICATE\"]\n    action = \"allow\"\n  }\n", "not in the registry"},
		"impossible": {"  rule \"nowhere\" {\n    from = []\n    action = \"allow\"\n  }\n", "An empty list matches nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, "check", "--config", withPolicy(t, partnersPolicy+c.rule))
			if r.status != 0 || !strings.Contains(r.stderr, "Warning") || !strings.Contains(r.stderr, c.want) || !strings.Contains(r.stdout, "listener ftp") {
				t.Errorf("status %d, want %q\n%s%s", r.status, c.want, r.stdout, r.stderr)
			}
		})
	}
	if r := execute(t, "check", "--config", withPolicy(t, partnersPolicy)); r.status != 0 || r.stderr != "" {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
}
