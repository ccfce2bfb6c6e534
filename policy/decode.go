package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A decoder reads a policy's body and collects every mistake on the way.
type decoder struct {
	policy   *Policy
	prepared *prepared
	zone     ZoneFinder
	diags    hcl.Diagnostics
	elements int // of all lists so far
}

// What one policy may hold. A person writes dozens of rules, a generator
// hundreds.
const (
	maxRules    = 2000
	maxLimits   = 200
	maxReplies  = 200
	maxTests    = 5000
	maxElements = 50000 // of all lists together
)

// A field is a setting and what reads it.
type field struct {
	name     string
	required bool
	read     func(hclsyntax.Expression)
}

// A nested is a kind of block with one label, of which there may be several.
type nested struct {
	kind string
	most int
	read func(*hclsyntax.Block)
}

// A mention is a text and where it stands.
type mention struct {
	text string
	at   hcl.Range
}

func (d *decoder) errorf(at hcl.Range, summary, format string, args ...any) {
	d.report(hcl.DiagError, at, summary, fmt.Sprintf(format, args...))
}

func (d *decoder) warnf(at hcl.Range, summary, format string, args ...any) {
	d.report(hcl.DiagWarning, at, summary, fmt.Sprintf(format, args...))
}

func (d *decoder) report(severity hcl.DiagnosticSeverity, at hcl.Range, summary, detail string) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: &at})
}

// sort puts the diagnostics in the order of the file.
func (d *decoder) sort() {
	slices.SortStableFunc(d.diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return 0
		}
		return cmp.Or(
			strings.Compare(a.Subject.Filename, b.Subject.Filename),
			cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte),
			strings.Compare(a.Summary, b.Summary),
		)
	})
}

// body reads a block by its fields and kinds of blocks.
func (d *decoder) body(body *hclsyntax.Body, fields []field, blocks []nested) {
	var names, kinds []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	for _, n := range blocks {
		kinds = append(kinds, n.kind)
	}
	d.unknownNames(body, names, kinds)
	for _, f := range fields {
		if a, ok := body.Attributes[f.name]; ok {
			f.read(a.Expr)
		} else if f.required {
			d.errorf(body.MissingItemRange(), "Missing setting", "The setting %q is required here.", f.name)
		}
	}
	seen := map[string]int{}
	for _, b := range body.Blocks {
		i := slices.Index(kinds, b.Type)
		if i < 0 || !d.labelled(b) {
			continue
		}
		if seen[b.Type]++; seen[b.Type] == blocks[i].most+1 {
			d.errorf(b.DefRange(), "Too many blocks", "A policy may have %d blocks %q.", blocks[i].most, b.Type)
		}
		if seen[b.Type] <= blocks[i].most {
			blocks[i].read(b)
		}
	}
}

func (d *decoder) labelled(b *hclsyntax.Block) bool {
	if len(b.Labels) != 1 || b.Labels[0] == "" || len(b.Labels[0]) > maxText {
		d.errorf(b.DefRange(), "Name expected", "A %s block has one name: %s \"NAME\" { … }.", b.Type, b.Type)
		return false
	}
	return true
}

func (d *decoder) unknownNames(body *hclsyntax.Body, names, kinds []string) {
	known := slices.Concat(names, kinds)
	for name, a := range body.Attributes {
		switch {
		case slices.Contains(kinds, name):
			d.errorf(a.NameRange, "Block expected", "%q is a block: write %s \"NAME\" { … } without an equals sign.", name, name)
		case !slices.Contains(names, name):
			d.errorf(a.NameRange, "Unknown setting", "There is no setting %q here.%s", name, didYouMean(name, known))
		}
	}
	for _, b := range body.Blocks {
		switch {
		case slices.Contains(names, b.Type):
			d.errorf(b.TypeRange, "Setting expected", "%q is a setting: write %s = … with an equals sign.", b.Type, b.Type)
		case !slices.Contains(kinds, b.Type):
			d.errorf(b.TypeRange, "Unknown block", "There is no block %q here.%s", b.Type, didYouMean(b.Type, known))
		}
	}
}

// value evaluates a setting, in which there are no names and no functions.
func (d *decoder) value(e hclsyntax.Expression) (cty.Value, bool) {
	if word := bareWord(e); word != "" {
		d.errorf(e.Range(), "Missing quotes", "Text is written in quotes: %q.", word)
		return cty.NilVal, false
	}
	if why := tooCostly(e); why != "" {
		d.errorf(e.Range(), "Expression refused", "%s", why)
		return cty.NilVal, false
	}
	v, diags := e.Value(nil)
	switch {
	case diags.HasErrors():
		d.diags = append(d.diags, diags...)
		return cty.NilVal, false
	case !v.IsWhollyKnown():
		return cty.NilVal, false // the parser has complained already
	case v.IsNull():
		d.errorf(e.Range(), "Invalid value", "The value is null. Leave the setting out to get its default.")
		return cty.NilVal, false
	}
	return v, true
}

// bareWord returns the word of which somebody forgot the quotes, or "".
func bareWord(e hclsyntax.Expression) string {
	if _, ok := e.(*hclsyntax.ScopeTraversalExpr); !ok {
		return "" // true and false would count as words, too
	}
	return hcl.ExprAsKeyword(e)
}

// maxText bounds a name, a pattern or a text in a policy.
const maxText = 1000

// text reads a text.
func (d *decoder) text(e hclsyntax.Expression) (mention, bool) {
	v, ok := d.value(e)
	if !ok {
		return mention{}, false
	}
	switch {
	case v.Type() != cty.String:
		d.errorf(e.Range(), "Text expected", "The value must be text in quotes, not %s.", kindOfType(v.Type()))
		return mention{}, false
	case len(v.AsString()) > maxText:
		d.errorf(e.Range(), "Text too long", "The text must not be longer than %d bytes.", maxText)
		return mention{}, false
	}
	return mention{v.AsString(), e.Range()}, true
}

// texts reads a list of texts, each with its own place.
func (d *decoder) texts(e hclsyntax.Expression) []mention {
	list, diags := hcl.ExprList(e)
	if diags.HasErrors() {
		d.errorf(e.Range(), "List expected", "The value must be a list, such as [\"a\", \"b\"].")
		return nil
	}
	if d.elements += len(list); d.elements > maxElements {
		d.errorf(e.Range(), "Policy too large", "The lists of a policy may have %d elements together.", maxElements)
		return nil
	}
	if len(list) == 0 {
		d.warnf(e.Range(), "Empty list", "An empty list matches nothing, so what it stands in never applies. Leave the setting out to match everything.")
	}
	var items []mention
	for _, element := range list {
		if item, ok := d.text(element.(hclsyntax.Expression)); ok {
			items = append(items, item)
		}
	}
	return items
}

// word reads one word of an enumeration.
func (d *decoder) word(e hclsyntax.Expression, words ...string) string {
	m, ok := d.text(e)
	if ok && !slices.Contains(words, m.text) {
		d.errorf(m.at, "Unknown value", "There is no value %q here; it must be one of %s.%s", m.text, quoted(words), didYouMean(m.text, words))
		return ""
	}
	return m.text
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(q, ", ")
}

// kindOfType names a type for people.
func kindOfType(t cty.Type) string {
	switch {
	case t == cty.String:
		return "text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType() || t.IsCollectionType():
		return "a list"
	}
	return "an object"
}

// didYouMean ends a sentence with the nearest known name, if one is near: one
// letter off, two in a longer name.
func didYouMean(given string, known []string) string {
	const short = 5
	bound := 2
	if len(given) > short {
		bound = 3
	}
	if best := nearest(given, known, bound); best != "" {
		return fmt.Sprintf(" Did you mean %q?", best)
	}
	return ""
}

// nearest returns the known name at the smallest distance below the bound, or
// "".
func nearest(given string, known []string, bound int) string {
	best := ""
	if len(given) < 3 || len(given) > maxText { // short words are all near to each other
		return best
	}
	for _, k := range known {
		if n := distance(lower(given), lower(k)); n < bound {
			best, bound = k, n
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their neighbour
// to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			n := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, rows[i-2][j-2]+1)
			}
			rows[i][j] = n
		}
	}
	return rows[len(a)][len(b)]
}
