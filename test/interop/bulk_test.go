package interop

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestGibibyte sends a file of 1 GiB up and down again and compares hashes: what
// was sent, what lies on the server's disk, what came back.
func TestGibibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a gibibyte of disk")
	}
	tests := []struct {
		server     servers.Kind
		client     clients.Streamer
		protection clients.TLS
	}{
		{servers.VSFTPD, clients.NewCurl(t), clients.Explicit},
		{servers.ProFTPD, clients.NewJlaffaye(), clients.Implicit},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s/%s", tt.server, tt.client.Name()), func(t *testing.T) {
			t.Parallel()
			pki := machine.NewPKI(t)
			server := servers.Start(t, tt.server, servers.Options{})
			p := startProxy(t, front{server: server, address: loopbacks()[0], pki: &pki})
			thereAndBack(t, server, tt.client, p.target(tt.protection))
			p.settled(t)
		})
	}
}

func thereAndBack(t *testing.T, server *servers.Server, client clients.Streamer, target clients.Target) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sent, stored, received := sha256.New(), sha256.New(), sha256.New()
	file := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), 1<<30), sent)
	if err := client.UploadFrom(ctx, target, "gibibyte", file); err != nil {
		t.Fatal(err)
	}
	disk, err := os.Open(server.Path("gibibyte"))
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	size, err := io.Copy(stored, disk)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.DownloadTo(ctx, target, "gibibyte", received); err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(sent.Sum(nil))
	if got := hex.EncodeToString(stored.Sum(nil)); size != 1<<30 || got != want {
		t.Errorf("on the server's disk: %d bytes, SHA-256 %s; want 1 GiB, %s", size, got, want)
	}
	if got := hex.EncodeToString(received.Sum(nil)); got != want {
		t.Errorf("came back: SHA-256 %s, want %s", got, want)
	}
}

// TestThousandFiles has each client upload a thousand small files in one session,
// and fetch some of them. vsftpd and ProFTPD take no data connection then unless
// it resumes the control connection's TLS session, in either version.
func TestThousandFiles(t *testing.T) {
	tests := []struct {
		client     clients.Client
		server     servers.Kind
		protection clients.TLS
		version    uint16 // of TLS towards the server; 0: none
	}{
		{clients.NewCurl(t), servers.VSFTPD, clients.Implicit, tls.VersionTLS13},
		{clients.NewLFTP(t), servers.ProFTPD, clients.Explicit, tls.VersionTLS12},
		{clients.NewJlaffaye(), servers.VSFTPD, clients.Explicit, tls.VersionTLS12},
		{clients.NewJlaffaye(), servers.ProFTPD, clients.Implicit, tls.VersionTLS13},
		{clients.NewTNFTP(t), servers.PureFTPd, clients.Plain, 0},
		{clients.NewFtplib(t), servers.Pyftpdlib, clients.Explicit, 0},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s/%s", tt.server, tt.client.Name()), func(t *testing.T) {
			t.Parallel()
			pki := machine.NewPKI(t)
			var o servers.Options
			if tt.version != 0 {
				o.TLS = &servers.TLS{Cert: pki.Cert, Key: pki.Key, Reuse: true, Max: tt.version}
			}
			server := servers.Start(t, tt.server, o)
			p := startProxy(t, front{server: server, address: loopbacks()[0], tls: clearAllowed, pki: &pki})
			thousandFiles(t, server, tt.client, p.target(tt.protection))
			p.settled(t)
		})
	}
}

func thousandFiles(t *testing.T, server *servers.Server, client clients.Client, target clients.Target) {
	t.Helper()
	e := &exercise{t: t, server: server, client: client, target: target, local: t.TempDir(), folder: "many"}
	server.Mkdir(t, e.folder)
	for i := range 1000 {
		e.upload(fmt.Sprintf("file-%04d", i), noise(uint64(i), 10+i))
	}
	for i := 0; i < 1000; i += 100 {
		name := fmt.Sprintf("file-%04d", i)
		local := filepath.Join(e.local, "back-"+name)
		e.step(clients.Step{Op: clients.Download, Local: local, Remote: e.remote(name)})
		e.wantFile(local, noise(uint64(i), 10+i))
	}
	listing := filepath.Join(e.local, "names")
	e.step(clients.Step{Op: clients.NameList, Local: listing, Remote: e.folder})
	e.wantListed(listing, "file-0000", "file-0500", "file-0999")
	e.run()
}
