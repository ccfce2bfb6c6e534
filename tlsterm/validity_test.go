package tlsterm

import (
	"bytes"
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is out of date is refused and replaces nothing. One that expires while it is
// served is shown until there is another: clients that do not verify go on working.
func TestFilesOutOfDate(t *testing.T) {
	now := time.Now()
	good := newCert(t, "ftp.example.com")
	for _, tt := range []struct {
		name     string
		validity validity
		want     string
	}{
		{"expired", validity{now.Add(-48 * time.Hour), now.Add(-time.Hour)}, "expired on " + stamp(now.Add(-time.Hour)) + ": renew it"},
		{"not yet valid", validity{now.Add(time.Hour), now.Add(48 * time.Hour)}, "is not valid before " + stamp(now.Add(time.Hour))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			put := func(c testCert) {
				writeFile(t, certFile, c.certPEM)
				writeFile(t, keyFile, c.keyPEM)
			}
			odd := newCertValid(t, tt.validity, "ftp.example.com")
			put(odd)
			if _, err := Files(certFile, keyFile); err == nil || !strings.Contains(err.Error(), "certificate "+certFile+" "+tt.want) {
				t.Errorf("at the start: %v", err)
			}
			put(good)
			src, err := Files(certFile, keyFile)
			if err != nil {
				t.Fatal(err)
			}
			if got := src.(Warner).Warning(now); got != "" {
				t.Errorf("the warning is %q", got)
			}
			end := good.cert.Leaf.NotAfter
			if got := src.(Warner).Warning(end.Add(time.Minute)); !strings.Contains(got, "expired on "+stamp(end)) || !strings.Contains(got, "shown all the same") {
				t.Errorf("the warning is %q", got)
			}

			put(odd)
			if changed, err := src.(Reloader).Reload(); changed || err == nil || !strings.Contains(err.Error(), certFile+" "+tt.want) {
				t.Errorf("in place of a valid one: changed %t, %v", changed, err)
			}
			if !bytes.Equal(served(t, src), good.fingerprint()) {
				t.Error("the valid one is given up")
			}
		})
	}
}

// Two weeks before the end somebody has to hear of it; of certificates with a
// short life, in its last quarter.
func TestWarningBeforeTheEnd(t *testing.T) {
	end := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		life, left time.Duration
		warned     bool
	}{
		{90 * 24 * time.Hour, 15 * 24 * time.Hour, false},
		{90 * 24 * time.Hour, 13 * 24 * time.Hour, true},
		{8 * 24 * time.Hour, 3 * 24 * time.Hour, false},
		{8 * 24 * time.Hour, 24 * time.Hour, true},
	} {
		c := newCertValid(t, validity{end.Add(-tt.life), end}, "ftp.example.com")
		got := validityWarning("it", c.cert.Leaf, end.Add(-tt.left))
		if want := "it expires on " + stamp(end) + ": renew it"; (got == want) != tt.warned || !tt.warned && got != "" {
			t.Errorf("of %v %v are left: %q", tt.life, tt.left, got)
		}
	}
}

// Of certificates for one name the one that is valid is shown, wherever it stands.
func TestSelectPassesOverExpired(t *testing.T) {
	now := time.Now()
	expired := newCertValid(t, validity{now.Add(-2 * time.Hour), now.Add(-time.Hour)}, "ftp.example.com", "old.example.com")
	good := newCert(t, "ftp.example.com")
	src := Select(expired.source(), good.source())
	for name, want := range map[string]testCert{"": good, "ftp.example.com": good, "old.example.com": expired, "x.example.com": good} {
		cert, err := src.Certificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil || !bytes.Equal(cert.Certificate[0], want.fingerprint()) {
			t.Errorf("%q: the wrong one, %v", name, err)
		}
	}
}

// One that the program makes itself it also makes anew.
func TestSelfSignedIsRenewedWhileServed(t *testing.T) {
	dir := t.TempDir()
	names := []string{"localhost"}
	made := func(at time.Time) {
		data, err := makeSelfSigned(names, at)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, selfSignedName(names)), data)
	}
	s, err := SelfSignedUnkept(dir, names)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Reload(); changed || err != nil || newTerminator(t, s, nil).Ready() {
		t.Errorf("before it is kept: %t, %v", changed, err)
	}
	made(time.Now())
	if err := s.Keep(); err != nil {
		t.Fatal(err)
	}
	first := served(t, s)
	if changed, err := s.Reload(); changed || err != nil || !bytes.Equal(served(t, s), first) {
		t.Errorf("without need: %t, %v", changed, err)
	}
	old, err := makeSelfSigned(names, time.Now().Add(-selfSignedLife+selfSignedRest-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(old, old)
	if err != nil {
		t.Fatal(err)
	}
	s.cert.Store(&pair)
	made(time.Now().Add(-selfSignedLife + selfSignedRest - time.Hour))
	if changed, err := s.Reload(); !changed || err != nil || s.Warning(time.Now()) != "" {
		t.Errorf("in its last month: %t, %v", changed, err)
	}
	if left := time.Until(leafFrom(t, s).NotAfter); left < selfSignedRest {
		t.Errorf("%v are left of the new one", left)
	}
}
