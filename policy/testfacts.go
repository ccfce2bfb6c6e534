package policy

import (
	"errors"
	"math"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A member is a name in an object and what reads its value. The error says what
// would be right.
type member struct {
	name string
	read func(v cty.Value, e hclsyntax.Expression) error
}

// optional remembers whether it was given.
type optional[T any] struct {
	value T
	given bool
}

// object reads an object by its members.
func (d *decoder) object(v cty.Value, e hclsyntax.Expression, members []member) {
	if !v.Type().IsObjectType() {
		d.errorf(e.Range(), "Object expected", "The value must be an object, such as { user = \"partner-7\" }, not %s.", kindOfType(v.Type()))
		return
	}
	var names []string
	for _, m := range members {
		names = append(names, m.name)
	}
	given := v.AsValueMap()
	for _, name := range sortedKeys(given) {
		i, item := slices.Index(names, name), itemOf(e, name)
		if i < 0 {
			d.errorf(item.Range(), "Unknown name", "There is no name %q here. Known are %s.%s", name, quoted(names), didYouMean(name, names))
			continue
		}
		if given[name].IsNull() {
			d.errorf(item.Range(), "Invalid value", "The value of %q is null. Leave it out.", name)
			continue
		}
		if err := members[i].read(given[name], item); err != nil {
			d.errorf(item.Range(), "Invalid value", "The value of %q must be %s.", name, err)
		}
	}
}

// itemOf finds the expression of a name in an object as it was written; when it
// was made in another way, the object's.
func itemOf(e hclsyntax.Expression, name string) hclsyntax.Expression {
	object, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return e
	}
	for _, item := range object.Items {
		if key, diags := item.KeyExpr.Value(nil); !diags.HasErrors() && key.Type() == cty.String && key.IsKnown() && !key.IsNull() && key.AsString() == name {
			return item.ValueExpr
		}
	}
	return e
}

func sortedKeys(m map[string]cty.Value) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func text(name string, dst *string) member {
	return parsed(name, dst, "text in quotes", func(s string) (string, error) { return s, nil })
}

func parsed[T any](name string, dst *T, right string, parse func(string) (T, error)) member {
	return member{name, func(v cty.Value, _ hclsyntax.Expression) error {
		if v.Type() == cty.String {
			t, err := parse(v.AsString())
			if err == nil {
				*dst = t
				return nil
			}
		}
		return errors.New(right)
	}}
}

func whole(name string, dst *int) member {
	return member{name, func(v cty.Value, _ hclsyntax.Expression) error {
		if v.Type() == cty.Number {
			if n, accuracy := v.AsBigFloat().Int64(); accuracy == 0 && n >= 0 && n <= math.MaxInt32 {
				*dst = int(n)
				return nil
			}
		}
		return errors.New("a whole number of 0 or more, without quotes")
	}}
}

func maybe(name string, dst *optional[bool]) member {
	return member{name, func(v cty.Value, _ hclsyntax.Expression) error {
		if v.Type() != cty.Bool {
			return errors.New("true or false, without quotes")
		}
		*dst = optional[bool]{v.True(), true}
		return nil
	}}
}

func textList(name string, dst *[]string) member {
	return member{name, func(v cty.Value, _ hclsyntax.Expression) error {
		if !v.CanIterateElements() || v.Type().IsObjectType() {
			return errors.New("a list of texts")
		}
		for _, item := range v.AsValueSlice() {
			if item.IsNull() || item.Type() != cty.String {
				return errors.New("a list of texts")
			}
			*dst = append(*dst, item.AsString())
		}
		return nil
	}}
}

// testTLS reads tls = { version = … } in a test's session.
func (d *decoder) testTLS(t *TLS) func(cty.Value, hclsyntax.Expression) error {
	return func(v cty.Value, e hclsyntax.Expression) error {
		active, reused := optional[bool]{}, optional[bool]{}
		t.Version, t.Data = "1.3", "private"
		d.object(v, e, []member{
			maybe("active", &active), parsed("version", &t.Version, "\"1.2\" or \"1.3\"", version), text("cipher", &t.Cipher),
			text("sni", &t.SNI), text("data", &t.Data), maybe("session_reused", &reused),
			{"client_certificate", d.testCertificate(&t.Certificate)},
		})
		t.Active, t.SessionReused = active.value || !active.given, reused.value
		if !t.Active {
			t.Version, t.Data = "", "clear"
		}
		return nil
	}
}

func version(s string) (string, error) {
	if s != "1.2" && s != "1.3" {
		return "", errors.New("no listener speaks it")
	}
	return s, nil
}

func (d *decoder) testCertificate(c *Certificate) func(cty.Value, hclsyntax.Expression) error {
	return func(v cty.Value, e hclsyntax.Expression) error {
		d.object(v, e, []member{
			text("subject", &c.Subject), text("cn", &c.CN), text("serial", &c.Serial), text("issuer", &c.Issuer),
			text("sha256", &c.SHA256), textList("emails", &c.Emails), textList("dns", &c.DNS),
		})
		return nil
	}
}
