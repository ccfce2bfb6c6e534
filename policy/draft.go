package policy

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A draft is a rule or reply block whose verbs have not been looked up yet.
type draft struct {
	rule     rule
	replaced replyRule
	at       hcl.Range
	commands list[mention]
}

func (d *decoder) rule(b *hclsyntax.Block) *draft {
	r := &draft{at: b.DefRange(), rule: rule{name: b.Labels[0], at: placeOf(b.DefRange())}}
	var reply mention
	fields := append(d.whoFields(&r.rule.who),
		field{"commands", false, func(e hclsyntax.Expression) { d.commands(r, e) }},
		field{"paths", false, func(e hclsyntax.Expression) {
			r.rule.paths = readList(d, e, "Invalid path pattern", newPathGlob)
		}},
		field{"arguments", false, func(e hclsyntax.Expression) {
			r.rule.arguments = readList(d, e, "Invalid regular expression", newRegexp)
		}},
		field{"when", false, func(e hclsyntax.Expression) { d.when(&r.rule, e) }},
		field{"action", true, func(e hclsyntax.Expression) {
			r.rule.action = actionOf(d.word(e, "allow", "deny", "disconnect"))
		}},
		field{"reply", false, func(e hclsyntax.Expression) { reply, _ = d.text(e) }},
	)
	d.body(b.Body, fields, nil)
	if reply.text != "" {
		r.rule.reply = d.reply(reply, r.rule.action)
	}
	return r
}

// whoFields are the matchers of rules and limits that look at the session.
func (d *decoder) whoFields(m *who) []field {
	return []field{
		{"users", false, func(e hclsyntax.Expression) { m.users = readList(d, e, "Invalid pattern", userGlob) }},
		{"hosts", false, func(e hclsyntax.Expression) { m.hosts = readList(d, e, "Invalid pattern", hostGlob) }},
		{"from", false, func(e hclsyntax.Expression) { m.from = readList(d, e, "Invalid network", parseNetwork) }},
	}
}

func userGlob(s string) (*glob, error) { return newGlob(s, false) }

// hostGlob compares names as DNS does: without case, and without the dot of the
// root.
func hostGlob(s string) (*glob, error) { return newGlob(strings.TrimSuffix(s, "."), true) }

// readList reads a list of texts through a parser.
func readList[T any](d *decoder, e hclsyntax.Expression, summary string, parse func(string) (T, error)) list[T] {
	l := list[T]{given: true}
	for _, m := range d.texts(e) {
		element, err := parse(m.text)
		if err != nil {
			d.errorf(m.at, summary, "%q cannot be used: %s.", m.text, err)
			continue
		}
		l.elements = append(l.elements, element)
	}
	return l
}

// reply reads "553 This type of file is not accepted."
func (d *decoder) reply(m mention, action Action) Reply {
	code, text, _ := strings.Cut(m.text, " ")
	n, err := strconv.Atoi(code)
	switch {
	case err != nil || len(code) != 3 || n < 400 || n > 599:
		d.errorf(m.at, "Invalid reply", "%q is not a code from 400 to 599 and a text, such as \"550 Permission denied.\".", m.text)
	case action == Allow:
		d.errorf(m.at, "Reply without use", "A command that is allowed gets the upstream's reply. Remove the setting.")
	case action == Disconnect && n != 421:
		d.errorf(m.at, "Invalid reply", "The action \"disconnect\" replies with 421 (RFC 959 §5.4); write \"421 %s\".", text)
	case action == Deny && n == 421:
		d.errorf(m.at, "Invalid reply", "421 tells the client that the session ends; use the action \"disconnect\", or another code.")
	case !isLine(text):
		d.errorf(m.at, "Invalid reply", "The text behind the code must be one line without control characters, and not empty.")
	default:
		return Reply{n, text}
	}
	return Reply{}
}

func isLine(s string) bool {
	return strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, unicode.IsControl)
}

// commands reads the names of verbs and groups, and gives numbers to those that
// have none.
func (d *decoder) commands(r *draft, e hclsyntax.Expression) {
	r.commands.given = true
	for _, m := range d.texts(e) {
		name, ok := d.verb(m)
		if !ok {
			continue
		}
		r.commands.elements = append(r.commands.elements, mention{name, m.at})
	}
}

// verb returns the name under which the vocabulary has what was written.
func (d *decoder) verb(m mention) (string, bool) {
	name := upper(m.text)
	switch {
	case name == everything:
		return name, true
	case strings.HasPrefix(name, "@"):
		return d.groupName(m)
	case strings.Contains(name, " "):
		return d.subCommand(m, name)
	}
	if verb, known := ftpparse.Lookup(name); known {
		if !Governs(name) {
			d.errorf(m.at, "Not for the policy", "%s is answered by the proxy itself and never relayed; see the listener's tls block.", name)
			return "", false
		}
		return verb.Canonical, true
	}
	return d.foreign(m, name)
}

func (d *decoder) groupName(m mention) (string, bool) {
	name := lower(m.text)
	if _, known := byName(name); known || name == groupUnknown {
		return name, true
	}
	names := []string{groupUnknown}
	for _, g := range groups {
		names = append(names, g.name)
	}
	slices.Sort(names)
	d.errorf(m.at, "Unknown group", "There is no group %q. Known are %s.%s", m.text, quoted(names), didYouMean(name, names))
	return "", false
}

// subCommand reads "SITE CHMOD".
func (d *decoder) subCommand(m mention, name string) (string, bool) {
	verb, sub, _ := strings.Cut(name, " ")
	if verb != otherSITE && verb != otherOPTS {
		d.errorf(m.at, "Unknown command", "%q cannot be used: only SITE and OPTS have sub-commands; what follows other verbs is matched by paths or arguments.", m.text)
		return "", false
	}
	if !isWord(sub, maxSub) {
		d.errorf(m.at, "Unknown command", "%q cannot be used: behind %s stands one word of letters, digits, \"-\" and \"_\", after one space.", m.text, verb)
		return "", false
	}
	if _, ok := d.policy.vocabulary.subs[name]; !ok && d.room(m) {
		d.policy.vocabulary.subs[name] = d.policy.vocabulary.number(name, replyOther)
	}
	return name, true
}

// foreign takes a verb outside the registry. One letter away from a known verb it
// is a slip of the hand, which must not make a rule that matches nothing.
func (d *decoder) foreign(m mention, name string) (string, bool) {
	const longest = 16 // ftpparse reads no longer verbs
	var known []string
	for v := range ftpparse.Verbs() {
		if Governs(v.Name) {
			known = append(known, v.Name)
		}
	}
	if !isWord(name, longest) || strings.ContainsAny(name, "-_") || name[0] < 'A' {
		d.errorf(m.at, "Unknown command", "%q is not a verb, which has up to %d letters and digits.", m.text, longest)
		return "", false
	}
	if near := nearest(name, known, 2); near != "" {
		d.errorf(m.at, "Unknown command", "There is no command %q. Did you mean %q?", m.text, near)
		return "", false
	}
	d.warnf(m.at, "Unknown command", "The verb %q is not in the registry. The rule is about it alone, unless it is a slip of the hand.", m.text)
	v := d.policy.vocabulary
	if _, ok := v.verbs[name]; !ok && d.room(m) {
		v.verbs[name] = entry{id: v.number(name, replyUnknownVerb)}
	}
	return name, true
}

func (d *decoder) room(m mention) bool {
	if d.policy.vocabulary.full() {
		d.errorf(m.at, "Too many commands", "A policy can tell %d commands and sub-commands apart. Use groups, or match by arguments.", maxVerbs)
		return false
	}
	return true
}

// isWord accepts letters, digits, "-" and "_".
func isWord(s string, longest int) bool {
	for i := range len(s) {
		if b := s[i]; (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '-' && b != '_' {
			return false
		}
	}
	return s != "" && len(s) <= longest
}

// finish looks the verbs of a rule up.
func (d *decoder) finish(r *draft) rule {
	r.rule.verbs = d.verbs(r, r.rule.action == Allow)
	return r.rule
}

// verbs makes the set of a block's commands. Allowing everything does not allow
// what nobody knows: such verbs are allowed by name or by @unknown.
func (d *decoder) verbs(r *draft, allow bool) verbSet {
	var set verbSet
	v := d.policy.vocabulary
	if !r.commands.given {
		v.include(&set, everything)
	}
	for _, m := range r.commands.elements {
		if m.text == everything {
			v.include(&set, everything)
		}
	}
	if allow {
		var unknown verbSet
		v.include(&unknown, groupUnknown)
		set.subtract(&unknown)
	}
	for _, m := range r.commands.elements {
		if m.text != everything {
			v.include(&set, m.text)
		}
	}
	return set
}
