package policy

import (
	"strings"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// work is what one decision needs besides the policy: the request, and the ways
// in which its argument can be read. It is kept for the next decision, so that
// deciding takes no memory.
type work struct {
	request  Request
	argument string // "" for a secret verb
	verbs    [2]verbID
	forms    int // how many of verbs count: a command may be either
	text     []byte
	targets  [maxTargets]target
	count    int
	choice
}

// A choice is what narrowing the rules down needs.
type choice struct {
	left  ruleSet // the rules that may match
	some  ruleSet // those of one index
	probe []byte  // what is looked up there
}

func (w *work) reset() {
	w.request = Request{}
	w.argument, w.forms, w.count = "", 0, 0
	w.text = w.text[:0]
}

// ask takes the request over.
func (w *work) ask(q *Request) {
	w.request = *q
	w.request.Client = plainAddress(q.Client)
}

// read finds out what the command may be, and which places it may touch.
func (w *work) read(v *vocabulary) {
	c := &w.request.Command
	e := v.lookup(c.Verb)
	if !e.secret {
		w.argument = c.Argument
	}
	b := base{directory: w.request.Directory, lists: e.transfer == ftpparse.Listing}
	w.form(e.id)
	name := v.names[e.id]
	switch {
	case !e.known:
		if w.argument != "" {
			w.unknown(b)
		}
	case name == otherSITE:
		w.site(v, b)
	case name == otherOPTS:
		w.verbs[0], _ = v.sub(name, w.argument)
	case name == "STAT":
		w.stat(v, b)
	case name == "CDUP":
		w.place("..", b)
	case name == "PRET":
		w.announced(v, b)
	case name == "MDTM":
		w.mdtm(v, b)
	default:
		w.registered(name, w.argument, e, b)
	}
}

func (w *work) form(id verbID) {
	w.verbs[w.forms] = id
	w.forms++
}

// registered reads the argument of a verb whose kind of argument says it all.
func (w *work) registered(name, argument string, e entry, b base) {
	switch name {
	case "RNFR":
		b = b.with(targetCarries)
	case "RMDA":
		b = b.with(targetBelow)
	case "RNTO":
		w.source()
	case "CWD":
		if strings.Trim(argument, blanks) == "" {
			w.unknown(b) // home, wherever that is, or nowhere
		}
	case "STOU":
		// The server may choose the name (RFC 959 §4.1.3), or make it longer:
		// pyftpdlib puts "/incoming.x7k2" beside /incoming.
		w.place("", b)
		if argument != "" {
			w.path(argument+"/..", b)
		}
	case "NLST":
		w.misread(argument, b)
	case "MLSD", "MLST":
		if isOption(argument) { // to Pure-FTPd they are, though RFC 3659 §7.1 knows none
			w.misread(argument, b)
			w.listing(argument, b)
		}
	}
	switch e.argument {
	case ftpparse.ArgumentPath, ftpparse.ArgumentOptionalPath:
		w.path(argument, b)
	case ftpparse.ArgumentOptionsPath:
		w.listing(argument, b)
	case ftpparse.ArgumentTimePath, ftpparse.ArgumentWordPath:
		w.behind(1, argument, b)
	case ftpparse.ArgumentDimensionsPath:
		w.behind(3, argument, b)
	case ftpparse.ArgumentRangePath:
		w.ranged(argument, b)
	case ftpparse.ArgumentPaths:
		w.several(argument, b)
	case ftpparse.ArgumentNone, ftpparse.ArgumentOptional, ftpparse.ArgumentRequired:
	}
}

// source adds what RNFR named: RNTO moves it, with all that is below.
func (w *work) source() {
	from := w.request.RenameFrom
	b := base{directory: from.Directory, how: targetSource | targetCarries}
	if from.Argument == "" {
		w.unknown(b)
		return
	}
	w.path(from.Argument, b)
}

// stat tells STAT, which asks for the server's state, from STAT with a path,
// which lists. One with nothing but blanks may be either.
func (w *work) stat(v *vocabulary, b base) {
	if w.argument == "" {
		return
	}
	b.lists = true
	if strings.Trim(w.argument, blanks) != "" {
		w.forms = 0
	}
	w.form(v.subs[formSTATPath])
	w.listing(w.argument, b)
}

// mdtm tells the question from the command to set the time, which some servers
// know under the same name: `MDTM 20260101000000 file`. To others that is the
// question about a file of this name, so it may be either.
func (w *work) mdtm(v *vocabulary, b base) {
	name := b
	word, rest := cutWord(w.argument)
	strict, end := rest != "" && isTime(word), looseTime(w.argument)
	if strict || end > 0 {
		w.form(v.subs[formMDTMSet])
	}
	if strict {
		w.behind(1, w.argument, b)
		name = b.with(odd(w.argument))
	}
	if end > 0 {
		w.path(w.argument[end+1:], b)
	}
	w.path(w.argument, name)
}

// looseTime returns where the blank stands behind what vsftpd takes for a time: it
// looks at the first digit and at the length, so that "2xxxxxxx" is one. 0: there is
// none.
func looseTime(argument string) int {
	end := strings.IndexByte(argument, ' ')
	if end < 0 || argument[0] < '0' || argument[0] > '9' {
		return 0
	}
	const day, second = len("20060102"), len("20060102150405")
	if end == day || end == second || end > second && argument[second] == '.' {
		return end
	}
	return 0
}

// isTime accepts what starts as RFC 3659 §2.3 has times: fractions and time
// zones may follow.
func isTime(word string) bool {
	const digits = 12
	if len(word) < digits {
		return false
	}
	for i := range digits {
		if word[i] < '0' || word[i] > '9' {
			return false
		}
	}
	return true
}

// odd says what becomes of the reading that takes options or a time for the
// start of a file's name. Without "..", it leads nowhere but to an entry of that
// name in the working directory, which no client means; it must not make a rule
// for the other reading useless.
func odd(argument string) targetFlags {
	if strings.Contains(argument, "/..") || strings.Contains(argument, `\`) {
		return 0
	}
	return targetOdd
}

// behind reads a path that n words stand in front of. To some servers a tab parts
// words, to others it is part of one.
func (w *work) behind(n int, argument string, b base) {
	rest, ok := afterWords(n, argument, blanks)
	if !ok { // too few words: whatever the server makes of it
		rest = argument
	}
	w.path(rest, b)
	if strings.ContainsAny(argument, blanks[1:]) {
		if rest, ok := afterWords(n, argument, " "); ok {
			w.path(rest, b)
		}
	}
}

// afterWords returns what stands behind the blank behind n words.
func afterWords(n int, argument, blanks string) (rest string, ok bool) {
	rest = argument
	for range n {
		trimmed := strings.TrimLeft(rest, blanks)
		end := strings.IndexAny(trimmed, blanks)
		if end < 0 {
			return "", false
		}
		rest = trimmed[end+1:]
	}
	return rest, true
}

// ranged reads a path that one or two numbers may follow.
func (w *work) ranged(argument string, b base) {
	if inner, after, ok := unquote(strings.TrimLeft(argument, blanks)); ok {
		w.path(inner, b)
		whole := b
		if after == "" || after[0] == ' ' && strings.Trim(after, blanks+"0123456789") == "" {
			whole = b.with(odd(argument))
		}
		w.path(argument, whole)
		return
	}
	rest := argument
	for range 2 {
		trimmed := strings.TrimRight(rest, blanks)
		i := strings.LastIndexAny(trimmed, blanks)
		if i < 0 || strings.Trim(trimmed[i+1:], "0123456789") != "" {
			break
		}
		w.path(rest, b.with(odd(rest)))
		rest = trimmed[:i]
	}
	w.path(rest, b)
}

// several reads paths in quotes, separated by blanks or commas, or plain words.
func (w *work) several(argument string, b base) {
	w.path(argument, b.with(odd(argument)))
	rest := strings.TrimLeft(argument, blanks+",")
	for rest != "" {
		var item string
		if inner, after, ok := unquote(rest); ok {
			item, rest = inner, after
		} else if i := strings.IndexAny(rest, blanks+","); i >= 0 {
			item, rest = rest[:i], rest[i:]
		} else {
			item, rest = rest, ""
		}
		w.path(item, b)
		rest = strings.TrimLeft(rest, blanks+",")
	}
}

// site reads a sub-command and the places it names.
func (w *work) site(v *vocabulary, b base) {
	id, rest := v.sub(otherSITE, w.argument)
	w.verbs[0] = id
	switch pathsIn(v.names[id]) {
	case noPath:
	case onePath:
		w.path(rest, b)
	case wordPath:
		w.behind(1, rest, b)
		if isOption(rest) {
			_, mode := cutWord(rest)
			if _, path := cutWord(mode); path != "" { // "-R 777 path"
				w.behind(1, mode, b)
			}
		}
	case timePath:
		w.utime(rest, b)
	case manyPaths:
		w.several(rest, b)
	case unknownPaths:
		if rest != "" {
			w.unknown(b)
		}
	}
}

// utime reads both forms of SITE UTIME: "20260101000000 path", and "path atime
// mtime ctime UTC".
func (w *work) utime(argument string, b base) {
	before := w.count
	if word, rest := cutWord(argument); rest != "" && isTime(word) {
		w.behind(1, argument, b)
	}
	rest := strings.TrimRight(argument, blanks)
	if cut, ok := strings.CutSuffix(upper(rest), " UTC"); ok {
		rest = strings.TrimRight(rest[:len(cut)], blanks)
	}
	for range 3 {
		i := strings.LastIndexAny(rest, blanks)
		if i < 0 || !isTime(rest[i+1:]) {
			break
		}
		rest = strings.TrimRight(rest[:i], blanks)
		w.path(rest, b)
	}
	if w.count == before {
		w.unknown(b)
	}
}

// announced reads PRET, whose argument is the transfer command to come.
func (w *work) announced(v *vocabulary, b base) {
	verb, rest := cutWord(w.argument)
	if e := v.lookup(verb); e.known && e.transfer != ftpparse.NoTransfer {
		b.lists = e.transfer == ftpparse.Listing
		w.registered(v.names[e.id], rest, e, b)
		return
	}
	w.unknown(b)
}
