package policy

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// expand returns the alternatives that braces stand for.
func expand(source string) ([]string, error) {
	if len(source) > maxPattern {
		return nil, fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	}
	if !utf8.ValidString(source) || hasControl(source) {
		return nil, errors.New("the pattern holds a NUL, a line end or damaged UTF-8, which no name can hold")
	}
	e := expander{}
	if err := e.expand("", source); err != nil {
		return nil, err
	}
	return e.done, nil
}

type expander struct {
	done  []string
	bytes int
}

// expand appends what head and the alternatives of tail make. It replaces the
// first braces by each of their alternatives, and goes on with the rest.
func (e *expander) expand(head, tail string) error {
	open := braces(tail)
	if open < 0 {
		return e.add(head + tail)
	}
	parts, rest, err := alternatives(tail[open+1:])
	if err != nil {
		return err
	}
	for _, part := range parts {
		// The part may hold braces itself.
		if err := e.expand(head+tail[:open], part+rest); err != nil {
			return err
		}
	}
	return nil
}

func (e *expander) add(text string) error {
	e.done = append(e.done, text)
	e.bytes += len(text)
	if len(e.done) > maxAlternatives || e.bytes > maxExpanded {
		return fmt.Errorf("the braces stand for more than %d patterns, or %d bytes", maxAlternatives, maxExpanded)
	}
	return nil
}

// braces finds the first "{" that stands for alternatives, or returns -1.
func braces(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			i = skipClass(s, i)
		case '{':
			return i
		}
	}
	return -1
}

// skipClass returns the place of the "]" that closes the class at i, or i.
func skipClass(s string, i int) int {
	if _, rest, err := newClass(s[i+1:]); err == nil {
		return len(s) - len(rest) - 1
	}
	return i
}

var errOpenBrace = errors.New(`a "{" is not closed by "}"; write "\\{" for the character itself`)

// alternatives splits what follows "{" at its commas and returns what stands
// behind the "}".
func alternatives(s string) (parts []string, rest string, err error) {
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			i = skipClass(s, i)
		case '{':
			depth++
		case ',':
			if depth == 0 {
				parts, start = append(parts, s[start:i]), i+1
			}
		case '}':
			if depth == 0 {
				return append(parts, s[start:i]), s[i+1:], nil
			}
			depth--
		}
	}
	return nil, "", errOpenBrace
}
