package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// prepared are the patterns that stand as text in the policy's expressions.
// After loading it is only read.
type prepared struct {
	patterns map[string]*regexp.Regexp
	globs    map[string]*glob
	networks map[string]netip.Prefix
}

func newPrepared() *prepared {
	return &prepared{map[string]*regexp.Regexp{}, map[string]*glob{}, map[string]netip.Prefix{}}
}

// functions are what expressions may call: those of HCL that look at values,
// and matches, glob and cidr. Functions that make much out of little (format,
// range, setproduct, regular expressions with captures) are left out, the rest
// of these is bounded.
func functions(p *prepared) map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "int": stdlib.IntFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "signum": stdlib.SignumFunc, "parseint": stdlib.ParseIntFunc,

		"lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc, "title": stdlib.TitleFunc,
		"trim": stdlib.TrimFunc, "trimspace": stdlib.TrimSpaceFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimsuffix": stdlib.TrimSuffixFunc, "chomp": stdlib.ChompFunc, "strlen": stdlib.StrlenFunc,
		"substr": stdlib.SubstrFunc, "strrev": stdlib.ReverseFunc, "split": stdlib.SplitFunc,
		"join": bounded(stdlib.JoinFunc, joined), "replace": bounded(stdlib.ReplaceFunc, replaced),
		"startswith": textTest(strings.HasPrefix), "endswith": textTest(strings.HasSuffix),

		"length": lengthFunc(), "contains": stdlib.ContainsFunc, "element": stdlib.ElementFunc,
		"index": stdlib.IndexFunc, "hasindex": stdlib.HasIndexFunc, "keys": stdlib.KeysFunc, "values": stdlib.ValuesFunc,
		"lookup": stdlib.LookupFunc, "merge": stdlib.MergeFunc, "concat": stdlib.ConcatFunc,
		"distinct": stdlib.DistinctFunc, "compact": stdlib.CompactFunc, "flatten": stdlib.FlattenFunc,
		"reverse": stdlib.ReverseListFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc,
		"coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,

		"matches": textFunction(func(text, pattern string) (bool, error) {
			re, err := p.pattern(pattern)
			return err == nil && re.MatchString(text), err
		}),
		"glob": textFunction(func(text, pattern string) (bool, error) {
			g, err := p.glob(pattern)
			return err == nil && g.match(text), err
		}),
		"cidr": textFunction(p.cidr),
	}
}

// textFunction makes a function of two texts.
func textFunction(f func(a, b string) (bool, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			ok, err := f(args[0].AsString(), args[1].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgError(1, err)
			}
			return cty.BoolVal(ok), nil
		},
	})
}

func textTest(f func(a, b string) bool) function.Function {
	return textFunction(func(a, b string) (bool, error) { return f(a, b), nil })
}

// lengthFunc is HCL's length, and the number of characters of a text.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch {
			case !args[0].IsKnown() && args[0].Type() == cty.DynamicPseudoType:
				return cty.UnknownVal(cty.Number), nil
			case args[0].Type() == cty.String:
				return stdlib.Strlen(args[0])
			}
			return stdlib.Length(args[0])
		},
	})
}

// maxResult bounds the text that one function makes.
const maxResult = 64 << 10

// bounded refuses to call a function whose result would be too long.
func bounded(f function.Function, size func(args []cty.Value) int) function.Function {
	spec := &function.Spec{
		Params: f.Params(), VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if n := size(args); n > maxResult {
				return cty.UnknownVal(cty.String), fmt.Errorf("the result would be longer than %d bytes", maxResult)
			}
			return f.Call(args)
		},
	}
	return function.New(spec)
}

// joined bounds what join(separator, lists…) returns.
func joined(args []cty.Value) int {
	size := 0
	separator := len(args[0].AsString())
	for _, list := range args[1:] {
		if !list.IsWhollyKnown() || list.IsNull() {
			continue
		}
		for _, item := range list.AsValueSlice() {
			size += separator
			if !item.IsNull() {
				size += len(item.AsString())
			}
		}
	}
	return size
}

// replaced bounds what replace(text, old, new) returns.
func replaced(args []cty.Value) int {
	text, old, replacement := args[0].AsString(), args[1].AsString(), args[2].AsString()
	return len(text) + strings.Count(text, old)*len(replacement)
}

// What one regular expression may cost.
const (
	maxRegexp       = 1000 // bytes
	maxInstructions = 2000 // roughly, with its repetitions written out
)

var errCostly = errors.New("the regular expression is too large once its repetitions are written out")

// newRegexp prepares an RE2 pattern. Go's own bounds allow megabytes.
func newRegexp(source string) (*regexp.Regexp, error) {
	if len(source) > maxRegexp {
		return nil, fmt.Errorf("the regular expression is longer than %d bytes", maxRegexp)
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if instructions(tree) > maxInstructions {
		return nil, errCostly
	}
	return regexp.Compile(source)
}

// instructions estimates the size of the compiled pattern.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxInstructions+1)
}

func (p *prepared) pattern(source string) (*regexp.Regexp, error) {
	if re, ok := p.patterns[source]; ok {
		return re, nil
	}
	return newRegexp(source)
}

func (p *prepared) glob(source string) (*glob, error) {
	if g, ok := p.globs[source]; ok {
		return g, nil
	}
	return newGlob(source, false)
}

// cidr tells whether the address belongs to the network. No address belongs to
// none.
func (p *prepared) cidr(address, network string) (bool, error) {
	n, ok := p.networks[network]
	if !ok {
		var err error
		if n, err = parseNetwork(network); err != nil {
			return false, err
		}
	}
	if address == "" {
		return false, nil
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false, fmt.Errorf("%q is not an IP address", address)
	}
	return n.Contains(a.Unmap().WithZone("")), nil
}

// parseNetwork reads CIDR, or an address for a network of its own.
func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network such as \"198.51.100.0/24\" or \"2001:db8::/32\"", s)
	case n.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("no client is ever in %q: IPv4 addresses are compared as IPv4; write it in the form \"198.51.100.0/24\"", s)
	case n.Masked() != n:
		return netip.Prefix{}, fmt.Errorf("%q has bits set behind its /%d; did you mean %q", s, n.Bits(), n.Masked())
	}
	return n, nil
}
