package policy

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A ZoneFinder finds a time zone by its name, as time.LoadLocation does. It is
// given to the policy, which reads no files.
type ZoneFinder func(name string) (*time.Location, error)

// Compile reads a block policy "name" { … }. Without a ZoneFinder, UTC is the only
// time zone. The policy is nil exactly if the diagnostics hold an error; they hold
// every mistake, in the order of the file. Time and memory are bounded by the
// size of the block.
func Compile(block *hcl.Block, zone ZoneFinder) (*Policy, hcl.Diagnostics) {
	body, ok := block.Body.(*hclsyntax.Body)
	if !ok || len(block.Labels) != 1 {
		at := block.DefRange
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Policy expected", Subject: &at,
			Detail: "A policy is written policy \"NAME\" { … }, in HCL's native syntax.",
		}}
	}
	ready := newPrepared()
	d := &decoder{prepared: ready, zone: zone, policy: &Policy{
		name: block.Labels[0], at: placeOf(block.DefRange), vocabulary: newVocabulary(),
		env: environment{functions: functions(ready), zone: time.UTC},
	}}
	d.compile(body)
	d.sort()
	if d.diags.HasErrors() {
		return nil, d.diags
	}
	d.policy.index()
	return d.policy, d.diags
}

func (d *decoder) compile(body *hclsyntax.Body) {
	p := d.policy
	var drafts []*draft
	var replies []*draft
	var tests []*hclsyntax.Block
	d.body(body, []field{
		{"default", false, func(e hclsyntax.Expression) { p.fallback = actionOf(d.word(e, "allow", "deny")) }},
		{"mode", false, func(e hclsyntax.Expression) { p.monitor = d.word(e, "enforce", "monitor") == "monitor" }},
		{"time_zone", false, d.timeZone},
	}, []nested{
		{"rule", maxRules, func(b *hclsyntax.Block) { drafts = append(drafts, d.rule(b)) }},
		{"limit", maxLimits, d.limit},
		{"reply", maxReplies, func(b *hclsyntax.Block) { replies = append(replies, d.replyRule(b)) }},
		{"test", maxTests, func(b *hclsyntax.Block) { tests = append(tests, b) }},
	})
	// Every verb that any block names has its number now; only then it is known
	// what the groups mean.
	names := map[string]Place{}
	for _, r := range drafts {
		if first, again := names[r.rule.name]; again {
			d.errorf(r.at, "Duplicate name", "There is already a rule %q at line %d. Give this one another name.", r.rule.name, first.Line)
		}
		names[r.rule.name] = r.rule.at
		d.policy.rules = append(d.policy.rules, d.finish(r))
	}
	for _, r := range replies {
		r.replaced.verbs = d.verbs(r, false)
		p.replies = append(p.replies, r.replaced)
	}
	d.neverMatching(drafts)
	for _, b := range tests {
		d.test(b)
	}
}

func actionOf(word string) Action {
	switch word {
	case "allow":
		return Allow
	case "disconnect":
		return Disconnect
	}
	return Deny
}

func (d *decoder) timeZone(e hclsyntax.Expression) {
	m, ok := d.text(e)
	if !ok || m.text == "UTC" {
		return
	}
	if d.zone != nil && m.text != "" && m.text != "Local" {
		if zone, err := d.zone(m.text); err == nil {
			d.policy.env.zone = zone
			return
		}
	}
	d.errorf(m.at, "Unknown time zone", "%q is not a time zone such as \"UTC\" or \"Europe/Berlin\".", m.text)
}
