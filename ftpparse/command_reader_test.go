package ftpparse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// limit is the line limit of the tests that do not look at it.
const limit = 4096

// heard reads r to its end and returns what came: a command's wire form without
// line end, or an error.
func heard(r *ftpparse.CommandReader) []string {
	var all []string
	for {
		c, err := r.Read()
		if err == nil {
			all = append(all, strings.TrimSuffix(string(c.AppendTo(nil)), "\r\n"))
			continue
		}
		all = append(all, "! "+err.Error())
		if !ftpparse.Recoverable(err) {
			return all
		}
	}
}

// fault returns err as heard shows it.
func fault(err error) string { return "! " + err.Error() }

// inPieces returns stream cut at each of its positions in turn, and in single
// bytes.
func inPieces(stream string) map[string]io.Reader {
	readers := map[string]io.Reader{
		"whole":        strings.NewReader(stream),
		"single bytes": iotest.OneByteReader(strings.NewReader(stream)),
		"data and EOF": iotest.DataErrReader(strings.NewReader(stream)),
	}
	for i := 1; i < len(stream); i++ {
		readers[fmt.Sprintf("cut at %d", i)] = io.MultiReader(strings.NewReader(stream[:i]), strings.NewReader(stream[i:]))
	}
	return readers
}

func TestCommandReader(t *testing.T) {
	t.Parallel()
	eof, unexpected := fault(io.EOF), fault(io.ErrUnexpectedEOF)
	control, telnet := fault(ftpparse.ErrControlByte), fault(ftpparse.ErrTelnet)
	verb := fault(ftpparse.ErrVerb)
	for _, test := range []struct {
		name, stream string
		want         []string
	}{
		{"nothing", "", []string{eof}},
		{"CRLF", "NOOP\r\nPWD\r\n", []string{"NOOP", "PWD", eof}},
		{"LF alone", "NOOP\nPWD\n", []string{"NOOP", "PWD", eof}},
		{"blanks matter", "RETR  a \r\nPASS \r\nPASS\r\n", []string{"RETR  a ", "PASS ", "PASS", eof}},
		{"verb in lower case", "noop\r\n", []string{"NOOP", eof}},
		{"end inside a line", "NOOP\r\nPW", []string{"NOOP", unexpected}},
		{"end behind CR", "NOOP\r", []string{unexpected}},
		{"end inside Telnet", "\xff", []string{unexpected}},
		{"end inside SB", "NOOP\r\n\xff\xfaPWD\r\n", []string{"NOOP", unexpected}},
		{"empty lines", "\r\n\nNOOP\r\n", []string{verb, verb, "NOOP", eof}},
		{"leading blank", " NOOP\r\nNOOP\r\n", []string{verb, "NOOP", eof}},
		{"bare CR", "CWD a\rDELE b\r\nNOOP\r\n", []string{control, "NOOP", eof}},
		{"two CR", "NOOP\r\r\nNOOP\r\n", []string{control, "NOOP", eof}},
		{"CR NUL", "CWD a\r\x00DELE b\r\nNOOP\r\n", []string{control, "NOOP", eof}},
		{"NUL", "CWD a\x00b\nNOOP\n", []string{control, "NOOP", eof}},
		{"interrupt and ABOR", "\xff\xf4\xff\xf2ABOR\r\nNOOP\r\n", []string{"ABOR", "NOOP", eof}},
		{"Telnet everywhere", "\xff\xf1N\xff\xfb\x01OOP \xff\xfd\n\xff\xffa\r\xff\xf1\n", []string{"NOOP \xff\xffa", eof}},
		{"SB with a line", "NO\xff\xfa\x01DELE a\r\n\xff\xff\xff\xf0OP\r\nPWD\r\n", []string{"NOOP", "PWD", eof}},
		{"0xFF", "CWD \xff\xff\xff\xff\r\n", []string{"CWD \xff\xff\xff\xff", eof}},
		{"unknown Telnet command", "CWD a\xff\x01b\r\nNOOP\r\n", []string{telnet, "NOOP", eof}},
		{"IAC before the line end", "CWD a\xff\nNOOP\r\n", []string{telnet, "NOOP", eof}},
		{"IAC before CRLF", "CWD a\xff\r\nNOOP\r\n", []string{telnet, "NOOP", eof}},
		{"bad IAC in SB", "CWD \xff\xfa\xffX\r\nNOOP\r\n", []string{telnet, "NOOP", eof}},
		{"bad IAC before the line end in SB", "CWD \xff\xfa\xff\nNOOP\r\n", []string{telnet, "NOOP", eof}},
		{"Telnet outranks control bytes", "CWD \x00\xffX\r\nNOOP\r\n", []string{telnet, "NOOP", eof}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for how, stream := range inPieces(test.stream) {
				if got := heard(ftpparse.NewCommandReader(stream, limit)); !slices.Equal(got, test.want) {
					t.Errorf("%s: %q\nheard %q\nwant  %q", how, test.stream, got, test.want)
				}
			}
		})
	}
}

func TestCommandReaderLimit(t *testing.T) {
	t.Parallel()
	long := fault(ftpparse.ErrLineTooLong)
	for _, test := range []struct {
		name, line, want string
	}{
		{"at the limit", "CWD 567890\r\n", "CWD 567890"},
		{"at the limit, LF alone", "CWD 567890\n", "CWD 567890"},
		{"one over", "CWD 5678901\r\n", long},
		{"one over, LF alone", "CWD 5678901\n", long},
		{"one over, a CR", "CWD 567890\r\r\n", long},
		{"two over", "CWD 56789012\r\n", long},
		{"far over", "CWD " + strings.Repeat("x", 3000) + "\r\n", long},
		{"far over, faulty too", "\x00\xffX" + strings.Repeat("x", 3000) + "\r\n", long},
		{"Telnet bytes count", "CWD 5678\xff\xf1\r\n", "CWD 5678"},
		{"Telnet bytes count, one over", "CWD 56789\xff\xf1\r\n", long},
		{"Telnet bytes count between CR and LF", "CWD 5678\r\xff\xf1\n", "CWD 5678"},
		{"Telnet bytes count between CR and LF, one over", "CWD 56789\r\xff\xf1\n", long},
		{"SB over the limit with a line end in it", "\xff\xfa" + strings.Repeat("DELE a\r\n", 300) + "\xff\xf0\r\n", long},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			stream := "NOOP\r\n" + test.line + "PWD\r\n"
			want := []string{"NOOP", test.want, "PWD", fault(io.EOF)}
			for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
				if got := heard(ftpparse.NewCommandReader(r, 10)); !slices.Equal(got, want) {
					t.Errorf("heard %q\nwant  %q", got, want)
				}
			}
		})
	}
}

func TestCommandReaderEndInsideALineOverTheLimit(t *testing.T) {
	t.Parallel()
	for n := 8; n < 20; n++ {
		r := ftpparse.NewCommandReader(strings.NewReader(strings.Repeat("x", n)), 10)
		if got := heard(r); !slices.Equal(got, []string{fault(io.ErrUnexpectedEOF)}) {
			t.Errorf("after %d bytes: heard %q", n, got)
		}
	}
}

// endless is a stream that goes on for ever with the same bytes.
type endless struct {
	bytes string
	given int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.bytes)
	}
	e.given += n
	return n, nil
}

func TestCommandReaderGivesUpOnALineWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]*endless{
		"one line":          {bytes: "A"},
		"NULs":              {bytes: "\x00"},
		"Telnet NOPs":       {bytes: "\xff\xf1"},
		"a sub-negotiation": {bytes: "\xff\xfa"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := ftpparse.NewCommandReader(stream, limit)
			for range 3 {
				if _, err := r.Read(); !errors.Is(err, ftpparse.ErrLineEndless) || ftpparse.Recoverable(err) {
					t.Errorf("Read = %v, want a final ErrLineEndless", err)
				}
			}
			if stream.given > 2<<20 {
				t.Errorf("%d bytes were read of a line of at most %d", stream.given, limit)
			}
		})
	}
}

func TestCommandReaderBuffered(t *testing.T) {
	t.Parallel()
	r := ftpparse.NewCommandReader(strings.NewReader("AUTH TLS\r\n\xff\xf1NOOP\r\nPW"), limit)
	if n := r.Buffered(); n != 0 {
		t.Errorf("Buffered = %d before the first Read", n)
	}
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	const early = "\xff\xf1NOOP\r\nPW"
	if n := r.Buffered(); n != len(early) {
		t.Errorf("Buffered = %d, want %d", n, len(early))
	}
	if taken := string(r.Take()); taken != early {
		t.Errorf("Take = %q, want %q", taken, early)
	}
	if n := r.Buffered(); n != 0 {
		t.Errorf("Buffered = %d after Take", n)
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read after Take = %v, want EOF", err)
	}
}

func TestCommandReaderStartsAfreshAfterTake(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]string{
		"inside a line":    "CWD a",
		"inside Telnet":    "NO\xff",
		"inside SB":        "NO\xff\xfaX",
		"inside long line": strings.Repeat("x", 2*limit),
	} {
		stream := &struct{ io.Reader }{io.MultiReader(strings.NewReader(early), iotest.ErrReader(os.ErrDeadlineExceeded))}
		r := ftpparse.NewCommandReader(stream, limit)
		if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%s: %v", name, err)
		}
		r.Take()
		stream.Reader = strings.NewReader("NOOP\r\n")
		if c, err := r.Read(); err != nil || c.Verb != "NOOP" {
			t.Errorf("%s: then %#v, %v; want NOOP", name, c, err)
		}
	}
}

// A deadline that passes in the middle of a line, a Telnet sequence or a line
// that is being skipped must not lose or forge a byte.
func TestCommandReaderGoesOnAfterADeadline(t *testing.T) {
	t.Parallel()
	const stream = "CWD \xff\xfa\n\xff\xf0 a\xff\xff \r\nCWD 5678901234567890\r\nPWD\r\n"
	want := []string{"CWD  a\xff\xff ", fault(ftpparse.ErrLineTooLong), "PWD"}
	for i := 1; i < len(stream); i++ {
		r := ftpparse.NewCommandReader(io.MultiReader(
			strings.NewReader(stream[:i]), iotest.ErrReader(os.ErrDeadlineExceeded)), 15)
		got := heard(r)
		last := len(got) - 1
		if got[last] != fault(os.ErrDeadlineExceeded) {
			t.Fatalf("cut at %d: heard %q", i, got)
		}

		r = ftpparse.NewCommandReader(&interrupted{parts: []string{stream[:i], stream[i:]}}, 15)
		var all []string
		for len(all) < len(want) {
			c, err := r.Read()
			switch {
			case err == nil:
				all = append(all, strings.TrimSuffix(string(c.AppendTo(nil)), "\r\n"))
			case ftpparse.Recoverable(err):
				all = append(all, fault(err))
			case !errors.Is(err, os.ErrDeadlineExceeded):
				t.Fatalf("cut at %d: %v", i, err)
			}
		}
		if !slices.Equal(all, want) {
			t.Errorf("cut at %d: heard %q, want %q", i, all, want)
		}
	}
}

// interrupted is a stream whose deadline passes once between any two parts.
type interrupted struct {
	parts []string
	due   bool
}

func (r *interrupted) Read(p []byte) (int, error) {
	if r.due = !r.due; !r.due {
		return 0, os.ErrDeadlineExceeded
	}
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.parts[0])
	if r.parts[0] = r.parts[0][n:]; r.parts[0] == "" {
		r.parts = r.parts[1:]
	}
	return n, nil
}

func TestCommandReaderDoesNotSpin(t *testing.T) {
	t.Parallel()
	r := ftpparse.NewCommandReader(silent{}, limit)
	if _, err := r.Read(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Read = %v, want io.ErrNoProgress", err)
	}
}

// silent is a stream that breaks the contract of io.Reader.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestCommandReaderReportsAnErrorThatCameWithBytes(t *testing.T) {
	t.Parallel()
	r := ftpparse.NewCommandReader(&together{bytes: "NOOP\r\n", err: io.ErrClosedPipe}, limit)
	if got, want := heard(r), []string{"NOOP", fault(io.ErrClosedPipe)}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// together is a stream that gives its bytes and its error at once, and nothing
// but EOF after that.
type together struct {
	bytes string
	err   error
}

func (r *together) Read(p []byte) (n int, err error) {
	if r.bytes == "" {
		return 0, io.EOF
	}
	n, r.bytes = copy(p, r.bytes), ""
	return n, r.err
}

func TestRecoverable(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		ftpparse.ErrLineTooLong:                          true,
		ftpparse.ErrControlByte:                          true,
		ftpparse.ErrTelnet:                               true,
		ftpparse.ErrVerb:                                 true,
		fmt.Errorf("read command: %w", ftpparse.ErrVerb): true,
		ftpparse.ErrLineEndless:                          false,
		io.EOF:                                           false,
		io.ErrUnexpectedEOF:                              false,
		os.ErrDeadlineExceeded:                           false,
	} {
		if ftpparse.Recoverable(err) != want {
			t.Errorf("Recoverable(%v) = %t", err, !want)
		}
	}
	if ftpparse.Recoverable(nil) {
		t.Error("Recoverable(nil)")
	}
}

// A session hears thousands of commands: only their arguments may cost memory.
func TestCommandReaderAllocations(t *testing.T) {
	for name, test := range map[string]struct {
		line string
		want float64
	}{
		"known verb":               {"noop\r\n", 0},
		"argument":                 {"RETR some/file.txt\r\n", 1},
		"argument with Telnet":     {"RETR \xff\xf1some/\xff\xfffile.txt\r\n", 1},
		"unknown verb":             {"XYZZY\r\n", 1},
		"control byte":             {"CWD a\x00\r\n", 0},
		"too long":                 {strings.Repeat("a", 200) + "\r\n", 0},
		"interrupt in front of it": {"\xff\xf4\xff\xf2ABOR\r\n", 0},
	} {
		stream := bytes.NewReader([]byte(strings.Repeat(test.line, 2000)))
		r := ftpparse.NewCommandReader(stream, 100)
		got := testing.AllocsPerRun(1000, func() {
			if _, err := r.Read(); err != nil && !ftpparse.Recoverable(err) {
				t.Fatal(err)
			}
		})
		if got > test.want {
			t.Errorf("%s: %v allocations, want %v", name, got, test.want)
		}
	}
}
