package tlsterm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a crash has left behind is removed when it is surely nobody's any more, from
// the storage and from beside a self-signed certificate.
func TestUnfinishedFilesAreRemoved(t *testing.T) {
	a := newAuthority(t, authorityOptions{})
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "certificates", "x.1.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, kept := range map[string]bool{
		"a.key.123.tmp": false, "certificates/b.crt.4.tmp": false, "certificates/x.1.tmp/c.json.99.tmp": false,
		"fresh.key.5.tmp": true, "no-digits.tmp": true, "x.tmp": true, ".tmp": true, "certificates/d.crt": true,
	} {
		file := filepath.Join(dir, name)
		writeFile(t, file, []byte("secret"))
		age := 2 * unfinishedAge
		if strings.HasPrefix(name, "fresh") {
			age = unfinishedAge / 2
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := os.Stat(file); (err == nil) != kept {
				t.Errorf("%s: kept %t, %v", name, !kept, err)
			}
		})
	}
	w := a.wish(t, FileStorage(dir), nil, "tidy.test")
	if err := w.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if told := w.told(); told != "" {
		t.Errorf("told: %s", told)
	}

	beside := t.TempDir()
	left := filepath.Join(beside, "self-signed-0.pem.7.tmp")
	writeFile(t, left, []byte("secret"))
	if err := os.Chtimes(left, time.Time{}, time.Now().Add(-2*unfinishedAge)); err != nil {
		t.Fatal(err)
	}
	if _, err := SelfSigned(beside, []string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("a half of a self-signed certificate stays")
	}
}

// Keys that others may read are reported, and those that others may write are not
// used.
func TestStorageOpenToOthers(t *testing.T) {
	a := newAuthority(t, authorityOptions{})
	for _, tt := range []struct {
		name, file, warned, refused string
		mode                        os.FileMode
	}{
		{name: "ours alone", file: "a.key", mode: 0o600},
		{name: "read by the group", file: "a.key", mode: 0o640, warned: "a.key may be read by others than its owner (mode 0640)"},
		{name: "read by all", file: "a.key", mode: 0o604, warned: "(mode 0604)"},
		{name: "written by the group", file: "a.key", mode: 0o620, refused: "a.key may be written by others than its owner (mode 0620)"},
		{name: "a folder in which all may write", file: "certificates", mode: 0o702, refused: "(mode 0702)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "certificates"), 0o700); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "a.key"), nil)
			if err := os.Chmod(filepath.Join(dir, tt.file), tt.mode); err != nil {
				t.Fatal(err)
			}
			w := a.wish(t, FileStorage(dir), nil, "open.test")
			err := w.Prepare(t.Context())
			defer w.Close()
			if (err != nil) != (tt.refused != "") || err != nil && (!strings.Contains(err.Error(), tt.refused) || !strings.Contains(err.Error(), "chmod -R go-rwx "+dir)) {
				t.Errorf("%v", err)
			}
			if told := w.told(); (told != "") != (tt.warned != "") || !strings.Contains(told, tt.warned) {
				t.Errorf("told: %q", told)
			}
		})
	}
}
