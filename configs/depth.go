package configs

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// HCL's parser calls itself for each bracket, sign and condition within another,
// and Go ends a program whose stack grows too far, with no way to recover: a
// damaged file would end the running proxy at its next reload.
const (
	maxNesting = 200   // brackets and quotes within each other
	maxSigns   = 10000 // of "!", "-" and "?" in one file, each of which may nest
	// maxLinks bounds what makes an expression longer, in one file: in "1+1+1" and
	// a[0][0] each is evaluated within the next. There are brackets of honest lists
	// and dots of honest conditions among them.
	maxLinks = 100000
)

// maxLine bounds a line in bytes: HCL prints the whole line that a mistake stands
// in, character by character, for each mistake in it.
const maxLine = 64 << 10

// tooLong returns the first line that is too long.
func tooLong(f source) (hcl.Range, bool) {
	at := hcl.InitialPos
	for rest := f.text; ; at.Line++ {
		line, behind, more := bytes.Cut(rest, []byte{'\n'})
		if len(line) > maxLine {
			return hcl.Range{Filename: f.name, Start: at, End: at}, true
		}
		if !more {
			return hcl.Range{}, false
		}
		at.Byte += len(line) + 1
		rest = behind
	}
}

// tooDeep returns the token from which on a text is nested too deeply.
func tooDeep(tokens hclsyntax.Tokens) (hcl.Range, bool) {
	depth, signs, links := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion:
			signs++
		default:
		}
		if isLink(t.Type) {
			links++
		}
		if depth > maxNesting || signs > maxSigns || links > maxLinks {
			return t.Range, true
		}
	}
	return hcl.Range{}, false
}

// isLink tells the operators between two values, and what picks a part of one.
func isLink(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent,
		hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd, hclsyntax.TokenOr,
		hclsyntax.TokenOBrack, hclsyntax.TokenDot:
		return true
	default:
		return false
	}
}
