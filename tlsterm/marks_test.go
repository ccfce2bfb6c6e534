package tlsterm

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
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

// Files that were refused are not read again at every look, but they are when they
// have changed, and after a while.
func TestRefusalStands(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	good, other := newCert(t, "ftp.example.com"), newCert(t, "ftp.example.com")
	writeFile(t, certFile, good.certPEM)
	writeFile(t, keyFile, good.keyPEM)
	src, err := Files(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	ours := newIssuer(t, "Ours")
	clients := authorities(t, ours.list(t, time.Hour), ours)
	writeFile(t, certFile, other.certPEM)
	writeFile(t, clients.crlFile, []byte("hello"))
	for _, tt := range []struct {
		source Reloader
		last   *atomic.Pointer[refusal]
		names  []string
	}{
		{src.(*files), &src.(*files).refused, []string{certFile, keyFile}},
		{listed{clients}, &clients.refused, []string{clients.caFile, clients.crlFile}},
	} {
		if _, err := tt.source.Reload(); err == nil || !errors.Is(tt.last.Load().err, err) {
			t.Fatalf("it is not refused, or that is not remembered: %v", err)
		}
		errLast := errors.New("as before")
		tt.last.Store(&refusal{marksLater(t, tt.names...), errLast})
		if _, err := tt.source.Reload(); !errors.Is(err, errLast) {
			t.Errorf("the files are read again: %v", err)
		}
		aged := marksLater(t, tt.names...)
		later := aged
		later.taken = aged.taken.Add(2 * refusalAge)
		if r := (&refusal{aged, errLast}); r.stands(later) != nil || r.stands(aged) == nil {
			t.Error("it stands for ever, or not at all")
		}
		for _, name := range tt.names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, name, append(data, '\n'))
		}
		if _, err := tt.source.Reload(); err == nil || errors.Is(err, errLast) {
			t.Errorf("files that have changed are not read: %v", err)
		}
	}
}

// listed makes a source of what is none, for its Reload.
type listed struct{ *ClientAuthorities }

func (listed) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return nil, ErrNoCertificate
}
