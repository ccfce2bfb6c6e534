package ftpparse

import (
	"fmt"
	"strings"
)

// Parse257 finds the path in a reply to PWD or MKD: it stands in quotes behind
// the code, and quotes inside of it are doubled (RFC 959 appendix II). Whether
// it is absolute, or a path at all to the caller, is not judged here. The error
// is [ErrSyntax].
func Parse257(r Reply) (string, error) {
	if r.Code != 257 {
		return "", fmt.Errorf("%w: code %d is not 257", ErrSyntax, r.Code)
	}
	for _, line := range r.Lines {
		_, after, found := strings.Cut(r.textOf(line), `"`)
		if !found {
			continue
		}
		path, ok := cutQuoted(after)
		if !ok || path == "" || strings.ContainsAny(path, "\x00\r\n") {
			return "", fmt.Errorf("%w: 257 with a damaged path", ErrSyntax)
		}
		return path, nil
	}
	return "", fmt.Errorf("%w: 257 without a path in quotes", ErrSyntax)
}

// Format257 returns a reply to PWD that [Parse257] reads back.
func Format257(path, comment string) Reply {
	return NewReply(257, `"`+strings.ReplaceAll(path, `"`, `""`)+`" `+comment)
}

// cutQuoted returns what stands in front of the closing quote, with doubled
// quotes made single.
func cutQuoted(s string) (string, bool) {
	var path strings.Builder
	for {
		before, after, found := strings.Cut(s, `"`)
		if !found {
			return "", false
		}
		path.WriteString(before)
		if !strings.HasPrefix(after, `"`) {
			return path.String(), true
		}
		path.WriteByte('"')
		s = after[1:]
	}
}
