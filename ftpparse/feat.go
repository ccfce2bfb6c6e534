package ftpparse

import (
	"fmt"
	"strings"
)

// blanks are what servers put around features.
const blanks = " \t"

// A Feature is one line of a reply to FEAT (RFC 2389 §3.2).
type Feature struct {
	// Line is the line without its leading space, verbatim: "REST STREAM",
	// "MLST type*;size*;". It is not empty, does not start with a blank, and
	// holds no control byte but tabs.
	Line string
}

// Name returns the feature's name, in upper case.
func (f Feature) Name() string {
	name, _, _ := strings.Cut(strings.ReplaceAll(f.Line, "\t", " "), " ")
	return upper(name)
}

// ParseFEAT returns the features in a reply to FEAT, in its order. RFC 2389 has
// one space before each; servers also send none, several, tabs, and the code
// again, and all that is tolerated. Empty lines and lines with control bytes
// are no features. A reply of one line has none. The error is [ErrSyntax].
func ParseFEAT(r Reply) ([]Feature, error) {
	if r.Code != 211 {
		return nil, fmt.Errorf("%w: code %d is not 211", ErrSyntax, r.Code)
	}
	if len(r.Lines) < 2 {
		return nil, nil
	}
	inner := r.Lines[1 : len(r.Lines)-1]
	features := make([]Feature, 0, len(inner))
	for _, line := range inner {
		line = strings.TrimLeft(r.textOf(line), blanks)
		if line != "" && !hasControl(line) {
			features = append(features, Feature{Line: line})
		}
	}
	return features, nil
}

// FormatFEAT returns the reply to FEAT that lists features.
func FormatFEAT(features []Feature) Reply {
	inner := make([]string, len(features))
	for i, f := range features {
		inner[i] = f.Line
	}
	return NewMultiline(211, "Features:", inner, "End")
}

// hasControl reports whether s holds a control byte other than a tab.
func hasControl(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' && b != '\t' || b == 0x7F {
			return true
		}
	}
	return false
}
