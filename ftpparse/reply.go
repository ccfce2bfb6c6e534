package ftpparse

import (
	"slices"
	"strconv"
	"strings"
)

// A Class is the first digit of a reply's code (RFC 959 §4.2.1).
type Class int

// The classes of replies.
const (
	Preliminary  Class = 1 // begun, another reply follows
	Completion   Class = 2 // done
	Intermediate Class = 3 // half done, another command is expected
	Transient    Class = 4 // failed, may work later
	Permanent    Class = 5 // failed
	Protected    Class = 6 // RFC 2228 §5.1.2: a reply inside a security layer; TLS has no use for it
)

// codeLength is the length of a code; on all lines but inner ones, a separator
// stands behind it.
const codeLength = 3

// A Reply is code and text as they were received (RFC 959 §4.2).
type Reply struct {
	// Code is the three-digit code, 100 to 699.
	Code int

	// Lines are the lines without their line ends, the code included on those
	// that carry it: "250-first", " inner", "250 last".
	Lines []string
}

// NewReply returns a reply of one line. A CR, LF or NUL in text becomes a
// blank: what we say ourselves must not be readable as two replies.
func NewReply(code int, text string) Reply {
	return Reply{Code: code, Lines: []string{codeLine(code, ' ', text)}}
}

// NewMultiline returns a reply of several lines. Each inner line is given one
// leading space, which keeps it from looking like the last and is what RFC 2389
// §3.2 asks of FEAT. CR, LF and NUL become blanks, as in [NewReply].
func NewMultiline(code int, first string, inner []string, last string) Reply {
	lines := make([]string, 0, len(inner)+2)
	lines = append(lines, codeLine(code, '-', first))
	for _, text := range inner {
		lines = append(lines, " "+oneLine(text))
	}
	return Reply{Code: code, Lines: append(lines, codeLine(code, ' ', last))}
}

// codeLine returns a line that carries the code.
func codeLine(code int, separator byte, text string) string {
	return strconv.Itoa(code) + string(rune(separator)) + oneLine(text)
}

// oneLine returns text with a blank in place of what could end a line.
func oneLine(text string) string {
	if !strings.ContainsAny(text, "\x00\r\n") {
		return text
	}
	return strings.NewReplacer("\x00", " ", "\r", " ", "\n", " ").Replace(text)
}

// AppendTo appends the reply as it goes over the wire: every line as it is, and
// CRLF.
func (r Reply) AppendTo(b []byte) []byte {
	for _, line := range r.Lines {
		b = append(b, line...)
		b = append(b, '\r', '\n')
	}
	return b
}

// Text returns the text of the first line, without code and separator.
func (r Reply) Text() string {
	if len(r.Lines) == 0 || len(r.Lines[0]) <= codeLength {
		return ""
	}
	return r.Lines[0][codeLength+1:]
}

// Class returns the class of the reply's code; 0 for the zero Reply.
func (r Reply) Class() Class { return Class(r.Code / 100) }

// Clone returns a copy that shares no memory that could be written to.
func (r Reply) Clone() Reply {
	return Reply{Code: r.Code, Lines: slices.Clone(r.Lines)}
}

// Equal reports whether both replies have the same wire form.
func (r Reply) Equal(other Reply) bool {
	return r.Code == other.Code && slices.Equal(r.Lines, other.Lines)
}

// textOf returns one of the reply's lines without the code, if it carries it.
func (r Reply) textOf(line string) string {
	code := strconv.Itoa(r.Code)
	if rest, ok := strings.CutPrefix(line, code); ok && rest != "" && (rest[0] == ' ' || rest[0] == '-') {
		return rest[1:]
	}
	return line
}
