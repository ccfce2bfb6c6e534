package tlsterm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddyserver/certmagic"
)

// FileStorage returns a storage for certificates, keys and accounts in dir,
// which is made when there is something to keep. Folders have mode 0700 and
// files 0600. Several processes may share dir: a lock excludes them all and ends
// with the process that holds it, however that ends.
func FileStorage(dir string) certmagic.Storage {
	return &fileStorage{dir: dir, held: map[string]*os.File{}}
}

type fileStorage struct {
	dir string

	mu   sync.Mutex
	held map[string]*os.File // locks, by name
}

// unfinished ends the names of files that [writeAtomically] has not renamed yet.
const unfinished = ".tmp"

func (s *fileStorage) String() string { return "folder " + s.dir }

// file returns the path for key. Keys are made of names that come from outside,
// which must not lead out of the folder.
func (s *fileStorage) file(key string) (string, error) {
	local := filepath.FromSlash(key)
	if !filepath.IsLocal(local) {
		return "", fmt.Errorf("storage: %q is no key", key)
	}
	return filepath.Join(s.dir, local), nil
}

func (s *fileStorage) Store(_ context.Context, key string, value []byte) error {
	file, err := s.file(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return writeAtomically(file, value)
}

func (s *fileStorage) Load(_ context.Context, key string) ([]byte, error) {
	file, err := s.file(key)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

func (s *fileStorage) Delete(_ context.Context, key string) error {
	file, err := s.file(key)
	if err != nil {
		return err
	}
	return os.RemoveAll(file)
}

func (s *fileStorage) Exists(_ context.Context, key string) bool {
	file, err := s.file(key)
	if err != nil {
		return false
	}
	_, err = os.Stat(file)
	return err == nil
}

func (s *fileStorage) Stat(_ context.Context, key string) (certmagic.KeyInfo, error) {
	file, err := s.file(key)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: key, Modified: info.ModTime(), Size: info.Size(), IsTerminal: !info.IsDir()}, nil
}

func (s *fileStorage) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	root, err := s.file(prefix)
	if err != nil {
		return nil, err
	}
	var keys []string
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if file == root || strings.HasSuffix(file, unfinished) {
			return nil
		}
		rest, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		keys = append(keys, path.Join(prefix, filepath.ToSlash(rest)))
		if entry.IsDir() && !recursive {
			return fs.SkipDir
		}
		return nil
	})
	return keys, err
}

// lockPause lies between two tries to take a lock that another process holds.
const lockPause = 100 * time.Millisecond

func (s *fileStorage) Lock(ctx context.Context, name string) error {
	for {
		taken, err := s.TryLock(ctx, name)
		if taken || err != nil {
			return err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TryLock takes the lock if nobody holds it, this process included.
func (s *fileStorage) TryLock(ctx context.Context, name string) (bool, error) {
	file := s.lockFile(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return false, err
	}
	for ctx.Err() == nil {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return false, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && stillThere(f, file) {
			s.mu.Lock()
			s.held[name] = f
			s.mu.Unlock()
			return true, nil
		}
		_ = f.Close()
		switch {
		case err == nil, errors.Is(err, syscall.EINTR): // unlocked and removed meanwhile
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return false, fmt.Errorf("lock %s: %w", file, err)
		}
	}
	return false, context.Cause(ctx)
}

// stillThere reports whether f is the file that others find under its name.
func stillThere(f *os.File, name string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Stat(name)
	return err == nil && os.SameFile(ours, theirs)
}

// Unlock removes the file while it is locked: one that has just opened it finds
// out by [stillThere].
func (s *fileStorage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	f := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if f == nil {
		return fmt.Errorf("storage: lock %q is not held", name)
	}
	return errors.Join(os.Remove(s.lockFile(name)), f.Close())
}

func (s *fileStorage) lockFile(name string) string {
	return filepath.Join(s.dir, "locks", certmagic.StorageKeys.Safe(name)+".lock")
}
