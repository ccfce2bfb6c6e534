package ftpparse_test

import (
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

// Limits of the tests that do not look at them.
const (
	lineLimit  = 65536
	totalLimit = 1 << 20
)

func TestReplyReader(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]string{
		"one line":              "220 ready\r\n",
		"no text":               "220 \r\n",
		"trailing blanks":       "220 ready \t \r\n",
		"8-bit bytes":           "257 \"gr\xfc\xdfe\xff\xff\"\r\n",
		"CR inside":             "257 \"a\rb\"\r\n",
		"two CR at the end":     "220 ready\r\r\n",
		"NUL inside":            "257 \"a\x00b\"\r\n",
		"lowest code":           "100 x\r\n",
		"highest code":          "699 x\r\n",
		"protected":             "631 YWJj\r\n",
		"two lines":             "220-first\r\n220 last\r\n",
		"code repeated":         "220-first\r\n220-second\r\n220-\r\n220 last\r\n",
		"other replies inside":  "220-first\r\n226 done\r\n250-x\r\n421 bye\r\n220last\r\n220 last\r\n",
		"blank lines inside":    "220-\r\n\r\n \r\n\t\r\n220 \r\n",
		"indented last line":    "220-first\r\n 220 not last\r\n220 last\r\n",
		"short lines inside":    "220-first\r\n2\r\n22\r\n220\r\n220 last\r\n",
		"features":              "211-Features:\r\n MLST type*;size*;\r\n REST STREAM\r\n211 End\r\n",
		"directory in the text": "250-Listing \"220 x\"\r\n modify=1; 220 x\r\n250 End\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const next = "200 next\r\n"
			for how, r := range inPieces(stream + next) {
				reader := ftpparse.NewReplyReader(r, lineLimit, totalLimit)
				for _, want := range []string{stream, next} {
					reply, err := reader.Read()
					if err != nil {
						t.Fatalf("%s: %v", how, err)
					}
					if got := string(reply.AppendTo(nil)); got != want {
						t.Errorf("%s: %q, want %q", how, got, want)
					}
					if code := fmt.Sprint(reply.Code); code != want[:3] {
						t.Errorf("%s: code %s, want %s", how, code, want[:3])
					}
				}
				if _, err := reader.Read(); err != io.EOF { //nolint:errorlint // EOF and nothing that wraps it
					t.Errorf("%s: %v behind the last reply", how, err)
				}
			}
		})
	}
}

func TestReplyReaderTolerates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ stream, want string }{
		"LF alone":              {"220 ready\n", "220 ready\r\n"},
		"LF alone in some":      {"220-a\n b\r\n220 c\n", "220-a\r\n b\r\n220 c\r\n"},
		"code without a space":  {"220\r\n", "220 \r\n"},
		"code and LF alone":     {"220\n", "220 \r\n"},
		"hyphen and no text":    {"220-\n220 \n", "220-\r\n220 \r\n"},
		"trailing blanks, LF":   {"220 ready  \n", "220 ready  \r\n"},
		"last line and no text": {"220-a\r\n220 \r\n", "220-a\r\n220 \r\n"},
	} {
		reply, err := ftpparse.NewReplyReader(strings.NewReader(test.stream), lineLimit, totalLimit).Read()
		if got := string(reply.AppendTo(nil)); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
}

func TestReplyReaderLargeGreeting(t *testing.T) {
	t.Parallel()
	const line = "220-   welcome to the archive, please read all of this first\r\n"
	greeting := strings.Repeat(line, 200<<10/len(line)) + "220 ready\r\n"
	reply, err := ftpparse.NewReplyReader(strings.NewReader(greeting), lineLimit, totalLimit).Read()
	if err != nil || string(reply.AppendTo(nil)) != greeting {
		t.Errorf("a greeting of %d bytes came back with %d lines and %v", len(greeting), len(reply.Lines), err)
	}
}

func TestReplyReaderRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stream string
		want   error
	}{
		"no code":                {"ready\r\n", ftpparse.ErrUnframed},
		"blank line":             {"\r\n220 ready\r\n", ftpparse.ErrUnframed},
		"leading blank":          {" 220 ready\r\n", ftpparse.ErrUnframed},
		"two digits":             {"22 ready\r\n", ftpparse.ErrUnframed},
		"short":                  {"22\r\n", ftpparse.ErrUnframed},
		"four digits":            {"2200 ready\r\n", ftpparse.ErrUnframed},
		"text behind the code":   {"220ready\r\n", ftpparse.ErrUnframed},
		"tab behind the code":    {"220\tready\r\n", ftpparse.ErrUnframed},
		"code 0yz":               {"020 ready\r\n", ftpparse.ErrUnframed},
		"code 7yz":               {"720 ready\r\n", ftpparse.ErrUnframed},
		"hex":                    {"2a0 ready\r\n", ftpparse.ErrUnframed},
		"a TLS hello":            {"\x16\x03\x01\n", ftpparse.ErrUnframed},
		"end of stream":          {"", io.EOF},
		"end inside a line":      {"220 rea", io.ErrUnexpectedEOF},
		"end between lines":      {"220-ready\r\n", io.ErrUnexpectedEOF},
		"end behind bare code":   {"220-ready\r\n220\r\n", io.ErrUnexpectedEOF},
		"end behind another":     {"220-ready\r\n221 bye\r\n", io.ErrUnexpectedEOF},
		"line at the limit":      {"220 567890123456\r\n", nil},
		"line over the limit":    {"220 5678901234567\r\n", ftpparse.ErrReplyTooLong},
		"line over, LF alone":    {"220 5678901234567\n", ftpparse.ErrReplyTooLong},
		"line far over":          {"220 " + strings.Repeat("x", 5000), ftpparse.ErrReplyTooLong},
		"inner line over":        {"220-a\r\n 567890123456789012\r\n220 b\r\n", ftpparse.ErrReplyTooLong},
		"reply at the limit":     {strings.Repeat("220-5678\r\n", 9) + "220 5678\r\n", nil},
		"reply over the limit":   {strings.Repeat("220-5678\r\n", 9) + "220 56789\r\n", ftpparse.ErrReplyTooLong},
		"empty lines, at limit":  {"220-5678\r\n" + strings.Repeat("\n", 10) + "220 5678\n", nil},
		"empty lines, one over":  {"220-5678\r\n" + strings.Repeat("\n", 11) + "220 5678\n", ftpparse.ErrReplyTooLong},
		"endless reply of blank": {"220-5678\r\n" + strings.Repeat("\n", 1000), ftpparse.ErrReplyTooLong},
	} {
		for _, stream := range []io.Reader{strings.NewReader(test.stream), iotest.OneByteReader(strings.NewReader(test.stream))} {
			r := ftpparse.NewReplyReader(stream, 16, 100)
			reply, err := r.Read()
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
			if test.want == nil {
				continue
			}
			if reply.Lines != nil {
				t.Errorf("%s: reply %q beside an error", name, reply.Lines)
			}
			if _, again := r.Read(); again != err { //nolint:errorlint // the very same error
				t.Errorf("%s: then %v, want %v again", name, again, err)
			}
		}
	}
}

func TestReplyReaderShowsTheUnframedLineButNotAllOfIt(t *testing.T) {
	t.Parallel()
	stream := strings.NewReader("\x1b[2J" + strings.Repeat("x", 1000) + "\r\n")
	_, err := ftpparse.NewReplyReader(stream, lineLimit, totalLimit).Read()
	if err == nil || !strings.Contains(err.Error(), `\x1b[2Jxxx`) || len(err.Error()) > 200 {
		t.Errorf("error %q", err)
	}
}

func TestReplyReaderErrorsOfTheStreamAreFinal(t *testing.T) {
	t.Parallel()
	r := ftpparse.NewReplyReader(&interrupted{parts: []string{"220-a\r\n", "220 b\r\n"}}, lineLimit, totalLimit)
	for range 3 {
		if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read = %v, want the deadline", err)
		}
	}
}

func TestReplyReaderBuffered(t *testing.T) {
	t.Parallel()
	r := ftpparse.NewReplyReader(strings.NewReader("234 go\r\n230 in the clear"), lineLimit, totalLimit)
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	if n := r.Buffered(); n != len("230 in the clear") {
		t.Errorf("Buffered = %d", n)
	}
}

func TestReplyReaderAllocations(t *testing.T) {
	for name, test := range map[string]struct {
		reply string
		want  float64
	}{
		"one line":    {"200 NOOP ok.\r\n", 2},                // the line, the list of lines
		"three lines": {"250-Begin\r\n x\r\n250 End.\r\n", 4}, // three lines, the list of them
	} {
		r := ftpparse.NewReplyReader(strings.NewReader(strings.Repeat(test.reply, 2000)), lineLimit, totalLimit)
		got := testing.AllocsPerRun(1000, func() {
			if _, err := r.Read(); err != nil {
				t.Fatal(err)
			}
		})
		if got > test.want {
			t.Errorf("%s: %v allocations, want %v", name, got, test.want)
		}
	}
}

func TestNewReply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reply ftpparse.Reply
		want  string
	}{
		{ftpparse.NewReply(200, "ok"), "200 ok\r\n"},
		{ftpparse.NewReply(200, ""), "200 \r\n"},
		{ftpparse.NewReply(550, "no a\r\n230 in\x00"), "550 no a  230 in \r\n"},
		{ftpparse.NewMultiline(211, "a", nil, "b"), "211-a\r\n211 b\r\n"},
		{ftpparse.NewMultiline(211, "a", []string{"x", " y", "211 z"}, "b"), "211-a\r\n x\r\n  y\r\n 211 z\r\n211 b\r\n"},
		{ftpparse.NewMultiline(211, "a\n211 b", []string{"x\r\n211 y"}, "c\n"), "211-a 211 b\r\n x  211 y\r\n211 c \r\n"},
		{ftpparse.Reply{}, ""},
	} {
		if got := string(test.reply.AppendTo(nil)); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestReplyText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reply ftpparse.Reply
		want  string
	}{
		{ftpparse.NewReply(200, " two blanks "), " two blanks "},
		{ftpparse.NewReply(200, ""), ""},
		{ftpparse.NewMultiline(211, "first", []string{"x"}, "last"), "first"},
		{ftpparse.Reply{Code: 220, Lines: []string{"220"}}, ""},
		{ftpparse.Reply{}, ""},
	} {
		if got := test.reply.Text(); got != test.want {
			t.Errorf("Text of %q = %q, want %q", test.reply.Lines, got, test.want)
		}
	}
}

func TestReplyClass(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]ftpparse.Class{
		150: ftpparse.Preliminary,
		226: ftpparse.Completion,
		331: ftpparse.Intermediate,
		421: ftpparse.Transient,
		550: ftpparse.Permanent,
		631: ftpparse.Protected,
		0:   0,
	} {
		if got := (ftpparse.Reply{Code: code}).Class(); got != want {
			t.Errorf("Class of %d = %d, want %d", code, got, want)
		}
	}
}

func TestReplyCloneAndEqual(t *testing.T) {
	t.Parallel()
	r := ftpparse.NewMultiline(211, "a", []string{"x"}, "b")
	c := r.Clone()
	if !c.Equal(r) {
		t.Errorf("clone %q of %q", c.Lines, r.Lines)
	}
	c.Lines[1] = " y"
	if c.Equal(r) || !slices.Equal(r.Lines, []string{"211-a", " x", "211 b"}) {
		t.Errorf("writing to the clone changed the reply: %q", r.Lines)
	}
	if r.Equal(ftpparse.Reply{Code: 212, Lines: r.Lines}) {
		t.Error("codes do not matter")
	}
}
