package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// when prepares a rule's expression: its names and the types are checked, its
// fixed patterns compiled, and a constant one is folded away.
func (d *decoder) when(r *rule, e hclsyntax.Expression) {
	if why := tooCostly(e); why != "" {
		d.errorf(e.Range(), "Expression refused", "%s", why)
		return
	}
	x := &expression{at: placeOf(e.Range()), source: e}
	known := d.names(x, e)
	known = d.patterns(e) && known
	if !known {
		return
	}
	v, diags := e.Value(&hcl.EvalContext{Variables: x.unknowns(), Functions: d.policy.env.functions})
	if diags.HasErrors() {
		d.diags = append(d.diags, withoutContext(diags)...)
		return
	}
	d.comparisons(e, x)
	v, _ = v.Unmark()
	switch {
	case v.Type() != cty.Bool && v.Type() != cty.DynamicPseudoType:
		d.errorf(e.Range(), "Condition expected", "The value must be true or false, as of a comparison, not %s.", kindOfType(v.Type()))
	case len(e.Variables()) > 0:
		r.when = x
	case !v.IsKnown() || v.IsNull():
		d.errorf(e.Range(), "Condition expected", "The value is null: the rule would deny whatever it is asked about.")
	default:
		r.never = v.False()
	}
}

// withoutContext drops what HCL adds to a diagnostic about values: here all of
// them are unknown.
func withoutContext(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, diag := range diags {
		diag.EvalContext = nil
	}
	return diags
}

// names finds out which facts the expression uses.
func (d *decoder) names(x *expression, e hclsyntax.Expression) bool {
	all := facts()
	sound := true
	for _, traversal := range e.Variables() {
		found := d.resolve(all, traversal)
		sound = sound && found != nil
		for _, f := range found {
			x.use(f)
		}
	}
	return sound
}

func (x *expression) use(f fact) {
	x.usesPath = x.usesPath || f.perPath
	x.varies = x.varies || f.varies
	i := slices.IndexFunc(x.roots, func(r root) bool { return r.name == f.root })
	if i < 0 {
		i = len(x.roots)
		x.roots = append(x.roots, root{name: f.root})
	}
	r := &x.roots[i]
	if !slices.ContainsFunc(r.facts, func(other fact) bool { return other.name == f.name }) {
		r.facts = append(r.facts, f)
	}
}

// resolve returns the facts that a name stands for: one, or all of a root.
func (d *decoder) resolve(all []fact, traversal hcl.Traversal) []fact {
	var roots []string
	var members []fact
	for _, f := range all {
		if !slices.Contains(roots, f.root) {
			roots = append(roots, f.root)
		}
		if f.root == traversal.RootName() {
			members = append(members, f)
		}
	}
	if members == nil {
		d.errorf(traversal.SourceRange(), "Unknown name", "There is no name %q in a condition. Known are %s.%s",
			traversal.RootName(), quoted(roots), didYouMean(traversal.RootName(), roots))
		return nil
	}
	if len(traversal) == 1 {
		return members
	}
	name := step(traversal[1])
	var names []string
	for _, f := range members {
		if f.name == name {
			return d.inner(f, traversal)
		}
		names = append(names, f.name)
	}
	d.errorf(traversal.SourceRange(), "Unknown name", "There is no name %q in %q. Known are %s.%s",
		name, traversal.RootName(), quoted(names), didYouMean(name, names))
	return nil
}

// inner checks a name within a fact: tls.client_certificate.cn.
func (d *decoder) inner(f fact, traversal hcl.Traversal) []fact {
	if !f.kind.IsObjectType() || len(traversal) == 2 || f.kind.HasAttribute(step(traversal[2])) {
		return []fact{f}
	}
	var names []string
	for name := range f.kind.AttributeTypes() {
		names = append(names, name)
	}
	slices.Sort(names)
	d.errorf(traversal.SourceRange(), "Unknown name", "There is no name %q in \"%s.%s\". Known are %s.%s",
		step(traversal[2]), f.root, f.name, quoted(names), didYouMean(step(traversal[2]), names))
	return nil
}

// step is the name in ".name" or ["name"].
func step(t hcl.Traverser) string {
	switch t := t.(type) {
	case hcl.TraverseAttr:
		return t.Name
	case hcl.TraverseIndex:
		if t.Key.Type() == cty.String && t.Key.IsKnown() && !t.Key.IsNull() {
			return t.Key.AsString()
		}
	}
	return ""
}

// unknowns are the names with values of the right types that nobody knows yet.
func (x *expression) unknowns() map[string]cty.Value {
	variables := map[string]cty.Value{}
	for _, r := range x.roots {
		attributes := map[string]cty.Value{}
		for _, f := range r.facts {
			attributes[f.name] = cty.UnknownVal(f.kind)
		}
		variables[r.name] = cty.ObjectVal(attributes)
	}
	return variables
}

// patterns compiles what stands as text where a function takes a pattern.
func (d *decoder) patterns(e hclsyntax.Expression) bool {
	sound := true
	_ = hclsyntax.VisitAll(e, func(node hclsyntax.Node) hcl.Diagnostics {
		call, ok := node.(*hclsyntax.FunctionCallExpr)
		if !ok || len(call.Args) != 2 || len(call.Args[1].Variables()) > 0 {
			return nil
		}
		v, diags := call.Args[1].Value(nil)
		if diags.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
			return nil // the evaluation says so
		}
		if err := d.prepare(call.Name, v.AsString()); err != nil {
			d.errorf(call.Args[1].Range(), "Invalid pattern", "%q cannot be used: %s.", v.AsString(), err)
			sound = false
		}
		return nil
	})
	return sound
}

func (d *decoder) prepare(function, pattern string) error {
	var err error
	switch function {
	case "matches":
		d.prepared.patterns[pattern], err = newRegexp(pattern)
	case "glob":
		d.prepared.globs[pattern], err = newGlob(pattern, false)
	case "cidr":
		d.prepared.networks[pattern], err = parseNetwork(pattern)
	}
	return err
}

// comparisons finds comparisons of different types, such as tls.version == 1.3:
// HCL takes them for unequal without a word.
func (d *decoder) comparisons(e hclsyntax.Expression, x *expression) {
	ctx := &hcl.EvalContext{Variables: x.unknowns(), Functions: d.policy.env.functions}
	_ = hclsyntax.VisitAll(e, func(node hclsyntax.Node) hcl.Diagnostics {
		op, ok := node.(*hclsyntax.BinaryOpExpr)
		if !ok || op.Op != hclsyntax.OpEqual && op.Op != hclsyntax.OpNotEqual {
			return nil
		}
		left, diagsLeft := op.LHS.Value(ctx)
		right, diagsRight := op.RHS.Value(ctx)
		if diagsLeft.HasErrors() || diagsRight.HasErrors() || left.Type().Equals(right.Type()) {
			return nil
		}
		if left.Type().IsPrimitiveType() && right.Type().IsPrimitiveType() {
			d.errorf(op.Range(), "Comparison of different types", "%s is compared with %s, so they are never equal.%s",
				sentence(kindOfType(left.Type())), kindOfType(right.Type()), quotesHint(left.Type(), right.Type()))
		}
		return nil
	})
}

func sentence(s string) string { return upper(s[:1]) + s[1:] }

func quotesHint(a, b cty.Type) string {
	if a == cty.String && b == cty.Number || a == cty.Number && b == cty.String {
		return " Text is written in quotes, numbers without."
	}
	return ""
}
