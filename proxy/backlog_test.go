package proxy

import (
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// Hundreds of short commands are read while one waits, of long ones few.
func TestBacklogIsBounded(t *testing.T) {
	for _, c := range []struct{ length, least, most int }{{0, 300, 600}, {4096, 8, 20}} {
		var b backlog
		next := &line{command: ftpparse.Command{Verb: "NOOP", Argument: strings.Repeat("x", c.length)}}
		for b.lines = append(b.lines, next); b.readable() && len(b.lines) <= c.most; {
			b.lines = append(b.lines, next)
		}
		if n := len(b.lines); n < c.least || n > c.most {
			t.Errorf("%d commands with %d bytes each are read", n, c.length)
		}
	}
}

// Behind what changes the connection nothing is read, and behind QUIT nothing counts.
func TestNothingIsReadBehindABarrier(t *testing.T) {
	for verb, want := range map[string]bool{"NOOP": true, "USER": true, "": true, "AUTH": false, "CCC": false, "REIN": false, "QUIT": false} {
		b := backlog{lines: []*line{{command: ftpparse.Command{Verb: "NOOP"}}, {command: ftpparse.Command{Verb: verb}}}}
		if b.readable() != want {
			t.Errorf("%q: %v", verb, !want)
		}
	}
}

func TestBacklogKeepsOrder(t *testing.T) {
	var b backlog
	if b.head() != nil || b.aborted() {
		t.Error("nothing waits, and yet there is something")
	}
	first, second := &line{}, &line{early: &early{}}
	b.lines = append(b.lines, first, second)
	if b.take() != first || b.head() != second || !b.aborted() {
		t.Error("the second is not next")
	}
	b.putBack(first)
	if b.take() != first || b.take() != second || b.head() != nil {
		t.Error("what was put back is not next")
	}
}
