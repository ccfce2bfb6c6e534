package tlsterm

import (
	"os"
	"syscall"
	"time"
)

// marks tell files apart from what they were without reading them. They are of
// what the names lead to: a symbolic link that leads elsewhere is a change, as
// Kubernetes and certbot make it.
type marks struct {
	files []mark
	taken time.Time
}

type mark struct {
	modified, changed time.Time
	size              int64
	device, inode     uint64
}

// freshness is how long a file system may give writes the same time.
const freshness = 2 * time.Second

// marksOf looks at files that are about to be read: whoever writes meanwhile
// leaves another mark. A name that is empty is none.
func marksOf(names ...string) (marks, error) {
	m := marks{taken: time.Now()}
	for _, name := range names {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return marks{}, err
		}
		f := mark{modified: info.ModTime(), size: info.Size()}
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			f.changed = time.Unix(sys.Ctim.Unix())
			f.device, f.inode = sys.Dev, sys.Ino
		}
		m.files = append(m.files, f)
	}
	return m, nil
}

// same reports whether the files are surely as they were: two writes in a row
// can leave the same marks, so recent ones prove nothing.
func (m marks) same(now marks) bool {
	if len(m.files) == 0 || len(m.files) != len(now.files) {
		return false
	}
	for i, f := range m.files {
		if f != now.files[i] || m.taken.Sub(f.modified) < freshness || m.taken.Sub(f.changed) < freshness {
			return false
		}
	}
	return true
}

// A refusal is what became of files that could not be used. It stands until they
// change, so that a large one is not read again at every look; but not for long: with
// time a certificate becomes valid, or the one in use expires.
type refusal struct {
	marks marks
	err   error
}

// refusalAge is how long a refusal stands.
const refusalAge = time.Minute

// stands returns the error if the files are surely those that were refused.
func (r *refusal) stands(now marks) error {
	if r == nil || !r.marks.same(now) || now.taken.Sub(r.marks.taken) > refusalAge {
		return nil
	}
	return r.err
}
