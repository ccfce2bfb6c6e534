package interop

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// A cccClient is one that does an upload and a download after CCC.
type cccClient struct {
	name   string
	active bool
	run    func(context.Context, clients.Target, []clients.Step) (string, error)
}

// cccClients are all that know CCC, in the ways in which they end TLS: ftplib and
// lftp send their close_notify first, curl waits for the server's and answers it
// or not.
func cccClients(t *testing.T) []cccClient {
	t.Helper()
	curl := func(first bool) func(context.Context, clients.Target, []clients.Step) (string, error) {
		return func(ctx context.Context, target clients.Target, steps []clients.Step) (string, error) {
			return clients.NewCurl(t).CCC(ctx, target, first, steps)
		}
	}
	ftplib, lftp := clients.NewFtplib(t).CCC, clients.NewLFTP(t).CCC
	return []cccClient{
		{"ftplib, passive", false, ftplib},
		{"ftplib, active", true, ftplib},
		{"lftp, passive", false, lftp},
		{"lftp, active", true, lftp},
		// On an implicit connection lftp waits for the server's close_notify, but must
		// not find it together with the 200: that is a matter of time.
		{"curl, passive CCC", false, curl(false)},
		// In active mode curl 7.88 sends data in clear text after CCC.
		{"curl, active CCC", false, curl(true)},
	}
}

// TestCCC has clients end TLS on their control connection and move files whose
// data connections stay private.
func TestCCC(t *testing.T) {
	for _, c := range cccClients(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := servers.Start(t, servers.VSFTPD, servers.Options{})
			pki := machine.NewPKI(t)
			p := startProxy(t, front{server: server, address: loopbacks()[0], tls: `ccc = "allow"`, pki: &pki})
			target := p.target(clients.Explicit)
			target.Active = c.active

			dir := t.TempDir()
			up, down := filepath.Join(dir, "up.bin"), filepath.Join(dir, "down.bin")
			sent, kept := noise(21, 300_007), noise(22, 300_011)
			if err := os.WriteFile(up, sent, 0o600); err != nil {
				t.Fatal(err)
			}
			server.Put(t, "kept.bin", string(kept))
			said, err := c.run(t.Context(), target, []clients.Step{
				{Op: clients.Upload, Local: up, Remote: "up.bin"},
				{Op: clients.Download, Local: down, Remote: "kept.bin"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(said, "CCC") || !strings.Contains(said, "200 The control connection goes on in clear text.") {
				t.Errorf("CCC was not said, or not answered:\n%s", said)
			}
			wantContent(t, server.Path("up.bin"), sent)
			wantContent(t, down, kept)
			p.settled(t)
		})
	}
}
