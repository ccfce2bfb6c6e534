package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// decideInOrder decides as Decide does, by asking every rule in the order of the
// file: no index, no fixed starts and ends of patterns, no quick conditions.
func (p *Policy) decideInOrder(q Request) Decision {
	if hasControl(q.Command.Argument) || hasControl(q.RenameFrom.Argument) {
		return p.Decide(q)
	}
	w := p.take()
	w.ask(&q)
	w.read(p.vocabulary)
	decision := p.inOrder(w, w.verbs[0])
	for _, verb := range w.verbs[1:w.forms] {
		if other := p.inOrder(w, verb); other.stricter(&decision) {
			decision = other
		}
	}
	return decision
}

func (p *Policy) inOrder(w *work, verb verbID) Decision {
	kind := p.vocabulary.kinds[verb]
	for i := range p.rules {
		r := slow(p.rules[i])
		if !r.verbs.has(verb) || !slowWho(&r.who, &w.request, r.action != Allow) {
			continue
		}
		if r.paths.given && !r.matchPaths(w) || r.arguments.given && !r.matchArguments(p, w) || r.never {
			continue
		}
		if r.when != nil {
			holds, err := r.evaluate(p, w)
			if err != nil {
				return p.failed(&p.rules[i], kind, err)
			}
			if !holds {
				continue
			}
		}
		return p.matched(&r, kind)
	}
	rest := Policy{fallback: p.fallback, monitor: p.monitor, at: p.at, vocabulary: p.vocabulary, naming: make([]ruleSet, maxVerbs)}
	return rest.decide(w, verb, nil)
}

// slow is the rule without what makes it fast.
func slow(r rule) rule {
	var paths []*pathGlob
	for _, g := range r.paths.elements {
		routes := slices.Clone(g.alternatives)
		for i := range routes {
			routes[i].prefix, routes[i].suffix = "", ""
		}
		paths = append(paths, &pathGlob{alternatives: routes})
	}
	r.paths.elements = paths
	return r
}

func slowWho(m *who, q *Request, strict bool) bool {
	matches := func(globs list[*glob], text string) bool {
		return !globs.given || slices.ContainsFunc(globs.elements, func(g *glob) bool {
			return slices.ContainsFunc(g.alternatives, func(s segment) bool { return matchSegment(&s, text) })
		})
	}
	from := !m.from.given || !q.Client.IsValid() && strict
	for _, n := range m.from.elements {
		from = from || n.Contains(q.Client)
	}
	return from && matches(m.users, q.User) && matches(m.hosts, hostOf(q))
}

// A dice makes policies and requests in which much is alike and little matches
// by chance.
type dice struct{ *rand.Rand }

func (d dice) pick(of ...string) string { return of[d.IntN(len(of))] }

func (d dice) some(of func() string) string {
	items := []string{}
	for range 1 + d.IntN(3) {
		items = append(items, fmt.Sprintf("%q", of()))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func (d dice) word() string {
	if d.IntN(2) == 0 {
		return d.pick("abba", "baab", "ab", "éba")
	}
	word := ""
	for range 1 + d.IntN(3) {
		word += d.pick("a", "b", "B", "ab", "é", ".", "-", "1")
	}
	return d.pick("", "a") + strings.Trim(word, ".") + d.pick("a", "b")
}

func (d dice) name() string {
	switch d.IntN(6) {
	case 0:
		return d.pick("*", "?") + d.word()
	case 1:
		return d.word() + d.pick("*", "?", "[ab]", "[!a]")
	case 2:
		return d.word() + "*" + d.word()
	case 3:
		return "{" + d.word() + "," + d.word() + d.pick("", "*") + "}" + d.word()
	case 4:
		return d.pick("*", "a", `\*`, "a*", "*.a", "*.b", "*"+d.word()+"*", "?"+d.word()+"?*", "*"+d.word()+"*"+d.word()+"*")
	}
	return "x" + d.word()
}

func (d dice) path() string {
	path := d.pick("", "", "**")
	for range d.IntN(4) {
		path += "/" + d.pick(d.name(), d.word()+"x", "a", "b", "**")
	}
	switch {
	case path == "":
		return "/"
	case d.IntN(6) == 0:
		return "**/" + d.pick("a", "b*", d.word(), d.name()) + "/**"
	}
	if path[0] != '*' && d.IntN(3) == 0 {
		path += "/**"
	}
	return path
}

func (d dice) network() string {
	a := netip.AddrFrom4([4]byte{10, byte(d.IntN(3)), byte(d.IntN(256)), byte(d.IntN(256))})
	if d.IntN(4) == 0 {
		a = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(d.IntN(3)), byte(d.IntN(256))})
	}
	n, _ := a.Prefix(d.IntN(a.BitLen() + 1))
	return n.String()
}

func (d dice) policy() string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy \"p\" {\n default = %q\n", d.pick("allow", "deny"))
	density := 1 + d.IntN(5) // the more matchers, the later a rule that matches
	only := d.pick("users", "hosts", "from", "paths", "paths", "arguments", "", "", "")
	for i := range 1 + d.IntN(140) {
		fmt.Fprintf(&b, "rule \"r%d\" {\n action = %q\n", i, d.pick("allow", "deny", "allow", "deny", "disconnect"))
		for _, matcher := range []struct {
			name string
			of   func() string
		}{
			{"commands", func() string {
				return d.pick("@write", "@list", "@read", "*", "RNTO", "RNFR", "RETR", "@delete", "@unknown", "SITE CHMOD", "XFOO")
			}},
			{"users", d.name},
			{"hosts", d.name},
			{"from", d.network},
			{"paths", d.path},
			{"arguments", d.expression},
		} {
			if only != "" && only != matcher.name {
				continue
			}
			if only != "" || d.IntN(6) < density && matcher.name != "arguments" || d.IntN(20) == 0 {
				fmt.Fprintf(&b, " %s = %s\n", matcher.name, d.some(matcher.of))
			}
		}
		if d.IntN(8) == 0 {
			fmt.Fprintf(&b, " when = %s\n", d.condition(3))
		}
		b.WriteString("}\n")
	}
	return b.String() + "}\n"
}

// expression makes a regular expression.
func (d dice) expression() string {
	switch d.IntN(8) {
	case 0:
		return d.pick("", "(?i)") + d.pick("^", "") + d.word() + d.pick("$", "", ".*b$")
	case 1:
		return "(" + d.word() + "|" + d.pick(d.word(), "[ab]x", "") + ")" + d.pick("", "+", "?", "*", "{2}", "{0,2}")
	case 2:
		return d.pick("[ab]", ".", "(?i)É", "(x?)") + d.pick("+", "{2}", "") + d.word()
	case 3:
		return "(?i:" + d.word() + ")" + d.pick("B", "1", "$")
	}
	return d.pick("(?i)", "") + d.pick("k", "s1", "aaB", "-b", "\\x{FFFD}", "É", "x", "baab.*x", "1.+1")
}

func (d dice) condition(int) string {
	return d.pick("tls.active", "user.name == \"a\"", "command.path != \"/a\"")
}

func (d dice) request() Request {
	place := func() string {
		path := d.pick("/", "", "")
		for range d.IntN(4) {
			path += d.pick(d.word(), d.word()+"x", "x"+d.word(), "a", "b", "..", d.word()+"*", "a", "b") + d.pick("/", "/", "")
		}
		return path + d.pick("", "", "", " ")
	}
	q := Request{
		Directory: d.pick("/", "/a", "/b/a", "/ab", ""), User: d.pick("", "a", "b", d.word(), "x"+d.word()),
		RenameFrom: Source{Argument: place(), Directory: d.pick("/", "/a", "/xa")},
		Session:    Session{Host: d.pick("", "A", d.word(), "x"+d.word()+".")},
		TLS:        TLS{Active: d.IntN(2) == 0}, Time: time.Unix(int64(d.IntN(1<<30)), 0),
	}
	q.Command = ftpparse.Command{Verb: d.pick("STOR", "LIST", "RETR", "RNFR", "RNTO", "DELE", "MDTM", "FOO", "XFOO", "NOOP", "RMDA", "SITE"), Argument: place()}
	switch q.Command.Verb {
	case "LIST":
		q.Command.Argument = d.pick("", "-la ", "-R ") + q.Command.Argument
	case "MDTM":
		q.Command.Argument = d.pick("", "20260101000000 ") + q.Command.Argument
	case "SITE":
		q.Command.Argument = d.pick("CHMOD 644 ", "XYZ ") + q.Command.Argument
	}
	if d.IntN(8) != 0 {
		q.Client = netip.MustParsePrefix(d.network()).Addr()
	}
	return q
}

func compileInside(t testing.TB, text string) *Policy {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(text), "p.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags, text)
	}
	content, _ := file.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "policy", LabelNames: []string{"name"}}}})
	p, diags := Compile(content.Blocks[0], nil)
	if p == nil {
		t.Fatalf("%v\n%s", diags.Errs(), text)
	}
	return p
}

func compareWithOrder(t *testing.T, seed uint64, requests int) {
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	text := d.policy()
	p := compileInside(t, text)
	for range requests {
		q := d.request()
		if got, want := p.Decide(q), p.decideInOrder(q); got != want {
			t.Fatalf("seed %d, %+v\n got %+v\nwant %+v\n%s", seed, q, got, want, text)
		}
	}
}

// However rules are found, the first that matches decides.
func TestDecideIsTheFirstRuleThatMatches(t *testing.T) {
	for seed := range uint64(200) {
		compareWithOrder(t, seed, 60)
	}
}

func FuzzDecideIsTheFirstRuleThatMatches(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, seed uint64) { compareWithOrder(t, seed, 50) })
}
