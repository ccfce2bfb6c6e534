package tlsterm

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func served(t *testing.T, src Source) []byte {
	t.Helper()
	cert, err := src.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Certificate[0]
}

func TestFilesServesThePair(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, both := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "both.pem")
	for _, cert := range []testCert{newCert(t, "ftp.example.com"), newRSACert(t, "ftp.example.com")} {
		writeFile(t, certFile, cert.certPEM)
		writeFile(t, keyFile, cert.keyPEM)
		writeFile(t, both, append(bytes.Clone(cert.keyPEM), cert.certPEM...))
		for _, names := range [][2]string{{certFile, keyFile}, {both, both}} {
			src, err := Files(names[0], names[1])
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(served(t, src), cert.fingerprint()) {
				t.Error("another certificate is served")
			}
			out, err := newOpenSSL(t, cert, 0).control(t, newTerminator(t, src, nil).Bind())
			if err != nil || !strings.Contains(out, "Verification: OK") {
				t.Errorf("%v\n%s", err, out)
			}
		}
	}
}

func TestFilesRefuses(t *testing.T) {
	good, other := newCert(t, "ftp.example.com"), newCert(t, "ftp.example.com")
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})
	legacy := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: []byte{1},
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
	})
	damaged := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("damaged")})
	tests := []struct {
		name      string
		cert, key []byte // nil: the file is missing
		want      []string
	}{
		{"another key", good.certPEM, other.keyPEM, []string{"CERT", "KEY", "private key does not match", "give the key that"}},
		{"no certificate file", nil, good.keyPEM, []string{"cannot read certificate file CERT", "no such file"}},
		{"no key file", good.certPEM, nil, []string{"cannot read key file KEY", "no such file"}},
		{"files exchanged", good.keyPEM, good.certPEM, []string{"CERT", "holds only PRIVATE KEY", "CERTIFICATE block"}},
		{"certificate in both", good.certPEM, good.certPEM, []string{"KEY", "holds only CERTIFICATE", "PRIVATE KEY block"}},
		{"empty certificate file", []byte{}, good.keyPEM, []string{"CERT", "no PEM block"}},
		{"not PEM", good.certPEM, []byte("secret"), []string{"KEY", "no PEM block"}},
		{"encrypted key", good.certPEM, encrypted, []string{"KEY", "without a passphrase"}},
		{"key encrypted in the old way", good.certPEM, legacy, []string{"KEY", "without a passphrase"}},
		{"damaged certificate", damaged, good.keyPEM, []string{"CERT", "cannot be used together"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			for name, data := range map[string][]byte{certFile: tt.cert, keyFile: tt.key} {
				if data != nil {
					writeFile(t, name, data)
				}
			}
			_, err := Files(certFile, keyFile)
			if err == nil {
				t.Fatal("accepted")
			}
			msg := strings.NewReplacer(certFile, "CERT", keyFile, "KEY").Replace(err.Error())
			for _, want := range tt.want {
				if !strings.Contains(msg, want) {
					t.Errorf("%q has no %q", msg, want)
				}
			}
			if strings.Contains(msg, "\n") || strings.Contains(msg, "secret") || strings.Contains(msg, dir) {
				t.Errorf("%q: more than a line, a key, or a name twice", msg)
			}
		})
	}
}

func TestFilesUnreadable(t *testing.T) {
	if _, err := Files(t.TempDir(), "key.pem"); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("got %v", err)
	}
}

func TestFilesReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	old, renewed := newCert(t, "ftp.example.com"), newCert(t, "ftp.example.com")
	writeFile(t, certFile, old.certPEM)
	writeFile(t, keyFile, old.keyPEM)
	src, err := Files(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	// Through Select, as a listener with several certificates has it.
	reloader, ok := Select(fixed{&old.cert}, src).(Reloader)
	if !ok {
		t.Fatal("files cannot be reloaded")
	}
	steps := []struct {
		name        string
		file        string
		data        []byte
		changed, ok bool
		want        testCert
	}{
		{"the same again", certFile, old.certPEM, false, true, old},
		{"only one of the two is new", certFile, renewed.certPEM, false, false, old},
		{"both are new", keyFile, renewed.keyPEM, true, true, renewed},
		{"and unchanged", keyFile, renewed.keyPEM, false, true, renewed},
		{"a file is emptied", keyFile, nil, false, false, renewed},
	}
	for _, s := range steps {
		writeFile(t, s.file, s.data)
		changed, err := reloader.Reload()
		if changed != s.changed || (err == nil) != s.ok {
			t.Errorf("%s: changed %v, %v", s.name, changed, err)
		}
		if !bytes.Equal(served(t, src), s.want.fingerprint()) {
			t.Errorf("%s: the wrong certificate is served", s.name)
		}
	}
}

// Kubernetes swaps a link to a folder in which both files lie, certbot a link
// for each file.
func TestFilesFollowLinks(t *testing.T) {
	dir := t.TempDir()
	old, renewed := newCert(t, "ftp.example.com"), newCert(t, "ftp.example.com")
	for name, cert := range map[string]testCert{"1": old, "2": renewed} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name, "cert.pem"), cert.certPEM)
		writeFile(t, filepath.Join(dir, name, "key.pem"), cert.keyPEM)
	}
	data := filepath.Join(dir, "..data")
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, name+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	link("1", data)
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	link("..data/cert.pem", certFile)
	link("..data/key.pem", keyFile)
	src, err := Files(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(want testCert, changed bool) {
		t.Helper()
		if got, err := src.(Reloader).Reload(); got != changed || err != nil {
			t.Errorf("changed %t, %v", got, err)
		}
		if !bytes.Equal(served(t, src), want.fingerprint()) {
			t.Error("the wrong certificate is served")
		}
	}
	reload(old, false)
	link("2", data)
	reload(renewed, true)
	link("1/cert.pem", certFile)
	if _, err := src.(Reloader).Reload(); err == nil {
		t.Error("one link of two is taken")
	}
	link("1/key.pem", keyFile)
	reload(old, true)
}

// What has no end, or never says anything, would hold up the program when it looks
// at its files again.
func TestFilesAreRegularAndBounded(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, large, nil)
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		pipe: "no regular file", "/dev/zero": "no regular file", dir: "is a directory", large: "larger than 67108864 bytes",
	} {
		if _, err := Files(name, name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Roots(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
