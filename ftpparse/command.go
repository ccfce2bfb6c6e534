package ftpparse

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// What is wrong with a command line. None of them carries the line: it may be
// a mistyped password.
var (
	// ErrLineTooLong: the line was longer than the reader's limit. It is
	// answered with 500 (RFC 959 §4.2).
	ErrLineTooLong = errors.New("ftpparse: command line too long")

	// ErrControlByte: a NUL, a CR without LF, or (given to ParseCommand) a LF
	// stands inside the line. It is answered with 501. To drop the byte and go
	// on would make two commands of one, or one of two.
	ErrControlByte = errors.New("ftpparse: control byte in command line")

	// ErrTelnet: a Telnet sequence was unknown, or the line ended inside it.
	ErrTelnet = errors.New("ftpparse: malformed Telnet sequence in command line")

	// ErrVerb: the line does not start with a verb.
	ErrVerb = errors.New("ftpparse: command line without a verb")
)

// maxVerb is the length of the longest verb read. RFC 959 §5.3 has verbs of
// four letters at most, XSHA256 shows that the world has moved on.
const maxVerb = 16

// hidden stands in for an argument that must not be shown.
const hidden = "****"

// A Command is one command line: verb and argument (RFC 959 §5.3).
type Command struct {
	// Verb is in upper case: one to 16 letters and digits, a letter first.
	Verb string

	// Argument is everything after the first space, verbatim: blanks at its
	// ends belong to a file name. It may hold any byte but NUL, CR and LF.
	Argument string

	// Space says that a space followed the verb: "PASS " with an empty
	// password differs from "PASS".
	Space bool
}

// ParseCommand reads a command line that has lost its line end. Telnet
// sequences are taken out, a doubled 0xFF is one (RFC 854). The error is
// [ErrTelnet], [ErrControlByte] or [ErrVerb], in this order of precedence.
func ParseCommand(line []byte) (Command, error) {
	if hasTelnet(line) {
		stripped, ok := stripTelnet(make([]byte, 0, len(line)), line)
		if !ok {
			return Command{}, ErrTelnet
		}
		line = stripped
	}
	return parseStripped(line)
}

// parseStripped reads a command line without Telnet sequences.
func parseStripped(line []byte) (Command, error) {
	if bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, 0) >= 0 {
		return Command{}, ErrControlByte
	}
	verb, argument, space := bytes.Cut(line, []byte{' '})
	name, ok := verbName(verb)
	if !ok {
		return Command{}, ErrVerb
	}
	return Command{Verb: name, Argument: string(argument), Space: space}, nil
}

// verbName returns verb in upper case and whether it is well formed. Verbs of
// the registry cost no allocation.
func verbName(verb []byte) (string, bool) {
	var name [maxVerb]byte
	if len(verb) == 0 || len(verb) > maxVerb {
		return "", false
	}
	for i, b := range verb {
		b = upperByte(b)
		if (b < 'A' || b > 'Z') && (i == 0 || !isDigit(b)) {
			return "", false
		}
		name[i] = b
	}
	if known, ok := find(name[:len(verb)]); ok {
		return known.Name, true
	}
	return string(name[:len(verb)]), true
}

// AppendTo appends the command as it goes over the wire, with CRLF, every 0xFF
// in the argument doubled. An argument brings its space along whatever Space
// says. What [ParseCommand] returned is read back the same; a command put
// together otherwise is the caller's to check with [Command.Valid].
func (c Command) AppendTo(b []byte) []byte {
	b = append(b, c.Verb...)
	if c.Space || c.Argument != "" {
		b = append(b, ' ')
	}
	b = appendDoubled(b, c.Argument)
	return append(b, '\r', '\n')
}

// Valid returns nil when the command's wire form is one line that reads back as
// this command, else [ErrVerb] or [ErrControlByte]. A command made from
// anything but constants is checked before it is sent: an argument with a CRLF
// in it would be two commands.
func (c Command) Valid() error {
	name, ok := verbName([]byte(c.Verb))
	if !ok || name != c.Verb {
		return ErrVerb
	}
	if strings.ContainsAny(c.Argument, "\x00\r\n") {
		return ErrControlByte
	}
	return nil
}

// String returns the command for people and logs, without line end. Secret
// arguments are not in it, nor are those of verbs outside the registry, since
// one of them may be a mistyped PASS; unprintable bytes are written as in Go's
// string literals, so that a client cannot forge log lines.
func (c Command) String() string {
	argument := c.Argument
	verb, known := Lookup(c.Verb)
	switch {
	case !c.Space && argument == "":
		return c.Verb
	case !known && argument != "", verb.Secret:
		argument = hidden
	case c.Verb == "SITE":
		argument = hideSitePassword(argument)
	}
	return c.Verb + " " + printable(argument)
}

// GoString is String, so that %#v shows no more than %v.
func (c Command) GoString() string { return strconv.Quote(c.String()) }

// MarshalText returns String, so that encoders show no more than it does.
func (c Command) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// hideSitePassword hides what follows a SITE sub-command that takes a password.
func hideSitePassword(argument string) string {
	sub, _, more := strings.Cut(strings.TrimLeft(argument, " "), " ")
	if !more {
		return argument
	}
	switch upper(sub) {
	case "PSWD", "CPWD", "PASSWD", "PASS", "CHPASS", "GPASS", "ADDUSER", "GADDUSER":
		return sub + " " + hidden
	}
	return argument
}

// upper returns s with ASCII letters in upper case and nothing else changed.
// The functions of package strings know more letters: to them the long s of
// "\u017fSL" is an S, and the Kelvin sign a K.
func upper(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = upperByte(b[i])
	}
	return string(b)
}

// upperByte is upper for one byte.
func upperByte(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// isDigit reports whether b is a decimal digit.
func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// printable returns s with everything unprintable escaped.
func printable(s string) string {
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}
