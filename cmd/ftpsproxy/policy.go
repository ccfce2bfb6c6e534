package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ftpsproxy/ftpsproxy/configs"
	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

func policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy {test | explain}",
		Short: "Try policies out",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("%s needs a command: test or explain", c.Name())
		},
	}
	c.AddCommand(policyTestCommand(), policyExplainCommand())
	return c
}

// loadPolicies reads the policies of a configuration.
func loadPolicies(path string) (*configs.Settings, error) {
	settings, err := loadFile(path)
	if err != nil {
		return nil, err
	}
	if len(settings.Policies) == 0 {
		return nil, fmt.Errorf("there is no policy block in %s", path)
	}
	return settings, nil
}

func findPolicy(settings *configs.Settings, name string) (*policy.Policy, error) {
	if p := settings.Policy(name); p != nil {
		return p, nil
	}
	names := make([]string, len(settings.Policies))
	for i, p := range settings.Policies {
		names[i] = p.Name
	}
	return nil, fmt.Errorf("there is no policy %q; there is %s", name, strings.Join(names, ", "))
}

func policyTestCommand() *cobra.Command {
	var path, name string
	c := &cobra.Command{
		Use:   "test --config FILE",
		Short: "Run the test blocks of a configuration's policies",
		Long: `Test runs every test block of every policy, or of one, and prints a line for each.
For those that fail it shows what was expected and what decided instead; the exit
status is then 1.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return policyTest(os.Stdout, path, name) },
	}
	configFlag(c, &path)
	c.Flags().StringVar(&name, "policy", "", "test only the policy of this `NAME`")
	_ = c.MarkFlagRequired("config") // defined above
	return c
}

func policyTest(w io.Writer, path, name string) error {
	settings, err := loadPolicies(path)
	if err != nil {
		return err
	}
	passed, failed := 0, 0
	for _, p := range settings.Policies {
		if name != "" && p.Name != name {
			continue
		}
		for _, r := range settings.Policy(p.Name).Test() {
			if r.Passed {
				passed++
			} else {
				failed++
			}
			if err := printTest(w, p.Name, r); err != nil {
				return err
			}
		}
	}
	if passed+failed == 0 {
		if name != "" {
			if _, err := findPolicy(settings, name); err != nil {
				return err
			}
		}
		return errors.New("no test block was found: write test \"NAME\" { session = …, command = \"…\", expect = \"…\" } in a policy")
	}
	if _, err := fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed); err != nil {
		return err
	}
	if failed > 0 {
		return errPrinted
	}
	return nil
}

func printTest(w io.Writer, name string, r policy.TestResult) error {
	word := "ok  "
	if !r.Passed {
		word = "FAIL"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n", word, name, r.Name)
	if !r.Passed {
		fmt.Fprintf(&b, "     %s by %q from %s, at %s\n", r.Request.Command, r.Request.User, address(r.Request.Client), where(r.At))
		for _, line := range r.Diff {
			fmt.Fprintf(&b, "     %s\n", line)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// address is for a test that supposes none as well.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return "no address"
	}
	return a.String()
}

func where(p policy.Place) string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// question is what explain is asked.
type question struct {
	path, policy       string
	request            policy.Request
	from, at, renaming string
	version            string
	clear, anonymous   bool
}

func policyExplainCommand() *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "explain --config FILE --policy NAME [flags] 'COMMAND'",
		Short: "Show how a policy decides about one command",
		Long: `Explain prints how the command is read, each rule that was considered with the
matcher that failed, the decision with its place, and the limits that apply to the
session. Nothing is sent anywhere.
The exit status is 0 whatever the decision.`,
		Example: `  ftpsproxy policy explain --config ftpsproxy.hcl --policy partners \
      --user partner-7 --from 198.51.100.4 'STOR /finance/a.csv'`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return q.explain(os.Stdout, args[0]) },
	}
	configFlag(c, &q.path)
	r, f := &q.request, c.Flags()
	f.StringVar(&q.policy, "policy", "", "`NAME` of the policy")
	f.StringVar(&r.User, "user", "", "`NAME` in USER")
	f.StringVar(&q.from, "from", "127.0.0.1", "the client's `ADDRESS`")
	f.StringVar(&r.Directory, "directory", "/", "working `DIRECTORY` as the upstream reports it; \"\" for not known")
	f.StringVar(&q.renaming, "rename-from", "", "with RNTO: the `PATH` that RNFR named")
	f.StringVar(&r.Session.Listener, "listener", "", "`NAME` of the listener")
	f.StringVar(&r.Session.Upstream, "upstream", "", "`NAME` of the upstream")
	f.StringVar(&r.Session.Host, "host", "", "`NAME` in HOST, or else in SNI")
	f.BoolVar(&q.anonymous, "not-logged-in", false, "the login is not over yet")
	f.StringVar(&q.version, "tls", "1.3", "TLS `VERSION` of the control connection: 1.2, 1.3 or off")
	f.BoolVar(&q.clear, "clear-data", false, "data connections are in clear text (PROT C)")
	f.BoolVar(&r.TLS.SessionReused, "session-reused", false, "the latest data connection resumed the TLS session")
	f.StringVar(&r.TransferType, "type", "A", "argument of the latest `TYPE`")
	f.StringVar(&q.at, "time", "", "`TIME` of the command as RFC 3339 writes it (default: now)")
	for _, required := range []string{"config", "policy"} {
		_ = c.MarkFlagRequired(required) // defined above
	}
	return c
}

func (q *question) explain(w io.Writer, command string) error {
	if err := q.complete(command); err != nil {
		return err
	}
	settings, err := loadPolicies(q.path)
	if err != nil {
		return err
	}
	p, err := findPolicy(settings, q.policy)
	if err != nil {
		return err
	}
	verb := q.request.Command.Verb
	if !policy.Governs(verb) {
		_, err = fmt.Fprintf(w, "%s is not the policy's to judge: the proxy answers it itself, by the listener's settings.\n", verb)
		return err
	}
	_, err = io.WriteString(w, explanation(q.request, p.Explain(q.request))+limits(p, q.request))
	return err
}

// complete makes facts of the flags.
func (q *question) complete(command string) error {
	r := &q.request
	var err error
	if r.Command, err = ftpparse.ParseCommand([]byte(command)); err != nil {
		return fmt.Errorf("%q is no FTP command: %w", command, err)
	}
	if r.Client, err = netip.ParseAddr(q.from); err != nil {
		return fmt.Errorf("--from: %q is not an IP address", q.from)
	}
	r.Time = time.Now()
	if q.at != "" {
		if r.Time, err = time.Parse(time.RFC3339, q.at); err != nil {
			return fmt.Errorf("--time: %q is not a time such as 2026-11-25T17:30:00Z", q.at)
		}
	}
	switch q.version {
	case "1.2", "1.3":
		r.TLS.Active, r.TLS.Version = true, q.version
	case "off":
		q.clear = true
	default:
		return fmt.Errorf("--tls: %q is not one of 1.2, 1.3 and off", q.version)
	}
	r.TLS.Data = "private"
	if q.clear {
		r.TLS.Data = "clear"
	}
	r.Session.LoggedIn = !q.anonymous
	if q.renaming != "" {
		r.RenameFrom = policy.Source{Argument: q.renaming, Directory: r.Directory}
	}
	return nil
}

func explanation(r policy.Request, e policy.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %q from %s\n", r.Command, r.User, r.Client)
	for _, reading := range e.Readings {
		fmt.Fprintf(&b, "\nread as %s%s\n", reading.Command, paths(reading.Paths))
		for _, s := range reading.Steps {
			fmt.Fprintf(&b, "  %s: rule %q, %s: %s\n", where(s.At), s.Rule, s.Action, outcome(s))
		}
	}
	d := e.Decision
	fmt.Fprintf(&b, "\n%s", d.Action)
	switch {
	case d.Rule != "":
		fmt.Fprintf(&b, " by rule %q at %s", d.Rule, where(d.At))
	case d.Reason == policy.ByDefault:
		fmt.Fprintf(&b, " by default, at %s", where(d.At))
	default:
		fmt.Fprintf(&b, ": %s", d.Reason)
	}
	if d.Detail != "" {
		fmt.Fprintf(&b, ": %s", d.Detail)
	}
	if d.Action != policy.Allow {
		fmt.Fprintf(&b, "\nreply %d %s", d.Reply.Code, d.Reply.Text)
	}
	if d.Monitor && d.Action != policy.Allow {
		b.WriteString("\nmode is monitor: it is logged and passes")
	}
	b.WriteString("\n")
	return b.String()
}

// limits tells which limits apply to the session; "" when none does.
func limits(p *policy.Policy, r policy.Request) string {
	applying := p.Limits(r).Applying
	if len(applying) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nlimits of this session")
	if p.Monitor() {
		b.WriteString(" (not in force: mode is monitor)")
	}
	b.WriteString("\n")
	for _, l := range applying {
		fmt.Fprintf(&b, "  %s: limit %q: %s\n", where(l.At), l.Name, strings.Join(l.Bounds(), ", "))
	}
	return b.String()
}

func outcome(s policy.Step) string {
	switch {
	case s.Error != "":
		return "its condition failed: " + s.Error
	case s.Failed == policy.NoMatcher:
		return "matches"
	default:
		return s.Failed.String() + " does not match"
	}
}

func paths(list []policy.Path) string {
	var words []string
	for _, p := range list {
		word := p.Path
		if p.Unknown {
			word = "a path that is not known"
		}
		if p.Below {
			word += " and what is below"
		}
		if p.From {
			word += " (from RNFR)"
		}
		if p.Odd {
			word += " (unlikely)"
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return ""
	}
	return ", on " + strings.Join(words, "; ")
}
