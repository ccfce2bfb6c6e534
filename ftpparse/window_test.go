package ftpparse

import (
	"io"
	"strings"
	"testing"
)

// A watched is a stream that notes how large the buffer is that reads from it.
type watched struct {
	io.Reader
	window  *window
	largest int
}

func (w *watched) Read(p []byte) (int, error) {
	w.largest = max(w.largest, len(w.window.buf))
	return w.Reader.Read(p)
}

// drain reads until read fails for good, and returns the largest buffer in use.
func drain(w *window, read func() error) int {
	stream := &watched{Reader: w.src, window: w}
	w.src = stream
	for {
		if err := read(); err != nil && !Recoverable(err) {
			return stream.largest
		}
	}
}

// bufferLimit is the limit of the lines in the tests of this file.
const bufferLimit = 4096

func TestCommandReaderIsSmallWhenIdleAndBoundedWhenNot(t *testing.T) {
	t.Parallel()
	line := "CWD " + strings.Repeat("x", bufferLimit-len("CWD ")) + "\r\n"
	stream := strings.Repeat(line, 3) + strings.Repeat("y", 10*bufferLimit) + "\r\n" + line + "NOOP\r\n"
	r := NewCommandReader(strings.NewReader(stream), bufferLimit)
	if r.in.buf != nil {
		t.Error("a reader that was never read has a buffer")
	}
	largest := drain(&r.in, func() error { _, err := r.Read(); return err })
	if want := bufferLimit + len("\r\n"); largest != want {
		t.Errorf("largest buffer %d, want %d", largest, want)
	}
	if len(r.in.buf) != smallBuffer {
		t.Errorf("buffer %d at the end, want %d", len(r.in.buf), smallBuffer)
	}
}

func TestReplyReaderIsSmallWhenIdleAndBoundedWhenNot(t *testing.T) {
	t.Parallel()
	line := "250 " + strings.Repeat("x", bufferLimit-len("250 ")) + "\r\n"
	r := NewReplyReader(strings.NewReader(line+line+"200 ok\r\n"), bufferLimit, 2*bufferLimit)
	read := func() error { _, err := r.Read(); return err }
	want := bufferLimit + len("\r\n")
	if largest := drain(&r.in, read); largest != want {
		t.Errorf("largest buffer %d, want %d", largest, want)
	}
	if len(r.in.buf) != smallBuffer {
		t.Errorf("buffer %d at the end, want %d", len(r.in.buf), smallBuffer)
	}

	r = NewReplyReader(strings.NewReader("220-"+strings.Repeat("x", 100*bufferLimit)), bufferLimit, 2*bufferLimit)
	if largest := drain(&r.in, read); largest != want {
		t.Errorf("largest buffer %d, want %d", largest, want)
	}
}
