package configs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A decoder turns parsed files into settings and collects every mistake on the
// way.
type decoder struct {
	settings *Settings
	diags    hcl.Diagnostics
	// dir is the folder of the file being read.
	dir string
	// damaged is set by a syntax error: part of a file is hidden from us, so
	// nothing may be called missing or unused.
	damaged bool
	// seen holds the place of every block that may occur once.
	seen map[string]hcl.Range
}

func newDecoder() *decoder {
	return &decoder{settings: defaultSettings(), seen: map[string]hcl.Range{}}
}

// spec is what a block may hold.
type spec struct {
	settings []setting
	blocks   []nested
}

// setting is one attribute: its name and what reads its value.
type setting struct {
	name     string
	required bool
	// later: a later version will understand it; see notYet.
	later bool
	// secret: the value may be env("NAME") or file("path"), and is never shown.
	secret bool
	read   reader
}

// A reader stores a value or says what is wrong with it and what would be
// right. The value is known and not null.
type reader func(v cty.Value, at hcl.Range) error

// nested is a kind of block within a block.
type nested struct {
	kind   string
	labels []string
	// many blocks of this kind may stand side by side.
	many bool
	// later: a later version will understand it.
	later bool
	read  func(b *hcl.Block)
}

func (d *decoder) errorf(at hcl.Range, summary, format string, args ...any) {
	d.diags = append(d.diags, problem(hcl.DiagError, at, mistake{summary, fmt.Sprintf(format, args...)}))
}

func (d *decoder) warnf(at hcl.Range, summary, format string, args ...any) {
	d.diags = append(d.diags, problem(hcl.DiagWarning, at, mistake{summary, fmt.Sprintf(format, args...)}))
}

// body reads one block's content by its spec. Unknown names are reported with
// the nearest known one.
func (d *decoder) body(body hcl.Body, s spec) {
	// Not Content: it suggests no name that the block holds already.
	content, _, diags := body.PartialContent(s.schema())
	d.diags = append(d.diags, diags...)
	if native, ok := body.(*hclsyntax.Body); ok {
		d.unknown(native, s)
	}
	for _, a := range s.settings {
		attr, ok := content.Attributes[a.name]
		switch {
		case ok:
			d.attribute(attr, a)
		case a.required && !d.damaged:
			d.errorf(body.MissingItemRange(), "Missing setting", "The setting %q is required here.", a.name)
		}
	}
	for _, b := range content.Blocks {
		d.block(b, s)
	}
}

func (d *decoder) unknown(body *hclsyntax.Body, s spec) {
	settings, blocks, useful := s.names()
	for name, attr := range body.Attributes {
		switch {
		case slices.Contains(blocks, name):
			d.errorf(attr.NameRange, "Block expected", "%q is a block: write %s { … } without an equals sign.", name, name)
		case !slices.Contains(settings, name):
			if s.holdsSecret() {
				d.hideSecret(attr.Expr) // it may be a misspelt one
			}
			d.errorf(attr.NameRange, "Unknown setting", "There is no setting %q here.%s", name, didYouMean(name, useful))
		}
	}
	for _, b := range body.Blocks {
		switch {
		case slices.Contains(settings, b.Type):
			d.errorf(b.TypeRange, "Setting expected", "%q is a setting: write %s = … with an equals sign.", b.Type, b.Type)
		case !slices.Contains(blocks, b.Type):
			d.errorf(b.TypeRange, "Unknown block", "There is no block %q here.%s", b.Type, didYouMean(b.Type, useful))
		}
	}
}

// names lists the settings and the blocks, and those of both that are worth
// suggesting.
func (s spec) names() (settings, blocks, useful []string) {
	for _, a := range s.settings {
		settings = append(settings, a.name)
		if !a.later {
			useful = append(useful, a.name)
		}
	}
	for _, b := range s.blocks {
		blocks = append(blocks, b.kind)
		if !b.later {
			useful = append(useful, b.kind)
		}
	}
	return settings, blocks, useful
}

func (s spec) holdsSecret() bool {
	return slices.ContainsFunc(s.settings, func(a setting) bool { return a.secret })
}

func (s spec) schema() *hcl.BodySchema {
	schema := &hcl.BodySchema{}
	for _, a := range s.settings {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: a.name})
	}
	for _, b := range s.blocks {
		schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: b.kind, LabelNames: b.labels})
	}
	return schema
}

func (d *decoder) block(b *hcl.Block, s spec) {
	for _, n := range s.blocks {
		if n.kind != b.Type {
			continue
		}
		if n.many || d.once(b) {
			n.read(b)
		}
	}
}

// once reports a second block of its kind; the key is the parent's, so that
// each listener may have its own.
func (d *decoder) once(b *hcl.Block) bool {
	first, again := d.seen[b.Type]
	if again {
		d.errorf(b.DefRange, "Duplicate block", "There is already a %q block at %s; there may be one. Join the two.", b.Type, place(first))
		return false
	}
	d.seen[b.Type] = b.DefRange
	return true
}

// flawedSince tells whether there have been mistakes since there were so many
// diagnostics: what they are about is not as it was meant, and not worth a look at
// the files that it names.
func (d *decoder) flawedSince(before int) bool { return d.diags[before:].HasErrors() }

// within reads a nested block with its own account of what may occur once.
func (d *decoder) within(b *hcl.Block, s spec) {
	outer := d.seen
	d.seen = map[string]hcl.Range{}
	d.body(b.Body, s)
	d.seen = outer
}

// inside adapts a spec to a nested block's read.
func (d *decoder) inside(s spec) func(*hcl.Block) {
	return func(b *hcl.Block) { d.within(b, s) }
}

func (d *decoder) attribute(attr *hcl.Attribute, s setting) {
	at := attr.Expr.Range()
	var functions *hcl.EvalContext
	if s.secret {
		d.hideSecret(attr.Expr)
		functions = d.secretFunctions()
	}
	if word := bareWord(attr.Expr); word != "" {
		if s.secret {
			word = "…"
		}
		d.errorf(at, "Missing quotes", "Text is written in quotes: %s = %q.", attr.Name, word)
		return
	}
	v, diags := attr.Expr.Value(functions)
	if diags.HasErrors() {
		d.diags = append(d.diags, diags...)
		return
	}
	switch {
	case !v.IsWhollyKnown():
		// The parser has complained about this value already.
		return
	case v.IsNull():
		d.errorf(at, invalid(attr.Name), "The value is null. Leave the setting out to get its default.")
		return
	}
	for _, err := range each(s.read(v, at)) {
		here := at
		var e *elementError
		if tuple, ok := attr.Expr.(*hclsyntax.TupleConsExpr); ok && errors.As(err, &e) && e.index < len(tuple.Exprs) {
			here = tuple.Exprs[e.index].Range()
		}
		var m mistake
		if errors.As(err, &m) {
			d.errorf(here, m.summary, "%s", m.detail)
		} else {
			d.errorf(here, invalid(attr.Name), "%s.", capital(err.Error()))
		}
	}
}

// each takes apart what was joined.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// bareWord returns the word of which somebody forgot the quotes, or "".
func bareWord(e hcl.Expression) string {
	// Without this test true and false would count as words, too.
	if _, ok := e.(*hclsyntax.ScopeTraversalExpr); !ok {
		return ""
	}
	return hcl.ExprAsKeyword(e)
}

func invalid(name string) string { return fmt.Sprintf("Invalid value for %q", name) }

func place(r hcl.Range) string { return fmt.Sprintf("%s line %d", r.Filename, r.Start.Line) }

const unsupported = "Not supported yet"

// later names a block that a later version will understand.
func (d *decoder) later(kind string, labels ...string) nested {
	return nested{kind: kind, labels: labels, many: true, later: true, read: func(b *hcl.Block) {
		d.errorf(b.DefRange, unsupported, "This version does not support the block %q. Remove it.", kind)
	}}
}

// notYet is a setting that a later version will understand: the documented
// default, which asks for nothing, is accepted.
func notYet(name, harmless string) setting {
	return setting{name: name, later: true, read: func(v cty.Value, _ hcl.Range) error {
		if v.RawEquals(cty.StringVal(harmless)) {
			return nil
		}
		return mistake{unsupported, fmt.Sprintf("This version supports no value of %q but %q. Leave the setting out.", name, harmless)}
	}}
}
