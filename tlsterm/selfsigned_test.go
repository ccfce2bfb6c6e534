package tlsterm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func leafFrom(t *testing.T, src Source) *x509.Certificate {
	t.Helper()
	cert, err := src.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

// onlyPEM returns the one certificate file in dir.
func onlyPEM(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found[0]
}

func TestSelfSignedCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "storage", "tls")
	src, err := SelfSigned(dir, []string{"Localhost", "127.0.0.1", "::1", "*.example.com", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	leaf := leafFrom(t, src)
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is a %T", leaf.PublicKey)
	}
	if len(leaf.DNSNames) != 2 || len(leaf.IPAddresses) != 2 {
		t.Errorf("names %v, addresses %v", leaf.DNSNames, leaf.IPAddresses)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "ftp.example.com"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if now := time.Now(); leaf.NotBefore.After(now) || leaf.NotAfter.Before(now.Add(selfSignedRest)) {
		t.Errorf("valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}

	for name, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, onlyPEM(t, dir): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 { // and the lock
		t.Errorf("%d files, %v", len(entries), err)
	}
}

// A client that is given the file trusts the server, by name and by address.
func TestSelfSignedWithOpenSSL(t *testing.T) {
	dir := t.TempDir()
	src, err := SelfSigned(dir, []string{"localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	term := newTerminator(t, src, nil)
	forVersions(t, func(t *testing.T, version uint16) {
		o := &opensslClient{caFile: onlyPEM(t, dir), version: version}
		for _, args := range [][]string{{"-verify_hostname", "localhost"}, {"-verify_ip", "127.0.0.1"}} {
			out, err := o.control(t, term.Bind(), args...)
			if err != nil || !strings.Contains(out, "Verification: OK") {
				t.Errorf("%v: %v\n%s", args, err, out)
			}
		}
		if _, err := o.control(t, term.Bind(), "-verify_hostname", "ftp.example.com"); err == nil {
			t.Error("trusted under another name")
		}
	})
}

func TestSelfSignedIsKept(t *testing.T) {
	dir := t.TempDir()
	serial := func(names ...string) string {
		src, err := SelfSigned(dir, names)
		if err != nil {
			t.Fatal(err)
		}
		return leafFrom(t, src).SerialNumber.String()
	}
	first := serial("localhost", "127.0.0.1")
	if serial("localhost", "127.0.0.1") != first || serial("127.0.0.1", "LOCALHOST") != first {
		t.Error("made anew for the same names")
	}
	other := serial("localhost")
	if other == first {
		t.Error("kept for other names")
	}
	if serial("localhost", "127.0.0.1") != first || serial("localhost") != other {
		t.Error("certificates for different names replace each other")
	}
}

func TestSelfSignedIsMadeAnew(t *testing.T) {
	names := []string{"localhost", "192.0.2.1"}
	now := time.Now()
	made := func(names []string, at time.Time) []byte {
		data, err := makeSelfSigned(names, at)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := made(names, now)
	block, _ := pem.Decode(good)
	tests := []struct {
		name   string
		stored []byte
		kept   bool
	}{
		{"good", good, true},
		{"with a month and an hour left", made(names, now.Add(-selfSignedLife+selfSignedRest+time.Hour)), true},
		{"with less than a month left", made(names, now.Add(-selfSignedLife+selfSignedRest-time.Hour)), false},
		{"expired", made(names, now.Add(-selfSignedLife-time.Hour)), false},
		{"from the future", made(names, now.Add(2*time.Hour)), false},
		{"for other names", made([]string{"localhost", "192.0.2.2"}, now), false},
		{"for fewer names", made(names[:1], now), false},
		{"for more names", made(append(names, "more"), now), false},
		{"without its key", pem.EncodeToMemory(block), false},
		{"cut off", good[:len(good)/2], false},
		{"empty", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, selfSignedName(names))
			writeFile(t, file, tt.stored)
			src, err := SelfSigned(dir, names)
			if err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if kept := bytes.Equal(after, tt.stored); kept != tt.kept {
				t.Errorf("kept: %v", kept)
			}
			stored, err := tls.X509KeyPair(after, after)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(served(t, src), stored.Certificate[0]) {
				t.Error("what is served is not what is kept")
			}
		})
	}
}

func TestSelfSignedRefusesWhatIsNoName(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, names := range [][]string{
		nil,
		{""},
		{"localhost", ""},
		{"two words"},
		{"a..b"},
		{".a"},
		{"a."},
		{long + ".example.com"},
		{strings.Repeat("a.", 127) + "a"},
		{"*"},
		{"a.*.b"},
		{"a*.b"},
		{"bücher.example"},
		{"a:b"},
		{"localhost:21"},
		{"1.2.3.4/8"},
	} {
		if _, err := SelfSigned(t.TempDir(), names); err == nil {
			t.Errorf("%q was accepted", names)
		}
	}
	if _, err := SelfSigned(t.TempDir(), []string{strings.Repeat("a.", 100) + "example"}); err != nil {
		t.Errorf("a long name: %v", err)
	}
}

func TestSelfSignedNamesTheFolderItCannotUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	if _, err := SelfSigned(file, []string{"localhost"}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

// selfSignedChild is set, to a folder, in processes that do nothing but call
// SelfSigned and print what they got.
const selfSignedChild = "TLSTERM_TEST_SELF_SIGNED_DIR"

func runSelfSignedChild(dir string) int {
	_, _ = io.ReadAll(os.Stdin) // until all are let go
	src, err := SelfSigned(dir, []string{"localhost"})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	cert, err := src.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(cert.Leaf.SerialNumber)
	return 0
}

func TestSelfSignedFromManyProcesses(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "storage")
	t.Setenv(selfSignedChild, dir)
	children := make([]*program, 6)
	for i := range children {
		children[i] = start(t, self)
	}
	for _, c := range children {
		c.stdin.Close()
	}
	got := make(map[string]bool)
	for _, c := range children {
		out, err := c.wait()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		got[out] = true
	}
	if len(got) != 1 {
		t.Errorf("%d different certificates are served", len(got))
	}
	if data, err := os.ReadFile(onlyPEM(t, dir)); err != nil || usable(data, []string{"localhost"}) == nil {
		t.Errorf("the file is damaged, or %v", err)
	}
}
