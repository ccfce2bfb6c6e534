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
	depth, signs := 0, 0
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
		if depth > maxNesting || signs > maxSigns {
			return t.Range, true
		}
	}
	return hcl.Range{}, false
}
