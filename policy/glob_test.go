package policy

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything/at all", true},
		{"partner-*", "partner-7", true},
		{"partner-*", "partner-", true},
		{"partner-*", "Partner-7", false},
		{"partner-?", "partner-7", true},
		{"partner-?", "partner-77", false},
		{"partner-?", "partner-", false},
		{"?", "é", true},
		{"??", "é", false},
		{"?", "\xff", true},
		{"*a*b*c", "xaxbxxc", true},
		{"*a*b*c", "xaxbxxcx", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]]", "]", true},
		{"[]-]", "-", true},
		{"[a-]", "-", true},
		{"[à-ü]", "é", true},
		{`[\]]`, "]", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`\é`, "é", true},
		{"{a,b}", "b", true},
		{"{a,b}", "c", false},
		{"{a,b{c,d}}e", "bde", true},
		{"{,x}y", "y", true},
		{`\{a,b\}`, "{a,b}", true},
		{"[{]a,b}", "{a,b}", true},
		{"x{a*,*b}y", "xzzby", true},
	}
	for _, tt := range tests {
		g, err := newGlob(tt.pattern, false)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		if got := g.match(tt.text); got != tt.want {
			t.Errorf("%q matches %q: %t", tt.pattern, tt.text, got)
		}
	}
}

func TestGlobFoldsASCIIAlone(t *testing.T) {
	g, err := newGlob("*.Example.[a-c]K", true)
	if err != nil {
		t.Fatal(err)
	}
	if !g.match("FTP.EXAMPLE.Bk") {
		t.Error("case counts")
	}
	if g.match("ftp.example.b\u212a") {
		t.Error("the Kelvin sign is a K")
	}
}

func TestGlobRefuses(t *testing.T) {
	for _, pattern := range []string{
		`\`, `a\`, "[", "[a", "[]", "[!", "[z-a]", "{", "{a", "{a,b", "{a,{b}", "a\x00", "a\nb", "\xff",
		strings.Repeat("a", maxPattern+1), strings.Repeat("{a,b}", 7), "[a\\", strings.Repeat("{", 500),
	} {
		if _, err := newGlob(pattern, false); err == nil {
			t.Errorf("%.40q was accepted", pattern)
		}
	}
}

func TestPathGlob(t *testing.T) {
	tests := []struct {
		pattern, path string
		want          bool
	}{
		{"/", "/", true},
		{"/", "/a", false},
		{"/**", "/", true},
		{"/**", "/a/b", true},
		{"**", "/a/b", true},
		{"/incoming/**", "/incoming", true},
		{"/incoming/**", "/incoming/a", true},
		{"/incoming/**", "/incoming/a/b/c", true},
		{"/incoming/**", "/incoming2", false},
		{"/incoming/**", "/", false},
		{"/incoming/**", "/x/incoming/a", false},
		{"/incoming/*", "/incoming/a", true},
		{"/incoming/*", "/incoming", false},
		{"/incoming/*", "/incoming/a/b", false},
		{"/*", "/", false},
		{"**/*.{exe,php}", "/a.exe", true},
		{"**/*.{exe,php}", "/x/y/a.php", true},
		{"**/*.{exe,php}", "/x/a.php/b", false},
		{"**/*.exe", "/.exe", true},
		{"/a/**/z", "/a/z", true},
		{"/a/**/z", "/a/b/c/z", true},
		{"/a/**/z", "/a/b/c/zz", false},
		{"/a/**/b/**/c", "/a/x/b/b/y/c", true},
		{"/a/**/b/**/c", "/a/x/y/c", false},
		{"/**/a*/**/b", "/ax/ay/q/b", true},
		{"/{a,b/c}/d", "/b/c/d", true},
		{"/p?/x", "/pé/x", true},
		{"/p?/x", "/p/x", false},
		{"/[a-c]/**", "/b/x", true},
		{"/a\\*/b", "/a*/b", true},
	}
	for _, tt := range tests {
		g, err := newPathGlob(tt.pattern)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		if got := g.match([]byte(tt.path)); got != tt.want {
			t.Errorf("%q matches %q: %t", tt.pattern, tt.path, got)
		}
	}
}

func TestPathGlobRefuses(t *testing.T) {
	for _, pattern := range []string{
		"", "a", "*.exe", "incoming/**", "/a/", "/a//b", "//", "/a/../b", "/./a", "/a**", "/a/**b", "***", "{a,/b}", "/{a,../b}",
	} {
		if _, err := newPathGlob(pattern); err == nil {
			t.Errorf("%q was accepted", pattern)
		}
	}
}

func TestPathGlobBelow(t *testing.T) {
	tests := []struct {
		pattern, directory     string
		covers, reaches, holds bool
	}{
		{"/finance/**", "/", false, true, true},
		{"/finance/**", "/finance", true, true, false},
		{"/finance/**", "/finance/a", true, true, false},
		{"/finance/**", "/incoming", false, false, false},
		{"/finance", "/", false, true, true},
		{"/finance", "/finance", false, false, false},
		{"/*/secret/x", "/a", false, true, true},
		{"/*/secret/x", "/a/b", false, false, false},
		{"**/*.exe", "/incoming", false, true, false},
		{"/a/**/z/**", "/a", false, true, false},
		{"/a/**/z/**", "/a/b/z", true, true, false},
		{"/**", "/", true, true, false},
		{"**", "/x", true, true, false},
		{"/a*/**", "/", false, true, true},
	}
	for _, tt := range tests {
		g, err := newPathGlob(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		d := []byte(tt.directory)
		if got := g.covers(d); got != tt.covers {
			t.Errorf("%q covers all below %q: %t", tt.pattern, tt.directory, got)
		}
		if got := g.reaches(d); got != tt.reaches {
			t.Errorf("%q reaches below %q: %t", tt.pattern, tt.directory, got)
		}
		if got := g.holds(d); got != tt.holds {
			t.Errorf("%q holds %q: %t", tt.pattern, tt.directory, got)
		}
	}
}

func TestPathGlobChild(t *testing.T) {
	tests := []struct {
		pattern, directory, tail string
		match, holds             bool
	}{
		{"**/*.exe", "/in", "", true, false},
		{"**/*.exe", "/in", ".pdf", false, false},
		{"**/*.exe", "/in", "x.exe", true, false},
		{"**/*.exe", "/in", "e", true, false},
		{"**/*.exe", "/", ".exe", true, false},
		{"/in/secret/**", "/in", ".pdf", false, false},
		{"/in/secret/**", "/in", "ret", true, false},
		{"/in/secret/**", "/in/secret", ".pdf", true, false},
		{"/in/secret/**", "/in", "", true, false},
		{"/in/secret/x/**", "/in", "et", false, true},
		{"/in/secret/x/**", "/in", "x", false, false},
		{"/*", "/", "x", true, false},
		{"/", "/", "", false, false},
		{"/a", "/a", "", false, false},
	}
	for _, tt := range tests {
		g, err := newPathGlob(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		d := []byte(tt.directory)
		child := []byte(strings.TrimSuffix(tt.directory, "/") + "/" + tt.tail)
		if got := g.matchChild(child); got != tt.match {
			t.Errorf("%q matches what ends as %q: %t", tt.pattern, child, got)
		}
		if got := g.holdsChild(d, []byte(tt.tail)); got != tt.holds {
			t.Errorf("%q holds what ends as %q: %t", tt.pattern, child, got)
		}
	}
}

// naive matches without a thought for time.
func naive(s *segment, at int, text string) bool {
	if at == len(s.tokens) {
		return text == ""
	}
	t := &s.tokens[at]
	if t.kind == tokenStar {
		for {
			if naive(s, at+1, text) {
				return true
			}
			if text == "" {
				return false
			}
			_, n := utf8.DecodeRuneInString(text)
			text = text[n:]
		}
	}
	if text == "" {
		return false
	}
	r, n := utf8.DecodeRuneInString(text)
	switch t.kind {
	case tokenLiteral:
		rest, ok := strings.CutPrefix(text, t.literal)
		return ok && naive(s, at+1, rest)
	case tokenClass:
		return t.class.has(r) && naive(s, at+1, text[n:])
	default:
		return naive(s, at+1, text[n:])
	}
}

func naivePath(segments []segment, components []string) bool {
	switch {
	case len(segments) == 0:
		return len(components) == 0
	case segments[0].deep:
		return naivePath(segments[1:], components) || len(components) > 0 && naivePath(segments, components[1:])
	}
	return len(components) > 0 && naive(&segments[0], 0, components[0]) && naivePath(segments[1:], components[1:])
}

func FuzzGlob(f *testing.F) {
	for _, pattern := range []string{"*a*b", "[!a-c]?", "{a,b*}c", `\*é`, "/a/**/b*/**", "**/*.{exe,js}", "/{a,b}/?"} {
		for _, text := range []string{"", "ab", "xayb", "/a/x/bc", "/a/b", "/x.exe", "é\xff"} {
			f.Add(pattern, text)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 30 || len(text) > 30 {
			return // the naive matcher takes exponential time
		}
		if g, err := newGlob(pattern, false); err == nil {
			want := false
			for i := range g.alternatives {
				want = want || naive(&g.alternatives[i], 0, text)
			}
			if got := g.match(text); got != want {
				t.Fatalf("%q matches %q: %t", pattern, text, got)
			}
		}
		g, err := newPathGlob(pattern)
		if err != nil {
			return
		}
		path := clean(nil, "/", text)
		components := strings.Split(string(path[1:]), "/")
		if len(path) == 1 {
			components = nil
		}
		want := false
		for _, r := range g.alternatives {
			want = want || naivePath(r.segments, components)
		}
		if got := g.match(path); got != want {
			t.Fatalf("%q matches %q: %t", pattern, path, got)
		}
		below(t, g, path)
	})
}

// below checks what is said of a directory with names in it.
func below(t *testing.T, g *pathGlob, directory []byte) {
	t.Helper()
	for _, name := range []string{"a", "x/b", "zz.exe", "..."} {
		inside := clean(nil, string(directory), name)
		matches := g.match(inside)
		if g.covers(directory) && !matches {
			t.Fatalf("%q covers all below %q, but not %q", g.source, directory, inside)
		}
		if matches && !g.reaches(directory) {
			t.Fatalf("%q matches %q, but reaches nothing below %q", g.source, inside, directory)
		}
		slash := bytes.LastIndexByte(inside, '/')
		child := append(slices.Clone(inside[:slash+1]), name[len(name)-1])
		if matches && !g.matchChild(child) {
			t.Fatalf("%q matches %q, but nothing that ends as %q", g.source, inside, child)
		}
	}
}
