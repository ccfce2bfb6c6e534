package tlsterm

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// marksLater takes marks as they would be taken in an hour: the time at which a
// file's facts have changed cannot be set.
func marksLater(t *testing.T, names ...string) marks {
	t.Helper()
	m, err := marksOf(names...)
	if err != nil {
		t.Fatal(err)
	}
	m.taken = m.taken.Add(time.Hour)
	return m
}

func TestMarks(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{file, other} {
		writeFile(t, name, []byte("one"))
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	first := marksLater(t, link, file)
	if !first.same(marksLater(t, link, file)) {
		t.Error("untouched files are not the same")
	}
	fresh := marksLater(t, link, file)
	if fresh.taken = fresh.files[0].changed.Add(freshness - 1); fresh.same(fresh) {
		t.Error("marks of files that have just changed are believed")
	}
	if first.same(marksLater(t, link)) || (marks{}).same(marks{}) {
		t.Error("marks of other files are the same")
	}

	// The link is swapped as ln -sfn does: by renaming a new one over it. Size and
	// modification time stay what they were.
	next := filepath.Join(dir, "next")
	if err := os.Symlink("other", next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, link); err != nil {
		t.Fatal(err)
	}
	if first.same(marksLater(t, link, file)) {
		t.Error("a link that leads elsewhere is not noticed")
	}
	// A write that leaves size and modification time as they were.
	second := marksLater(t, file)
	second.files[0].changed = second.files[0].changed.Add(-time.Minute)
	writeFile(t, file, []byte("two"))
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	if second.same(marksLater(t, file)) {
		t.Error("a write that hides itself is not noticed")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := marksOf(file); err == nil {
		t.Error("a file that is gone has marks")
	}
}
