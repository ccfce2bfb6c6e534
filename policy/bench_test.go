package policy_test

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// rules writes n rules of which only the last matches; each of the others fails
// at its last matcher but the condition.
func rules(n int, when string) string {
	var b strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&b, "rule \"r%d\" {\n commands = [\"@write\", \"MKD\"]\n users = [\"partner-*\"]\n from = [\"198.51.100.0/24\"]\n paths = [\"/partners/p%d/**\"]\n action = \"allow\"\n}\n", i, i)
	}
	fmt.Fprintf(&b, "rule \"last\" {\n commands = [\"@write\"]\n paths = [\"/incoming/**\"]\n%s action = \"allow\"\n}\n", when)
	return b.String()
}

func benchmark(b *testing.B, n int, when, line string) {
	p := compile(b, rules(n, when))
	q := in(b, "/incoming", line)
	q.Client = netip.MustParseAddr("198.51.100.4")
	q.TLS = policy.TLS{Active: true, Version: "1.3"}
	if d := p.Decide(q); d.Rule != "last" {
		b.Fatalf("%+v", d)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(q)
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) { benchmark(b, n, "", "STOR report.csv") })
	}
}

func BenchmarkDecideWhen(b *testing.B) {
	const when = "when = tls.version == \"1.3\" && matches(command.path, \"^/incoming/[a-z.]+$\")\n"
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) { benchmark(b, n, when, "STOR report.csv") })
	}
}

// A hundred rules that differ in one matcher, of which the last matches.
func BenchmarkDecideHundred(b *testing.B) {
	for name, format := range map[string]string{
		"users":     "action = \"allow\"\n users = [\"u%[1]d-*\"]\n from = [\"2001:db8:99::/48\"]\n paths = [\"/incoming/**\"]",
		"user-ends": "action = \"allow\"\n users = [\"*@u%[1]d\"]\n from = [\"2001:db8:99::/48\"]\n paths = [\"/incoming/**\"]",
		"hosts":     "action = \"allow\"\n hosts = [\"ftp.u%[1]d.example.com\", \"*.u%[1]d.example.net\"]\n paths = [\"/incoming/**\"]",
		"from":      "action = \"allow\"\n from = [\"2001:db8:%[1]d::/48\"]\n users = [\"u99-*\"]\n paths = [\"/incoming/**\"]",
		"names":     "action = \"allow\"\n users = [\"u99-*\"]\n paths = [\"/incoming/*.e%[1]d\", \"**/x%[1]d\"]",
		"denied":    "action = \"deny\"\n paths = [\"**/*.e%[1]d\"]",
		"inside":    "action = \"deny\"\n paths = [\"**/*.f%[1]d\", \"**/d%[1]d/**\"]",
	} {
		var text strings.Builder
		for i := range 100 {
			fmt.Fprintf(&text, "rule \"r%[1]d\" {\n "+format+"\n}\n", i)
		}
		p := compile(b, text.String())
		for _, line := range []string{"STOR report.e99", "RNTO report.e99"} {
			q := in(b, "/incoming", line)
			if name == "inside" {
				q.Directory = "/incoming/d99"
			}
			q.RenameFrom = policy.Source{Argument: "upload.e99", Directory: "/incoming"}
			q.Client, q.User, q.Session.Host = netip.MustParseAddr("2001:db8:99::4"), "u99-a@u99", "ftp.u99.example.com"
			b.Run(name+"/"+line[:4], func(b *testing.B) {
				if d := p.Decide(q); d.Rule != "r99" {
					b.Fatalf("%+v", d)
				}
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(q)
				}
			})
		}
	}
}

// Rules that differ in what stands in the middle of a pattern or of a regular
// expression. None matches, as for most commands.
func BenchmarkDecideMiddles(b *testing.B) {
	for name, matcher := range map[string]string{
		"arguments":         `arguments = ["x%[1]dy"]`,
		"arguments-folded":  `arguments = ["(?i)word%[1]d$"]`,
		"arguments-classes": `arguments = ["[0-9]{3}z%[1]d(\\.csv|\\.txt)"]`,
		"paths":             `paths = ["**/*x%[1]d*"]`,
		"users":             `users = ["*x%[1]d*"]`,
	} {
		for _, n := range []int{100, 1000} {
			p := compile(b, "default = \"allow\"\n"+repeated(n, "rule \"r%[1]d\" {\n "+matcher+"\n action = \"deny\"\n}\n"))
			for _, line := range []string{"STOR reports-2026/annual_report.csv", "RNTO report.e99"} {
				q := in(b, "/incoming", line)
				q.RenameFrom = policy.Source{Argument: "upload-2026.e99", Directory: "/incoming"}
				q.User = "partner-77"
				b.Run(fmt.Sprintf("%s/rules=%d/%s", name, n, line[:4]), func(b *testing.B) {
					if d := p.Decide(q); d.Reason != policy.ByDefault {
						b.Fatalf("%+v", d)
					}
					b.ReportAllocs()
					for b.Loop() {
						p.Decide(q)
					}
				})
			}
		}
	}
}

// Listings with options have the most readings of all everyday commands.
func BenchmarkDecideListing(b *testing.B) {
	p := compile(b, "rule \"last\" {\n commands = [\"@list\"]\n paths = [\"/incoming/**\"]\n action = \"allow\"\n}\n")
	q := in(b, "/incoming", "LIST -la sub")
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(q)
	}
}

func BenchmarkCompile(b *testing.B) {
	text := "policy \"p\" {\n" + rules(1000, "") + "}\n"
	for b.Loop() {
		if p, diags, _ := compileText(b, "p.hcl", text); p == nil {
			b.Fatal(diags)
		}
	}
}

// Deciding takes no memory where no rule with an expression is asked.
func TestDecideDoesNotAllocate(t *testing.T) {
	p := compile(t, rules(100, ""))
	for _, line := range []string{"STOR report.csv", "STOR ../../etc/passwd", "NOOP", "SITE CHMOD 644 a", "LIST -la sub", "RNTO b", "FOO bar"} {
		q := in(t, "/incoming", line)
		q.RenameFrom = policy.Source{Argument: "a", Directory: "/incoming"}
		q.Client = netip.MustParseAddr("198.51.100.4")
		p.Decide(q)
		// A pool may lose its work, to the garbage collector or, under the race
		// detector, by chance: the best of many rounds tells what deciding takes.
		least := math.Inf(1)
		for range 100 {
			least = min(least, testing.AllocsPerRun(5, func() { p.Decide(q) }))
		}
		if least > 0 {
			t.Errorf("%s: %v allocations", line, least)
		}
	}
}
