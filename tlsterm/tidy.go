package tlsterm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A tidier is a storage that looks after itself when the program starts. The
// finding is one line about what somebody should look at; "" for nothing. An error
// says that the storage must not be used as it is.
type tidier interface {
	tidy(now time.Time) (finding string, err error)
}

// unfinishedAge is when a file that was never renamed belongs to a process that has
// ended.
const unfinishedAge = time.Hour

// tidy removes what a crash has left behind, and looks who else may get at the keys:
// folders are made with mode 0700 and files with 0600, but they may have been copied
// or restored. What others may read is reported; what others may write is refused,
// since it is theirs as much as ours.
func (s *fileStorage) tidy(now time.Time) (finding string, err error) {
	readable := 0
	err = filepath.WalkDir(s.dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another process is at work
		}
		if err != nil {
			return err
		}
		if removed, err := removeUnfinished(file, info, now); removed || err != nil {
			return err
		}
		mode := info.Mode()
		switch {
		case !mode.IsRegular() && !mode.IsDir():
		case mode.Perm()&0o022 != 0:
			return fmt.Errorf("%s may be written by others than its owner (mode %04o), and with it the keys of certificates: chmod -R go-rwx %s, and see that nothing was replaced", file, mode.Perm(), s.dir)
		case mode.IsRegular() && mode.Perm()&0o044 != 0:
			if readable == 0 {
				finding = fmt.Sprintf("%s may be read by others than its owner (mode %04o)", file, mode.Perm())
			}
			readable++
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // there is nothing yet
	}
	if readable > 1 {
		finding += fmt.Sprintf(", and %d more", readable-1)
	}
	if readable > 0 {
		finding += fmt.Sprintf("; keys among them are no secret: chmod -R go-rwx %s, and order anew", s.dir)
	}
	return finding, err
}

// removeUnfinished removes a file that [writeAtomically] has not come to rename.
func removeUnfinished(file string, info fs.FileInfo, now time.Time) (removed bool, err error) {
	// NAME.DIGITS.tmp, as os.CreateTemp makes it of the pattern.
	stem, ok := strings.CutSuffix(filepath.Base(file), unfinished)
	digits := strings.TrimPrefix(filepath.Ext(stem), ".")
	if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" || !info.Mode().IsRegular() || now.Sub(info.ModTime()) < unfinishedAge {
		return false, nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// removeUnfinishedIn does so in a folder, which need not be tidy for anything else.
func removeUnfinishedIn(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := removeUnfinished(filepath.Join(dir, entry.Name()), info, now); err != nil {
			return err
		}
	}
	return nil
}
