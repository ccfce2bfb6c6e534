package configs

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// sources are the files that were read, by name, for the snippets in
// diagnostics.
type sources map[string]*hcl.File

// Diagnostics are the mistakes and warnings of one configuration, in the order
// in which a reader meets them.
type Diagnostics struct {
	list    hcl.Diagnostics
	sources sources
}

func newDiagnostics(list hcl.Diagnostics, files sources) Diagnostics {
	slices.SortStableFunc(list, func(a, b *hcl.Diagnostic) int {
		return comparePlaces(a.Subject, b.Subject)
	})
	return Diagnostics{list: list, sources: files}
}

// comparePlaces puts what has no place first: it concerns the whole file.
func comparePlaces(a, b *hcl.Range) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Or(
		strings.Compare(a.Filename, b.Filename),
		cmp.Compare(a.Start.Byte, b.Start.Byte),
	)
}

// HasErrors is false when there is nothing, or nothing but warnings.
func (d Diagnostics) HasErrors() bool { return d.list.HasErrors() }

// Len counts mistakes and warnings.
func (d Diagnostics) Len() int { return len(d.list) }

// Print writes every diagnostic with its place, the offending snippet and what
// would be right. Colour is for terminals.
func (d Diagnostics) Print(w io.Writer, colour bool) error {
	// Width 0: long lines are the terminal's to wrap, so that a message can be
	// searched for in a log.
	return hcl.NewDiagnosticTextWriter(w, d.sources, 0, colour).WriteDiagnostics(d.list)
}

// mistake is an error that brings its own headline.
type mistake struct{ summary, detail string }

func (m mistake) Error() string { return m.detail }

func problem(severity hcl.DiagnosticSeverity, at hcl.Range, m mistake) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: severity, Summary: m.summary, Detail: m.detail}
	if at.Filename != "" {
		d.Subject = &at
	}
	return d
}
