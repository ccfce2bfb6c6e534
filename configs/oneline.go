package configs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// parse is hclsyntax.ParseConfig, but a block on one line may hold several
// settings, and blocks, separated by commas:
//
//	files { cert = "fullchain.pem", key = "key.pem" }
//
// An outline finds these blocks by their tokens; in a text that HCL accepts as
// it stands it finds none. HCL then reads the text with their insides blank, and
// each setting by itself, told where it stands: so every range is the one in the
// text as it was written.
func parse(f source) (*hcl.File, hcl.Diagnostics) {
	if at, long := tooLong(f); long {
		// Without the text, so that nobody prints the line.
		return &hcl.File{Body: &hclsyntax.Body{}}, hcl.Diagnostics{problem(hcl.DiagError, at, mistake{
			"Line too long", fmt.Sprintf("A line has at most %d bytes. A list may be written on several lines. The file was not read.", maxLine),
		})}
	}
	o := newOutline(f)
	if at, deep := tooDeep(o.tokens); deep {
		return &hcl.File{Body: &hclsyntax.Body{}, Bytes: f.text}, hcl.Diagnostics{problem(hcl.DiagError, at, mistake{
			"Nested too deeply", "No setting needs so many brackets or signs within each other; the rest of the file was not read.",
		})}
	}
	p := parser{source: f, tokens: o.tokens}
	file, diags := p.region(o.whole(len(f.text)))
	file.Bytes = f.text
	return file, diags
}

// An outline finds the one-line blocks of a text.
type outline struct {
	// tokens are HCL's, less the comments within a line; a comment that ends
	// its line counts as the line's end. The last is the end of the text.
	tokens hclsyntax.Tokens
	next   int
	// depth counts the one-line blocks around the next token.
	depth int
}

// maxDepth bounds one-line blocks within each other, each of which is copied
// and parsed on its own. A sound file has four, the DNS server of an ACME
// certificate; what is deeper goes to HCL, which refuses it.
const maxDepth = 8

// region is a stretch of the text that HCL parses by itself once its one-line
// blocks are blank.
type region struct {
	start  hcl.Pos
	end    int // byte offset
	blocks []*oneLine
}

// oneLine is a block whose first setting follows its opening brace on the line.
type oneLine struct {
	open, close hcl.Range
	settings    []assignment
	// others are blocks, and what is neither block nor setting.
	others   []region
	commas   int
	nested   bool
	mistakes hcl.Diagnostics
}

// assignment is one setting of a oneLine: NAME = value.
type assignment struct {
	name   string
	nameAt hcl.Range
	equals hcl.Range
	// end is where the value ends; it begins behind the equals sign.
	end hcl.Pos
}

func newOutline(f source) *outline {
	// The parser lexes the same text and reports what is wrong with it.
	all, _ := hclsyntax.LexConfig(f.text, f.name, hcl.InitialPos)
	o := &outline{}
	for _, t := range all {
		if t.Type == hclsyntax.TokenComment {
			if t.Bytes[len(t.Bytes)-1] != '\n' {
				continue
			}
			t.Type = hclsyntax.TokenNewline
		}
		o.tokens = append(o.tokens, t)
	}
	return o
}

// whole is the region of the entire text.
func (o *outline) whole(length int) region {
	r := region{start: hcl.InitialPos, end: length}
	for o.peek() != hclsyntax.TokenEOF {
		r.blocks = append(r.blocks, o.body()...)
		if o.peek() == hclsyntax.TokenCBrace {
			o.next++ // nobody's; HCL reports it
		}
	}
	return r
}

func (o *outline) peek() hclsyntax.TokenType { return o.tokens[o.next].Type }

// body finds the one-line blocks up to a closing brace or the end of the text,
// and stops in front of it.
func (o *outline) body() []*oneLine {
	var found []*oneLine
	for {
		switch o.peek() {
		case hclsyntax.TokenEOF, hclsyntax.TokenCBrace:
			return found
		case hclsyntax.TokenNewline:
			o.next++
			continue
		default:
		}
		if behind, ok := o.header(o.next); ok {
			o.next = behind
			found = append(found, o.block()...)
			continue
		}
		o.skip(false)
	}
}

// header tells whether a block begins at a token: a word, labels and an opening
// brace. It returns the token behind the brace.
func (o *outline) header(at int) (int, bool) {
	if o.tokens[at].Type != hclsyntax.TokenIdent {
		return 0, false
	}
	for at++; ; at++ {
		switch o.tokens[at].Type {
		case hclsyntax.TokenIdent, hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote:
		case hclsyntax.TokenOBrace:
			return at + 1, true
		default:
			return 0, false
		}
	}
}

// block reads a block from behind its opening brace to behind its closing one.
func (o *outline) block() []*oneLine {
	switch o.peek() {
	case hclsyntax.TokenNewline, hclsyntax.TokenCBrace, hclsyntax.TokenEOF:
		found := o.body()
		if o.peek() == hclsyntax.TokenCBrace {
			o.next++
		}
		return found
	default:
	}
	o.depth++
	defer func() { o.depth-- }()
	b := &oneLine{open: o.tokens[o.next-1].Range}
	o.items(b)
	if o.peek() == hclsyntax.TokenEOF {
		// HCL says that the block is unclosed.
		end := o.tokens[o.next-1].Range.End
		b.close = hcl.Range{Filename: b.open.Filename, Start: end, End: end}
	} else {
		b.close = o.tokens[o.next].Range
		o.next++
	}
	if len(b.settings)+len(b.others) == 1 && b.commas == 0 && !b.nested {
		return nil // plain HCL
	}
	return []*oneLine{b}
}

// items reads what a one-line block holds, and stops in front of its closing
// brace or at the end of the text. A mistake does not hide those behind it.
func (o *outline) items(b *oneLine) {
	between := false // something stands before the next comma
	broken := false
	for {
		t := o.tokens[o.next]
		switch t.Type {
		case hclsyntax.TokenCBrace, hclsyntax.TokenEOF:
			return
		case hclsyntax.TokenComma:
			if !between {
				b.mistake(t.Range, "Unexpected comma", "A comma stands between two settings, or behind the last. There is no setting before this one.")
			}
			between = false
			b.commas++
			o.next++
		case hclsyntax.TokenNewline:
			if !broken {
				// Not at the line's end: the snippet would show the next line, too.
				b.mistake(o.tokens[o.next-1].Range, "Block not closed on its line", "Settings on the line of the opening brace make a one-line block: they are separated by commas, and the closing brace stands on that line, too. In a block of several lines each setting has a line of its own, without commas.")
			}
			broken = true
			o.next++
		default:
			o.item(b)
			between = true
		}
	}
}

func (b *oneLine) mistake(at hcl.Range, summary, detail string) {
	b.mistakes = append(b.mistakes, problem(hcl.DiagError, at, mistake{summary, detail}))
}

// item reads one setting or block of a one-line block.
func (o *outline) item(b *oneLine) {
	first := o.tokens[o.next]
	behind, isBlock := o.header(o.next)
	if o.isSetting(o.next) {
		if endsSetting(b, o.tokens[o.next-1]) {
			b.mistake(first.Range, "Missing comma", "Settings on one line are separated by commas.")
		}
		equals := o.tokens[o.next+1].Range
		o.next += 2
		o.skip(true)
		b.settings = append(b.settings, assignment{
			name:   string(first.Bytes),
			nameAt: first.Range,
			equals: equals,
			end:    o.tokens[o.next-1].Range.End,
		})
		return
	}
	r := region{start: first.Range.Start}
	if isBlock && o.depth < maxDepth {
		b.nested = true
		o.next = behind
		r.blocks = o.block()
	} else {
		o.skip(true)
	}
	r.end = o.tokens[o.next-1].Range.End.Byte
	b.others = append(b.others, r)
}

func (o *outline) isSetting(at int) bool {
	return o.tokens[at].Type == hclsyntax.TokenIdent && o.tokens[at+1].Type == hclsyntax.TokenEqual
}

// endsSetting tells whether a token is the last of the block's latest setting.
func endsSetting(b *oneLine, t hclsyntax.Token) bool {
	return len(b.settings) > 0 && b.settings[len(b.settings)-1].end == t.Range.End
}

// skip goes to the end of a setting, or of whatever stands in its place: the
// line's end, the brace that closes the block around it, and on one line also a
// comma or the next setting. What is in brackets, quotes or a template belongs
// to it.
func (o *outline) skip(oneLine bool) {
	var awaited []hclsyntax.TokenType
	count := map[hclsyntax.TokenType]int{} // of awaited
	for start := o.next; o.peek() != hclsyntax.TokenEOF; o.next++ {
		t := o.peek()
		if closer := closerOf(t); closer != hclsyntax.TokenNil {
			awaited = append(awaited, closer)
			count[closer]++
			continue
		}
		if count[t] > 0 {
			// Brackets that were left open inside are closed, too: HCL
			// complains about them.
			for closed := hclsyntax.TokenNil; closed != t; {
				closed = awaited[len(awaited)-1]
				awaited = awaited[:len(awaited)-1]
				count[closed]--
			}
			continue
		}
		if t == hclsyntax.TokenCBrace {
			return
		}
		if len(awaited) > 0 {
			continue
		}
		if t == hclsyntax.TokenNewline || oneLine && (t == hclsyntax.TokenComma || o.next > start && o.startsItem()) {
			return
		}
	}
}

// startsItem tells whether a setting or a block begins right behind a complete
// value. No HCL expression goes on that way.
func (o *outline) startsItem() bool {
	switch o.tokens[o.next-1].Type {
	case hclsyntax.TokenCQuote, hclsyntax.TokenNumberLit, hclsyntax.TokenIdent,
		hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenCParen:
	default:
		return false
	}
	_, isBlock := o.header(o.next)
	return isBlock || o.isSetting(o.next)
}

// closerOf returns what closes an opening token, TokenNil for any other.
func closerOf(t hclsyntax.TokenType) hclsyntax.TokenType {
	switch t {
	case hclsyntax.TokenOBrace:
		return hclsyntax.TokenCBrace
	case hclsyntax.TokenOBrack:
		return hclsyntax.TokenCBrack
	case hclsyntax.TokenOParen:
		return hclsyntax.TokenCParen
	case hclsyntax.TokenOQuote:
		return hclsyntax.TokenCQuote
	case hclsyntax.TokenOHeredoc:
		return hclsyntax.TokenCHeredoc
	case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		return hclsyntax.TokenTemplateSeqEnd
	default:
		return hclsyntax.TokenNil
	}
}

// A parser has HCL read the regions of one file.
type parser struct {
	source
	tokens hclsyntax.Tokens
}

func (p parser) region(r region) (*hcl.File, hcl.Diagnostics) {
	text := p.text[r.start.Byte:r.end]
	if len(r.blocks) > 0 {
		text = slices.Clone(text)
	}
	for _, b := range r.blocks {
		blank(text[b.open.End.Byte-r.start.Byte : b.close.Start.Byte-r.start.Byte])
	}
	file, diags := hclsyntax.ParseConfig(text, p.name, r.start)
	if len(r.blocks) == 0 {
		return file, diags
	}
	p.relocate(diags)
	blocks := map[int]*hclsyntax.Block{}
	for _, b := range r.blocks {
		block, more := p.block(b)
		blocks[b.open.Start.Byte] = block
		diags = append(diags, more...)
	}
	fill(file.Body.(*hclsyntax.Body), blocks)
	return file, diags
}

// blank keeps the number of bytes and of lines.
func blank(text []byte) {
	for i, c := range text {
		if c != '\n' {
			text[i] = ' '
		}
	}
}

// fill gives the blocks that were blank for HCL what they hold. The key is the
// place of the opening brace.
func fill(body *hclsyntax.Body, blocks map[int]*hclsyntax.Block) {
	for _, b := range body.Blocks {
		if read, ok := blocks[b.OpenBraceRange.Start.Byte]; ok {
			b.Body, b.CloseBraceRange = read.Body, read.CloseBraceRange
			continue
		}
		fill(b.Body, blocks)
	}
}

// block reads what a one-line block holds; its header is read with the region
// around it.
func (p parser) block(b *oneLine) (*hclsyntax.Block, hcl.Diagnostics) {
	body := &hclsyntax.Body{
		Attributes: hclsyntax.Attributes{},
		SrcRange:   hcl.RangeBetween(b.open, b.close),
		EndRange:   hcl.Range{Filename: p.name, Start: b.close.End, End: b.close.End},
	}
	diags := b.mistakes
	for _, a := range b.settings {
		attr, more := p.setting(a)
		diags = append(diags, more...)
		if first, again := body.Attributes[a.name]; again {
			diags = append(diags, problem(hcl.DiagError, a.nameAt, mistake{
				"Duplicate setting",
				fmt.Sprintf("%q is set already at %s. Keep one of the two.", a.name, first.NameRange),
			}))
			continue
		}
		body.Attributes[a.name] = attr
	}
	for _, r := range b.others {
		file, more := p.region(r)
		diags = append(diags, more...)
		body.Blocks = append(body.Blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
	return &hclsyntax.Block{Body: body, CloseBraceRange: b.close}, diags
}

func (p parser) setting(a assignment) (*hclsyntax.Attribute, hcl.Diagnostics) {
	from := a.equals.End
	value, diags := hclsyntax.ParseExpression(p.text[from.Byte:a.end.Byte], p.name, from)
	for _, d := range diags {
		// All that HCL has been shown is the value.
		d.Detail = strings.ReplaceAll(d.Detail, "the end of the file", "the end of the setting")
	}
	return &hclsyntax.Attribute{
		Name:        a.name,
		Expr:        value,
		SrcRange:    hcl.Range{Filename: p.name, Start: a.nameAt.Start, End: a.end},
		NameRange:   a.nameAt,
		EqualsRange: a.equals,
	}, diags
}

// relocate corrects the columns of what stands behind a blank: HCL counts
// characters, and a blanked letter of two bytes has become two of them.
func (p parser) relocate(diags hcl.Diagnostics) {
	for _, d := range diags {
		d.Subject = p.exact(d.Subject)
		d.Context = p.exact(d.Context)
	}
}

func (p parser) exact(r *hcl.Range) *hcl.Range {
	if r == nil {
		return nil
	}
	return &hcl.Range{Filename: r.Filename, Start: p.position(r.Start), End: p.position(r.End)}
}

// position finds a place among the edges of tokens, where diagnostics begin and
// end.
func (p parser) position(at hcl.Pos) hcl.Pos {
	i, found := slices.BinarySearchFunc(p.tokens, at.Byte, func(t hclsyntax.Token, offset int) int {
		return t.Range.Start.Byte - offset
	})
	switch {
	case found:
		return p.tokens[i].Range.Start
	case i > 0 && p.tokens[i-1].Range.End.Byte == at.Byte:
		return p.tokens[i-1].Range.End
	}
	return at
}
