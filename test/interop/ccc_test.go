package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestCCC has Python's ftplib, on OpenSSL, end TLS on its control connection and
// move files whose data connections stay private. lftp, the other client here
// that knows CCC, cannot be had for this: see DESIGN.md of proxy.
func TestCCC(t *testing.T) {
	for _, mode := range []string{"passive", "active"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			python := clients.NewFtplib(t)
			server := servers.Start(t, servers.VSFTPD, servers.Options{})
			pki := newPKI(t)
			p := startProxy(t, front{server: server, address: loopbacks()[0], tls: `ccc = "allow"`, pki: &pki})
			target := p.target(clients.Explicit)
			target.Active = mode == "active"

			dir := t.TempDir()
			up, down := filepath.Join(dir, "up.bin"), filepath.Join(dir, "down.bin")
			sent, kept := noise(21, 300_007), noise(22, 300_011)
			if err := os.WriteFile(up, sent, 0o600); err != nil {
				t.Fatal(err)
			}
			server.Put(t, "kept.bin", string(kept))
			said, err := python.CCC(t.Context(), target, up, down)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(said, "*cmd* 'CCC'") {
				t.Errorf("CCC was not sent:\n%s", said)
			}
			wantContent(t, server.Path("up.bin"), sent)
			wantContent(t, down, kept)
			p.settled(t)
		})
	}
}
