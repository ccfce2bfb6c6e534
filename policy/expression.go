package policy

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// An expression is a prepared `when`.
type expression struct {
	at       Place
	source   hclsyntax.Expression
	roots    []root
	usesPath bool // its value may differ between the places that a command touches
	varies   bool // its value may differ between two commands of a session
}

// A root is a name in front of the dot, with those facts of it that the
// expression uses: making the others would cost more than the expression.
type root struct {
	name  string
	facts []fact
}

// An evaluationError is an expression without a value.
type evaluationError struct {
	at   Place
	text string
}

func (e *evaluationError) Error() string { return e.text }

// holds evaluates the expression. Whatever is not plainly true or false is an
// error, which denies.
func (e *expression) holds(p *Policy, w *work, t *target) (holds bool, err error) {
	// The evaluator is not ours, and the client chooses what it works on. A fault
	// in it denies one command; it must not end every session.
	defer func() {
		if fault := recover(); fault != nil {
			holds, err = false, &evaluationError{e.at, fmt.Sprintf("the evaluation broke off: %v", fault)}
		}
	}()
	s := scene{policy: p, work: w, target: t}
	variables := make(map[string]cty.Value, len(e.roots))
	for _, r := range e.roots {
		attributes := make(map[string]cty.Value, len(r.facts))
		for _, f := range r.facts {
			attributes[f.name] = f.value(&s)
		}
		variables[r.name] = cty.ObjectVal(attributes)
	}
	v, diags := e.source.Value(&hcl.EvalContext{Variables: variables, Functions: p.env.functions})
	if diags.HasErrors() {
		return false, e.failure(diags)
	}
	return e.truth(v)
}

func (e *expression) truth(v cty.Value) (bool, error) {
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		return false, &evaluationError{e.at, "the value cannot be known: which place the command touches is not certain"}
	case v.IsNull():
		return false, &evaluationError{e.at, "the value is null"}
	case v.Type() != cty.Bool:
		return false, &evaluationError{e.at, "the value is neither true nor false"}
	}
	return v.True(), nil
}

func (e *expression) failure(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			failed := &evaluationError{e.at, d.Summary + ": " + d.Detail}
			if d.Subject != nil {
				failed.at = placeOf(*d.Subject)
			}
			return failed
		}
	}
	return errors.New("the expression failed")
}

// What one expression may cost, at load and for each command. Functions that
// multiply the size of their arguments are bounded on their own.
const (
	maxNodes  = 1000
	maxFor    = 1    // for within for
	maxDigits = 1e18 // a number's size: 1e999999999 would be written out as text
)

// A measure walks through an expression before anything evaluates it.
type measure struct {
	nodes, depth, deepest int
	huge                  bool
}

func (m *measure) Enter(node hclsyntax.Node) hcl.Diagnostics {
	m.nodes++
	switch n := node.(type) {
	case *hclsyntax.ForExpr:
		m.depth++
		m.deepest = max(m.deepest, m.depth)
	case *hclsyntax.LiteralValueExpr:
		m.huge = m.huge || isHuge(n.Val)
	}
	return nil
}

func (m *measure) Exit(node hclsyntax.Node) hcl.Diagnostics {
	if _, ok := node.(*hclsyntax.ForExpr); ok {
		m.depth--
	}
	return nil
}

func isHuge(v cty.Value) bool {
	if v.Type() != cty.Number || v.IsNull() || !v.IsKnown() {
		return false
	}
	f := v.AsBigFloat()
	if f.IsInf() {
		return true
	}
	if f.Sign() == 0 {
		return false
	}
	exponent := f.MantExp(nil)
	return exponent > 64 || exponent < -64 // about maxDigits either way
}

// tooCostly says why an expression is refused unevaluated, or "".
func tooCostly(e hclsyntax.Expression) string {
	m := &measure{}
	_ = hclsyntax.Walk(e, m)
	switch {
	case m.nodes > maxNodes:
		return fmt.Sprintf("The expression has more than %d parts.", maxNodes)
	case m.deepest > maxFor:
		return "A for inside of a for may take too long for every single command."
	case m.huge:
		return fmt.Sprintf("Numbers beyond %.0e, or closer to zero than its inverse, are not accepted.", maxDigits)
	}
	return ""
}

func placeOf(r hcl.Range) Place { return Place{r.Filename, r.Start.Line} }
