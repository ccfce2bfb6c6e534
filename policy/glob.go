package policy

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// What one pattern may cost. Matching takes time in proportion to pattern times
// text at worst, whatever the pattern: stars are tried from left to right and
// only the last one is ever taken back.
const (
	maxPattern      = 512     // bytes as written
	maxAlternatives = 64      // once braces are expanded
	maxExpanded     = 8 << 10 // bytes of all alternatives together
)

// bytestring is what is matched: user names are strings, paths stand in a
// buffer.
type bytestring interface{ ~string | ~[]byte }

// A glob matches one text, such as a user name: "*" is any run of characters,
// "?" one, "[a-z]" one of a class, "[!a-z]" one outside of it, "{a,b}" either,
// "\" takes the next character as it stands.
type glob struct {
	source       string
	alternatives []segment
}

// newGlob prepares a glob; fold ignores the case of ASCII letters.
func newGlob(source string, fold bool) (*glob, error) {
	texts, err := expand(source)
	if err != nil {
		return nil, err
	}
	g := &glob{source: source}
	for _, text := range texts {
		s, err := newSegment(text, fold)
		if err != nil {
			return nil, err
		}
		g.alternatives = append(g.alternatives, s)
	}
	return g, nil
}

func (g *glob) match(text string) bool {
	for i := range g.alternatives {
		// Most patterns are a name, or start with one.
		s := &g.alternatives[i]
		if strings.HasPrefix(text, s.prefix()) && (s.isPrefix() || matchSegment(s, text)) {
			return true
		}
	}
	return false
}

// A segment is a glob without braces; in a path, what stands between two
// slashes.
type segment struct {
	tokens []token
	fold   bool
	deep   bool // "**": any number of components
}

// A token matches a fixed text, one character, or a run of characters.
type token struct {
	kind    tokenKind
	literal string
	class   *class
}

type tokenKind uint8

const (
	tokenLiteral tokenKind = iota
	tokenOne
	tokenClass
	tokenStar
)

// A class is a set of characters.
type class struct {
	negated bool
	ranges  [][2]rune
}

func (c *class) has(r rune) bool {
	for _, bounds := range c.ranges {
		if bounds[0] <= r && r <= bounds[1] {
			return !c.negated
		}
	}
	return c.negated
}

// prefix is what every text starts with that matches.
func (s *segment) prefix() string {
	if s.fold {
		return ""
	}
	return s.head()
}

// head is what the pattern starts with, as far as it is fixed; in lower case,
// when the case is ignored.
func (s *segment) head() string {
	if len(s.tokens) > 0 && s.tokens[0].kind == tokenLiteral {
		return s.tokens[0].literal
	}
	return ""
}

// tail is what it ends with.
func (s *segment) tail() string {
	if n := len(s.tokens); n > 0 && s.tokens[n-1].kind == tokenLiteral {
		return s.tokens[n-1].literal
	}
	return ""
}

// isPrefix tells that every text with the prefix matches: "partner-*".
func (s *segment) isPrefix() bool {
	return len(s.tokens) == 2 && s.prefix() != "" && s.tokens[1].kind == tokenStar
}

func newSegment(source string, fold bool) (segment, error) {
	s := segment{fold: fold}
	if fold {
		source = lower(source)
	}
	for source != "" {
		t, rest, err := nextToken(source)
		if err != nil {
			return segment{}, err
		}
		source = rest
		s.add(t)
	}
	return s, nil
}

// add joins literals, and stars that follow each other.
func (s *segment) add(t token) {
	if n := len(s.tokens); n > 0 {
		last := &s.tokens[n-1]
		if last.kind == tokenStar && t.kind == tokenStar {
			return
		}
		if last.kind == tokenLiteral && t.kind == tokenLiteral {
			last.literal += t.literal
			return
		}
	}
	s.tokens = append(s.tokens, t)
}

var (
	errDanglingEscape = errors.New(`a "\" at the end escapes nothing`)
	errOpenClass      = errors.New(`a "[" is not closed by "]"; write "\\[" for the character itself`)
	errBackwards      = errors.New(`a range in "[…]" runs backwards`)
)

func nextToken(source string) (token, string, error) {
	switch source[0] {
	case '*':
		return token{kind: tokenStar}, source[1:], nil
	case '?':
		return token{kind: tokenOne}, source[1:], nil
	case '[':
		c, rest, err := newClass(source[1:])
		return token{kind: tokenClass, class: c}, rest, err
	case '\\':
		if len(source) == 1 {
			return token{}, "", errDanglingEscape
		}
		_, n := next(source, 1)
		return token{literal: source[1 : 1+n]}, source[1+n:], nil
	}
	end := strings.IndexAny(source, `*?[\`)
	if end < 0 {
		end = len(source)
	}
	return token{literal: source[:end]}, source[end:], nil
}

// newClass reads what follows "[", up to and with "]". As in a shell, a "]" that
// comes first stands for itself.
func newClass(source string) (*class, string, error) {
	c := &class{}
	if source != "" && (source[0] == '!' || source[0] == '^') {
		c.negated, source = true, source[1:]
	}
	for first := true; ; first = false {
		if source == "" {
			return nil, "", errOpenClass
		}
		if source[0] == ']' && !first {
			return c, source[1:], nil
		}
		low, rest, err := classMember(source)
		if err != nil {
			return nil, "", err
		}
		high := low
		if len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			if high, rest, err = classMember(rest[1:]); err != nil {
				return nil, "", err
			}
		}
		if high < low {
			return nil, "", errBackwards
		}
		c.ranges = append(c.ranges, [2]rune{low, high})
		source = rest
	}
}

func classMember(source string) (rune, string, error) {
	if source[0] == '\\' {
		if source = source[1:]; source == "" {
			return 0, "", errOpenClass
		}
	}
	r, n := next(source, 0)
	return r, source[n:], nil
}

// next returns the character at i and its length. A byte that is not UTF-8 is a
// character of its own.
func next[T bytestring](text T, i int) (rune, int) {
	if b := text[i]; b < utf8.RuneSelf {
		return rune(b), 1
	}
	var buffer [utf8.UTFMax]byte
	n := copy(buffer[:], text[i:])
	return utf8.DecodeRune(buffer[:n])
}

// matchSegment matches the whole of text.
func matchSegment[T bytestring](s *segment, text T) bool {
	at, i := 0, 0         // token, place in text
	star, resume := -1, 0 // behind the last star, and where it ends so far
	for i < len(text) || at < len(s.tokens) {
		if at < len(s.tokens) {
			if s.tokens[at].kind == tokenStar {
				at++
				if at == len(s.tokens) {
					return true
				}
				star, resume = at, i
				continue
			}
			if n := matchToken(&s.tokens[at], s.fold, text[i:]); n > 0 {
				at, i = at+1, i+n
				continue
			}
		}
		if star < 0 || resume >= len(text) {
			return false
		}
		_, n := next(text, resume)
		resume += n
		at, i = star, resume
	}
	return true
}

// matchToken returns how many bytes at the start of text the token matches, 0
// when it does not.
func matchToken[T bytestring](t *token, fold bool, text T) int {
	if t.kind == tokenLiteral {
		if hasPrefix(text, t.literal, fold) {
			return len(t.literal)
		}
		return 0
	}
	if len(text) == 0 {
		return 0
	}
	r, n := next(text, 0)
	if fold {
		r = lowerRune(r)
	}
	if t.kind == tokenClass && !t.class.has(r) {
		return 0
	}
	return n
}

func hasPrefix[T bytestring](text T, prefix string, fold bool) bool {
	if len(text) < len(prefix) {
		return false
	}
	if !fold {
		return string(text[:len(prefix)]) == prefix
	}
	for i := range len(prefix) {
		if lowerByte(text[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// lower returns s with ASCII letters in lower case and nothing else changed.
func lower(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lowerByte(b[i])
	}
	return string(b)
}

func lowerByte(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b - 'A' + 'a'
	}
	return b
}

func lowerRune(r rune) rune {
	if r < utf8.RuneSelf {
		return rune(lowerByte(byte(r)))
	}
	return r
}
