package policy

import (
	"bytes"
	"strings"
)

// A target is a place that a command touches in one of the ways its argument
// can be read. An allowing rule has to match all of them, a denying one any.
type target struct {
	start, end int32 // the cleaned path in work.text
	name, stop int32 // with targetChild: where the end of the name stands
	how        targetFlags
}

type targetFlags uint8

const (
	// targetUnknown: it cannot be known which place is meant.
	targetUnknown targetFlags = 1 << iota
	// targetBelow: what is below the path is touched, or may be.
	targetBelow
	// targetChild: only names in the path itself are meant, of which the end is
	// known. It comes with targetBelow, which is what has to be allowed.
	targetChild
	// targetCarries: what is below the path goes along with it.
	targetCarries
	// targetOdd: a reading that at most reaches an oddly named entry of the
	// working directory. It can make a rule deny, and needs no rule to allow it.
	targetOdd
	// targetSource: named by RNFR, decided with RNTO.
	targetSource
)

// maxTargets bounds how many ways to read one argument are followed. An argument
// with more means an unknown place.
const maxTargets = 24

// A base is what an argument is read against.
type base struct {
	directory string
	how       targetFlags
	lists     bool // a directory's contents are shown, not only itself touched
}

func (b base) with(how targetFlags) base {
	b.how |= how
	return b
}

// path adds every place that the argument may mean to a server: as it stands;
// without the blanks around it, which many servers drop; without quotes, which
// some take off. In single quotes z/OS names a data set, wherever one stands.
func (w *work) path(argument string, b base) {
	if isPlain(argument) {
		w.place(argument, b)
		return
	}
	w.spelling(argument, b)
	left := strings.TrimLeft(argument, blanks)
	trimmed := strings.TrimRight(left, blanks)
	if left != argument {
		w.spelling(left, b)
	}
	if trimmed != left {
		w.spelling(trimmed, b)
	}
	if inner, _, ok := unquote(trimmed); ok {
		w.spelling(inner, b)
		if strings.HasPrefix(trimmed, "'") && strings.HasSuffix(trimmed, "'") && strings.IndexByte(inner, '/') < 0 {
			w.unknown(b)
		}
	}
	if strings.IndexByte(trimmed, '"') >= 0 {
		w.spelling(strings.ReplaceAll(trimmed, `"`, ""), b) // as a shell would
	}
}

// isPlain tells that an argument can be read in one way only: nothing in it is
// a blank, a quote, a wildcard or a matter for Windows. Most are.
func isPlain(s string) bool {
	start := 0 // of the component
	for i := range len(s) {
		switch s[i] {
		case 0xC0, 0xC1, 0xE0, 0xF0:
			if isOverlong(s[i:]) {
				return false
			}
		case '\\', '*', '?', '<', '>', '[', '{', '~', '"', '\'', ':', ' ', '\t', '\v', '\f':
			return false
		case '/':
			if endsOdd(s[start:i]) {
				return false
			}
			start = i + 1
		}
	}
	return !endsOdd(s[start:])
}

// isOverlong tells that s starts with a character written in more bytes than it
// needs (RFC 3629 §3 forbids it): careless servers read a dot or slash there.
func isOverlong(s string) bool {
	if len(s) < 2 || s[1] < 0x80 || s[1] > 0xBF {
		return false
	}
	return s[0] == 0xC0 || s[0] == 0xC1 || s[0] == 0xE0 && s[1] < 0xA0 || s[0] == 0xF0 && s[1] < 0x90
}

func hasOverlong(s string) bool {
	for i := range len(s) {
		if isOverlong(s[i:]) {
			return true
		}
	}
	return false
}

// endsOdd tells whether a component ends with what Windows drops.
func endsOdd(component string) bool {
	n := len(component)
	return n > 0 && (component[n-1] == '.' || component[n-1] == ' ') && component != "." && component != ".."
}

// spelling adds the places that one spelling may mean.
func (w *work) spelling(s string, b base) {
	w.place(s, b)
	if hasOverlong(s) {
		w.unknown(b)
	}
	if needsWindows(s) {
		if hasDrive(s) { // whether "C:" is the root or below it, only the server knows
			w.place("/"+strings.ReplaceAll(s, `\`, "/"), b)
		}
		if plain, ok := windows(s); ok {
			w.place(plain, b)
			w.shell(plain, b)
		} else {
			w.unknown(b)
		}
	}
	if strings.IndexByte(s, '\\') >= 0 {
		// To glob(3), which some servers give every path to, "\." is ".".
		w.shell(strings.ReplaceAll(s, `\`, ""), b)
		w.place(strings.ReplaceAll(s, `\`, ""), b)
	}
	w.shell(s, b)
}

// shell adds what the path means where "~" and wildcards are expanded.
func (w *work) shell(s string, b base) {
	// "~$report.docx" is an office program's lock file; no user's name starts so.
	if strings.HasPrefix(s, "~") && !strings.HasPrefix(s, "~$") {
		w.unknown(b)
	}
	meta := strings.IndexAny(s, wildcards)
	if meta < 0 {
		return
	}
	slash := strings.LastIndexByte(s[:meta], '/')
	directory, rest := s[:slash+1], s[slash+1:]
	if mayClimb(rest) {
		w.unknown(b)
		return
	}
	if b.lists || strings.Contains(rest, "/") {
		w.below(directory, b)
		return
	}
	w.child(directory, rest[strings.LastIndexAny(rest, `*?<>[]{},\`)+1:], b)
}

// wildcards start a pattern. "<" and ">" are Windows' own, in names that it looks up
// in a directory.
const wildcards = "*?<>[{"

// mayClimb tells whether a wildcard pattern may lead out of the directory it
// stands in. Patterns match a leading dot only when they spell it out, so that
// "*" is never "..", but ".*" is. Braces can make anything of anything, unless
// they stand in one component with some character that always stays.
func mayClimb(pattern string) bool {
	if strings.IndexByte(pattern, '{') >= 0 {
		return strings.ContainsAny(pattern, "/~") || !keepsCharacter(pattern)
	}
	for component := range strings.SplitSeq(pattern, "/") {
		if component == ".." || strings.HasPrefix(component, ".") && strings.ContainsAny(component, wildcards) {
			return true
		}
	}
	return false
}

// keepsCharacter tells whether a letter or digit stands outside of all braces
// and brackets, so that no expansion is "..".
func keepsCharacter(pattern string) bool {
	depth := 0
	for i := range len(pattern) {
		switch b := pattern[i]; {
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		case depth == 0 && (b >= '0' && b <= '9' || upperByte(b) >= 'A' && upperByte(b) <= 'Z'):
			return true
		}
	}
	return false
}

// place adds the cleaned path.
func (w *work) place(argument string, b base) {
	if !strings.HasPrefix(argument, "/") && !isAbsolute(b.directory) {
		w.unknown(b)
		return
	}
	start := len(w.text)
	w.text = clean(w.text, b.directory, argument)
	w.add(target{start: int32(start), end: int32(len(w.text)), how: b.how})
}

// below adds everything under the directory.
func (w *work) below(directory string, b base) {
	w.place(directory, b.with(targetBelow))
}

// child adds the names in the directory that end with tail.
func (w *work) child(directory, tail string, b base) {
	if !strings.HasPrefix(directory, "/") && !isAbsolute(b.directory) {
		w.unknown(b)
		return
	}
	t := target{start: int32(len(w.text)), how: b.how | targetBelow | targetChild}
	w.text = clean(w.text, b.directory, directory)
	t.end = int32(len(w.text))
	if t.end-t.start > 1 {
		w.text = append(w.text, '/')
	}
	t.name = int32(len(w.text))
	w.text = append(w.text, tail...)
	t.stop = int32(len(w.text))
	w.add(t)
}

func (w *work) unknown(b base) {
	w.add(target{how: b.how | targetUnknown})
}

// add appends the target unless an equal one is there.
func (w *work) add(t target) {
	for i := range w.targets[:w.count] {
		if w.same(&w.targets[i], &t) {
			return
		}
	}
	if w.count == maxTargets {
		w.targets[maxTargets-1] = target{how: targetUnknown}
		return
	}
	w.targets[w.count] = t
	w.count++
}

func (w *work) same(a, b *target) bool {
	return a.how == b.how && bytes.Equal(w.pathOf(a), w.pathOf(b)) && bytes.Equal(w.tailOf(a), w.tailOf(b))
}

func (w *work) pathOf(t *target) []byte  { return w.text[t.start:t.end] }
func (w *work) childOf(t *target) []byte { return w.text[t.start:t.stop] }
func (w *work) tailOf(t *target) []byte  { return w.text[t.name:t.stop] }

// unquote takes "name" apart from what follows it. Inside, quotes are doubled.
func unquote(s string) (inner, rest string, ok bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return "", "", false
	}
	quote := s[:1]
	var b strings.Builder
	for s = s[1:]; ; {
		before, after, found := strings.Cut(s, quote)
		b.WriteString(before)
		if !found {
			return b.String(), "", true // some servers do not mind
		}
		if !strings.HasPrefix(after, quote) {
			return b.String(), after, true
		}
		b.WriteString(quote)
		s = after[1:]
	}
}

// needsWindows tells whether a server on Windows reads the path otherwise.
func needsWindows(s string) bool {
	if strings.ContainsAny(s, `\:`) {
		return true
	}
	for s != "" {
		var component string
		component, s, _ = strings.Cut(s, "/")
		if endsOdd(component) {
			return true
		}
	}
	return false
}

func hasDrive(s string) bool {
	return len(s) > 1 && s[1] == ':' && upperByte(s[0]) >= 'A' && upperByte(s[0]) <= 'Z'
}

// windows returns the path as Windows reads it: backslashes separate, blanks and
// dots at the end of a name do not count, and behind a colon a name says which of the
// file's streams is meant ("a.exe::$DATA", "dir:$I30:$INDEX_ALLOCATION"). Not ok are
// names like "...", which were once places, and those of other machines and of devices:
// two slashes, not both forward. "/C:/a", as servers spell it that show their drives,
// is a path like others.
func windows(s string) (string, bool) {
	if len(s) > 1 && strings.Trim(s[:2], `/\`) == "" && s[:2] != "//" {
		return "", false
	}
	if hasDrive(s) {
		s = s[2:]
	}
	components := strings.Split(strings.ReplaceAll(s, `\`, "/"), "/")
	for i, c := range components {
		if i != 1 || components[0] != "" || len(c) != len("C:") || !hasDrive(c) {
			c, _, _ = strings.Cut(c, ":")
		}
		c = strings.TrimRight(c, " ")
		if c != "." && c != ".." {
			trimmed := strings.TrimRight(c, " .")
			if trimmed == "" && strings.Count(c, ".") > 1 {
				return "", false
			}
			c = trimmed
		}
		components[i] = c
	}
	return strings.Join(components, "/"), true
}
