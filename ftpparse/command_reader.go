package ftpparse

import (
	"errors"
	"io"
)

// ErrLineEndless: a line was so long that its end is not worth waiting for.
// Unlike [ErrLineTooLong] it is final.
var ErrLineEndless = errors.New("ftpparse: command line without end")

// maxSkip is how many bytes of an over-long line are thrown away before it is
// given up. It bounds the work that one error costs: without it a client that
// never ends its line, or never closes a Telnet SB, would be read for ever.
const maxSkip = 1 << 20

// Recoverable reports whether the line that err is about has been used up and
// the [CommandReader] may be read again: [ErrLineTooLong], [ErrControlByte],
// [ErrTelnet] and [ErrVerb]. Any other error is the stream's, or final.
func Recoverable(err error) bool {
	return errors.Is(err, ErrLineTooLong) || errors.Is(err, ErrControlByte) ||
		errors.Is(err, ErrTelnet) || errors.Is(err, ErrVerb)
}

// A CommandReader takes command lines from a stream. Its memory is bounded by
// its limit, and is half a kilobyte while the stream is silent. It is for one
// goroutine.
//
// Telnet's "Synch" (RFC 854) marks a byte as urgent, which TCP then keeps out of
// the stream unless told otherwise: set SO_OOBINLINE on the socket, or the end
// of an IAC sequence goes missing.
type CommandReader struct {
	in      window
	limit   int         // bytes of a line, without its end
	seen    int         // how many of in's unused bytes scan has looked at: all of this line
	skipped int         // bytes of this line thrown away, because it is over the limit
	telnet  telnetState // behind the seen bytes
}

// NewCommandReader returns a reader of the commands in r. A line may be limit
// bytes long, Telnet sequences included and line end excluded.
func NewCommandReader(r io.Reader, limit int) *CommandReader {
	return &CommandReader{in: window{src: r}, limit: limit}
}

// Read returns the next command. It blocks until a line has ended, with CRLF or
// with the LF alone that real clients send. After an error that is [Recoverable]
// the faulty line has been used up. The end of the stream is [io.EOF] between
// two lines and [io.ErrUnexpectedEOF] inside of one. Another error of the
// stream, such as a deadline that has passed, loses nothing: Read may be called
// again.
func (r *CommandReader) Read() (Command, error) {
	for {
		if r.scan() {
			return r.line()
		}
		if err := r.skip(); err != nil {
			return Command{}, err
		}
		if err := r.in.fill(r.limit + len("\r\n")); err != nil {
			return Command{}, r.ended(err)
		}
	}
}

// scan looks at the bytes that are new and reports whether they end the line. A
// LF inside a Telnet sequence does not.
func (r *CommandReader) scan() bool {
	for _, b := range r.in.unused()[r.seen:] {
		var role telnetRole
		r.telnet, role = r.telnet.next(b)
		r.seen++
		if b == '\n' && role != telnetPart {
			return true
		}
	}
	return false
}

// line returns the command in the line that scan has found the end of.
func (r *CommandReader) line() (Command, error) {
	raw := r.in.unused()[:r.seen-1]
	skipped := r.skipped > 0
	r.in.use(r.seen)
	r.seen, r.skipped = 0, 0
	if skipped {
		return Command{}, ErrLineTooLong
	}

	size, line, ok := len(raw), raw, true
	if hasTelnet(raw) {
		line, ok = stripTelnet(raw[:0], raw)
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
		size--
	}
	if size > r.limit {
		return Command{}, ErrLineTooLong
	}
	if !ok {
		return Command{}, ErrTelnet
	}
	return parseStripped(line)
}

// skip throws away the bytes seen of a line that is over the limit.
func (r *CommandReader) skip() error {
	if r.seen > r.limit+len("\r") {
		r.skipped += r.seen
		r.in.use(r.seen)
		r.seen = 0
	}
	if r.skipped > maxSkip {
		return ErrLineEndless
	}
	return nil
}

// ended names the end of the stream by where it came.
func (r *CommandReader) ended(err error) error {
	if errors.Is(err, io.EOF) && (r.seen > 0 || r.skipped > 0) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Buffered returns how many bytes have been read from the stream and not yet
// been returned as commands. Behind AUTH TLS they were sent in the clear by
// somebody who did not wait for the reply: injection, or early data.
func (r *CommandReader) Buffered() int { return len(r.in.unused()) }

// Take hands over the bytes that Buffered counts and forgets them, for a
// stream that goes on under another protocol. The reader starts afresh.
func (r *CommandReader) Take() []byte {
	taken := append([]byte(nil), r.in.unused()...)
	r.in.use(len(taken))
	r.seen, r.skipped, r.telnet = 0, 0, telnetPlain
	return taken
}
