package policy

import (
	"strings"
	"unicode"
)

// listing reads what LIST, NLST and STAT take: options in front of the path,
// where a server has any, and on servers that run ls(1), several paths and
// options between them.
func (w *work) listing(argument string, b base) {
	if strings.Trim(argument, blanks) == "" {
		w.place("", recursion(argument, b))
		if argument != "" {
			w.path(argument, b)
		}
		return
	}
	b = recursion(argument, b)
	rest := argument
	for isOption(rest) {
		w.path(rest, b.with(odd(rest)))
		trimmed := strings.TrimLeft(rest, blanks)
		w.glued(trimmed, b)
		end := strings.IndexAny(trimmed, blanks)
		if end < 0 {
			rest = ""
			break
		}
		rest = trimmed[end+1:]
	}
	w.path(rest, b)
	if word, more := cutWord(rest); word != "" && more != "" {
		w.words(rest, b)
	}
}

// misread reads NLST and MLSD with an option as Pure-FTPd does (1.0.50): it drops
// the byte behind the blanks behind the option, so that "NLST -a x/finance" lists
// /finance. With nothing there it takes what is left of an earlier command's line,
// which may name any place.
func (w *work) misread(argument string, b base) {
	if !strings.HasPrefix(argument, "-") {
		return
	}
	_, rest := cutWord(argument)
	if rest == "" {
		w.unknown(b)
		return
	}
	if isOption(rest) && strings.ContainsAny(rest, blanks) {
		b = b.with(odd(rest)) // "a /incoming", of "-l -a /incoming"
	}
	w.path(rest[1:], b)
}

// words takes each word for a path of its own.
func (w *work) words(s string, b base) {
	for s != "" {
		var word string
		word, s = cutWord(s)
		switch {
		case word == "":
		case isOption(word):
			w.glued(word, b)
		default:
			w.path(word, b)
		}
	}
}

// glued reads what follows an option's letters without a blank: to ProFTPD and
// Pure-FTPd -la/finance is -la and /finance, with whatever stands behind. What does
// not look like a path there is the rest of a long option, or at most an odd name.
func (w *work) glued(s string, b base) {
	for {
		s = strings.TrimLeft(s, "-")
		i := strings.IndexFunc(s, isNoOption)
		if i < 0 || strings.IndexByte(blanks, s[i]) >= 0 {
			return
		}
		if i > 0 && s[i] == ':' { // the letter is a drive's
			i--
		}
		if s = s[i:]; strings.IndexByte("-=_", s[0]) < 0 {
			break
		}
		w.gluedPath(s, b.with(odd(s)))
		s = s[1:]
	}
	w.gluedPath(s, b)
}

// gluedPath reads all that is left, and the first word of it.
func (w *work) gluedPath(s string, b base) {
	w.path(s, b)
	if word, rest := cutWord(s); rest != "" {
		w.path(word, b)
	}
}

func isNoOption(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

func isOption(s string) bool {
	return strings.HasPrefix(strings.TrimLeft(s, blanks), "-")
}

// recursion looks for -R, in whatever company.
func recursion(s string, b base) base {
	for s != "" {
		var word string
		if word, s = cutWord(s); isOption(word) && (strings.Contains(word, "R") || strings.HasPrefix(word, "--r")) {
			return b.with(targetBelow)
		}
	}
	return b
}
