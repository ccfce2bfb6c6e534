package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestFtplibExample runs the lines that most Python programs have for FTPS, with
// the default settings of the proxy.
func TestFtplibExample(t *testing.T) {
	python := clients.NewFtplib(t)
	for _, kind := range servers.All() {
		for _, address := range loopbacks() {
			t.Run(fmt.Sprintf("%s/%s", kind, family(address)), func(t *testing.T) {
				t.Parallel()
				needAddress(t, address)
				server := servers.Start(t, kind, servers.Options{Address: address})
				p := startProxy(t, front{server: server, address: address})
				upload, download := noise(5, 100_003), noise(6, 100_019)
				server.Put(t, "download.txt", string(download))
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "upload.txt"), upload, 0o600); err != nil {
					t.Fatal(err)
				}
				listing, err := python.Example(t.Context(), p.target(clients.Explicit), dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{"upload.txt", "download.txt"} {
					if !strings.Contains(listing, name) {
						t.Errorf("the listing lacks %s:\n%s", name, listing)
					}
				}
				wantContent(t, server.Path("upload.txt"), upload)
				wantContent(t, filepath.Join(dir, "download.txt"), download)
				p.settled(t)
			})
		}
	}
}

// TestSelfSigned has a client work that trusts the certificate which the proxy
// has made for itself, and no other.
func TestSelfSigned(t *testing.T) {
	t.Parallel()
	server := servers.Start(t, servers.Pyftpdlib, servers.Options{})
	p := startProxy(t, front{server: server, address: loopbacks()[0]})
	target := p.target(clients.Implicit)
	target.CA = filepath.Join(t.TempDir(), "shown.pem")
	machine.WritePEM(t, target.CA, "CERTIFICATE", shownCertificate(t, target.Addr.String()))
	doEverything(t, server, clients.NewJlaffaye(), target)
	doEverything(t, server, clients.NewLFTP(t), target)
	p.settled(t)

	other := machine.NewPKI(t)
	target.CA = other.CA
	if _, err := clients.NewJlaffaye().Run(t.Context(), target, nil); err == nil {
		t.Error("a client that trusts another certificate has logged in")
	}
}

// shownCertificate is what an implicit listener shows to somebody who asks for
// no name in particular.
func shownCertificate(t *testing.T, addr string) []byte {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // to look, not to trust
	c, err := dialer.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
}

func wantContent(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("%q has %d bytes that differ from the %d expected", filepath.Base(path), len(got), len(want))
	}
}
