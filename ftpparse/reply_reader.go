package ftpparse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// What is wrong with a reply. Both are final: there is no telling where the
// next reply would start.
var (
	// ErrUnframed: where a reply had to start there was no code, or something
	// other than a space or a hyphen behind it (RFC 959 §4.2).
	ErrUnframed = errors.New("ftpparse: line is not the start of a reply")

	// ErrReplyTooLong: a line or a whole reply is over the reader's limit.
	ErrReplyTooLong = errors.New("ftpparse: reply too long")
)

const (
	// lineCost is the least that a line counts towards the limit of a reply.
	// Keeping a line costs more memory than its bytes; without this a reply of
	// nothing but line ends would take sixteen times its limit.
	lineCost = 8

	// usualLines is how many lines of a multi-line reply fit without growing.
	usualLines = 8

	// shownLine is how much of an unframed line its error shows.
	shownLine = 64
)

// A ReplyReader takes replies from a stream. Its memory is bounded by its
// limits, and is half a kilobyte while the stream is silent. It is for one
// goroutine.
//
// It believes RFC 959 §4.2 about where a reply ends, and keeps what lies before
// that as it is: a multi-line reply ends with the line that starts with the
// same code and a space, whatever the lines before it look like. It puts up
// with LF alone as line end (printed again as CRLF), and with a bare "220"
// alone on its line, to which it gives the space that has to be there.
type ReplyReader struct {
	in         window
	lineLimit  int // bytes of a line, without its end
	totalLimit int // bytes of a reply
	scanned    int // how many of in's unused bytes are known to hold no LF
	err        error
}

// NewReplyReader returns a reader of the replies in r. A line may be lineLimit
// bytes long, without its line end; a reply totalLimit, with line ends counted
// as CRLF, and no line for less than eight.
func NewReplyReader(r io.Reader, lineLimit, totalLimit int) *ReplyReader {
	return &ReplyReader{in: window{src: r}, lineLimit: lineLimit, totalLimit: totalLimit}
}

// Read returns the next reply. Errors are [ErrUnframed], [ErrReplyTooLong] or
// those of the stream, its end being [io.EOF] between two replies and
// [io.ErrUnexpectedEOF] inside of one. All are final, and said again by every
// further Read.
func (r *ReplyReader) Read() (Reply, error) {
	if r.err != nil {
		return Reply{}, r.err
	}
	reply, err := r.reply()
	if err != nil {
		r.err = err
		return Reply{}, err
	}
	return reply, nil
}

// reply reads a whole reply.
func (r *ReplyReader) reply() (Reply, error) {
	first, err := r.line()
	if err != nil {
		return Reply{}, err
	}
	code, more, err := parseCode(first)
	if err != nil {
		return Reply{}, err
	}
	if len(first) == codeLength {
		first += " "
	}
	lines := 1
	if more {
		lines = usualLines
	}
	reply, cost := Reply{Code: code, Lines: make([]string, 0, lines)}, 0
	for line, last := first, !more; ; last = endsReply(first, line) {
		if cost += costOf(line); cost > r.totalLimit {
			return Reply{}, ErrReplyTooLong
		}
		reply.Lines = append(reply.Lines, line)
		if last {
			return reply, nil
		}
		if line, err = r.line(); err != nil {
			return Reply{}, insideReply(err)
		}
	}
}

// line returns the next line, without its line end.
func (r *ReplyReader) line() (string, error) {
	for {
		unused := r.in.unused()
		if i := bytes.IndexByte(unused[r.scanned:], '\n'); i >= 0 {
			end := r.scanned + i
			line := bytes.TrimSuffix(unused[:end], []byte{'\r'})
			r.in.use(end + 1)
			r.scanned = 0
			if len(line) > r.lineLimit {
				return "", ErrReplyTooLong
			}
			return string(line), nil
		}
		r.scanned = len(unused)
		if r.scanned > r.lineLimit+len("\r") {
			return "", ErrReplyTooLong
		}
		if err := r.in.fill(r.lineLimit + len("\r\n")); err != nil {
			if r.scanned > 0 {
				err = insideReply(err)
			}
			return "", err
		}
	}
}

// insideReply names an end of the stream that came too early.
func insideReply(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// costOf returns what a line counts towards the limit of its reply.
func costOf(line string) int { return max(len(line)+len("\r\n"), lineCost) }

// parseCode reads the first line of a reply: its code, and whether more lines
// follow.
func parseCode(line string) (code int, more bool, err error) {
	if len(line) < codeLength || line[0] < '1' || line[0] > '6' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, false, unframed(line)
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	switch {
	case len(line) == codeLength || line[codeLength] == ' ':
		return code, false, nil
	case line[codeLength] == '-':
		return code, true, nil
	}
	return 0, false, unframed(line)
}

// unframed returns ErrUnframed with the start of the line it is about.
func unframed(line string) error {
	if len(line) > shownLine {
		line = line[:shownLine]
	}
	return fmt.Errorf("%w: %q", ErrUnframed, line)
}

// endsReply reports whether line is the last of the multi-line reply that
// started with first.
func endsReply(first, line string) bool {
	return len(line) > codeLength && line[:codeLength] == first[:codeLength] && line[codeLength] == ' '
}

// Buffered returns how many bytes have been read from the stream and not yet
// been returned as replies.
func (r *ReplyReader) Buffered() int { return len(r.in.unused()) }
