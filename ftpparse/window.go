package ftpparse

import "io"

const (
	// smallBuffer is what an idle reader keeps: most commands and replies fit,
	// and ten thousand silent sessions cost ten megabytes, not a hundred.
	smallBuffer = 512

	// maxEmptyReads is how often a stream may return nothing and no error
	// before it is taken for broken.
	maxEmptyReads = 100
)

// A window is the part of a stream that has been read and not yet used. It
// grows as far as its user lets it and shrinks again once it is empty.
type window struct {
	src        io.Reader
	buf        []byte
	start, end int   // buf[start:end] is unused
	err        error // came along with the last bytes, reported by the next fill
}

// unused returns the bytes that have been read and not yet used. They stay
// valid until the next fill.
func (w *window) unused() []byte { return w.buf[w.start:w.end] }

// use marks the first n unused bytes as used.
func (w *window) use(n int) { w.start += n }

// fill reads once from the stream. It grows the buffer up to limit bytes; the
// caller has fewer than limit bytes unused.
func (w *window) fill(limit int) error {
	if w.err != nil {
		err := w.err
		w.err = nil
		return err
	}
	w.makeRoom(limit)
	for range maxEmptyReads {
		n, err := w.src.Read(w.buf[w.end:])
		w.end += n
		if n > 0 {
			w.err = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// makeRoom leaves at least one free byte behind the unused ones.
func (w *window) makeRoom(limit int) {
	n := w.end - w.start
	switch {
	case n == 0 && len(w.buf) != smallBuffer:
		w.buf = make([]byte, smallBuffer)
	case n == len(w.buf):
		grown := make([]byte, min(2*n, max(limit, n+1)))
		copy(grown, w.unused())
		w.buf = grown
	case w.start > 0:
		copy(w.buf, w.unused())
	}
	w.start, w.end = 0, n
}
