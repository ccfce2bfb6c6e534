package tlsterm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/certmagic"
)

func TestStorageKeeps(t *testing.T) {
	ctx := t.Context()
	s := newStorage(t)
	if _, err := s.Load(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for key, value := range map[string]string{"a/b": "one", "a/c/d": "two", "e": "three"} {
		for _, v := range []string{"before", value} {
			if err := s.Store(ctx, key, []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Load(ctx, key); err != nil || string(got) != value {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	for recursive, want := range map[bool][]string{false: {"a/b", "a/c"}, true: {"a/b", "a/c", "a/c/d"}} {
		if got, err := s.List(ctx, "a", recursive); err != nil || !slices.Equal(got, want) {
			t.Errorf("recursive %t: %q, %v", recursive, got, err)
		}
	}
	if info, err := s.Stat(ctx, "a/c"); err != nil || info.IsTerminal {
		t.Errorf("a folder: %+v, %v", info, err)
	}
	if info, err := s.Stat(ctx, "e"); err != nil || !info.IsTerminal || info.Size != 5 || info.Key != "e" {
		t.Errorf("a value: %+v, %v", info, err)
	}
	if err := s.Delete(ctx, "a"); err != nil || s.Exists(ctx, "a/b") || !s.Exists(ctx, "e") {
		t.Errorf("deleted: %v", err)
	}
}

// Keys are made of names, and names come from clients.
func TestStorageKeysStayInside(t *testing.T) {
	dir := t.TempDir()
	s := FileStorage(filepath.Join(dir, "storage"))
	ctx := t.Context()
	writeFile(t, filepath.Join(dir, "outside"), []byte("x"))
	for _, key := range []string{"../outside", "a/../../outside", filepath.Join(dir, "outside"), ""} {
		if _, err := s.Load(ctx, key); err == nil {
			t.Errorf("%q is loaded", key)
		}
		if err := s.Store(ctx, key, nil); err == nil {
			t.Errorf("%q is stored", key)
		}
		if err := s.Delete(ctx, key); err == nil || s.Exists(ctx, key) {
			t.Errorf("%q is deleted or exists", key)
		}
	}
}

func TestStorageLocks(t *testing.T) {
	dir := t.TempDir()
	one, two := storageIn(t, dir), storageIn(t, dir)
	ctx := t.Context()
	if err := one.Lock(ctx, "issue_cert_*.a.test"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []certmagic.Storage{one, two} {
		if taken, err := s.(certmagic.TryLocker).TryLock(ctx, "issue_cert_*.a.test"); taken || err != nil {
			t.Errorf("taken twice: %t, %v", taken, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := two.Lock(ended, "issue_cert_*.a.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with a context that has ended: %v", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- two.Lock(ctx, "issue_cert_*.a.test") }()
	if err := one.Unlock(ctx, "issue_cert_*.a.test"); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	if err := one.Unlock(ctx, "issue_cert_*.a.test"); err == nil {
		t.Error("one lets go of what two holds")
	}
	if err := two.Unlock(ctx, "issue_cert_*.a.test"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "locks")); err != nil || len(left) != 0 {
		t.Errorf("%d lock files are left, %v", len(left), err)
	}
}

// Of many who want the lock, one has it at a time.
func TestStorageLockExcludes(t *testing.T) {
	dir := t.TempDir()
	const n, rounds = 4, 5
	inside := make(chan struct{}, 1)
	ended := make(chan error, n)
	for range n {
		s := storageIn(t, dir)
		go func() {
			var err error
			for range rounds {
				err = errors.Join(err, s.Lock(t.Context(), "x"))
				select {
				case inside <- struct{}{}:
					<-inside
				default:
					err = errors.Join(err, errors.New("two are inside"))
				}
				err = errors.Join(err, s.Unlock(t.Context(), "x"))
			}
			ended <- err
		}()
	}
	for range n {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func storageIn(t *testing.T, dir string) certmagic.Storage {
	t.Helper()
	return FileStorage(dir)
}

func TestSecretsDoNotShow(t *testing.T) {
	s := NewSecret("top-secret")
	holder := struct {
		Key Secret
		Ptr *Secret
	}{s, &s}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{s.String(), string(encoded), fmt.Sprint(EAB{KeyID: "k", MACKey: s}, RFC2136{Key: s}, Webhook{Token: s})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder))
	}
	for _, text := range texts {
		if strings.Contains(text, "top-secret") || strings.Contains(text, fmt.Sprintf("%x", "top-secret")) {
			t.Errorf("%s", text)
		}
	}
	if s.Reveal() != "top-secret" || s.Empty() || !(Secret{}).Empty() {
		t.Error("the secret is lost")
	}
}
