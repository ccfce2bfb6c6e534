package interop

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// incomingOnly allows work below one folder of the server. Its only argument is where
// a login starts.
const incomingOnly = `
  rule "usual" {
    commands = ["@login", "@session", "@data", "@navigate"]
    action   = "allow"
  }
  rule "incoming" {
    commands = ["@list", "@read", "@write", "@rename", "@delete", "@mkdir"]
    paths    = ["%[1]s/incoming/**"]
    action   = "allow"
  }
`

// guarded is a server behind that policy, with two folders and a symbolic link from
// each into the other.
func guarded(t *testing.T, kind servers.Kind) (*proxy, *servers.Server) {
	t.Helper()
	server := servers.Start(t, kind, servers.Options{})
	for _, folder := range []string{"incoming", "finance"} {
		server.Mkdir(t, folder)
		server.Put(t, folder+"/kept.csv", "kept in "+folder)
	}
	for link, to := range map[string]string{"incoming/outwards": "../finance", "finance/inwards": "../incoming"} {
		if err := os.Symlink(to, server.Path(link)); err != nil {
			t.Fatal(err)
		}
	}
	pki := machine.NewPKI(t)
	return startProxy(t, front{server: server, address: loopbacks()[0], pki: &pki, policy: fmt.Sprintf(incomingOnly, home(server))}), server
}

// home is the folder where a login starts, as the server calls it.
func home(server *servers.Server) string {
	if os.Getuid() == 0 && server.Kind != servers.VSFTPD {
		return "" // in a chroot
	}
	return server.Root
}

// contents are the files below a folder of the server, and what is in them.
func contents(t *testing.T, server *servers.Server, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(server.Path(folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			found[path] = entry.Type().String()
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A policy in front of real servers: what it allows is done, through symbolic links
// and by relative paths as well, and what it denies leaves the server as it was.
func TestPolicyBeforeRealServers(t *testing.T) {
	for _, kind := range []servers.Kind{servers.VSFTPD, servers.ProFTPD} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			python := clients.NewFtplib(t)
			p, server := guarded(t, kind)
			finance := contents(t, server, "finance")
			at := home(server)
			talk := []struct{ line, reply string }{
				{"CWD incoming", "250"},
				{"STOR a.txt", "226"},
				{"RETR a.txt", "226"},
				{"LIST", "226"},
				{"LIST -la", "226"},
				{"MKD sub", "257"},
				{"CWD sub", "250"},
				{"STOR ../b.txt", "226"},
				{"STOR ../../finance/b.txt", "550"},
				{"RNFR ../b.txt", "350"},
				{"RNTO ../../finance/b.txt", "550"},
				{"RNTO ../../finance/b.txt", "550"},
				{"RNFR ../b.txt", "350"},
				{"RNTO c.txt", "250"},
				{"CDUP", "2"},
				{"DELE sub/c.txt", "250"},
				{"RETR ../finance/kept.csv", "550"},
				{"RETR " + at + "/finance/kept.csv", "550"},
				{"STOR " + at + "//finance/./kept.csv", "550"},
				{"APPE ../finance/kept.csv", "550"},
				{"DELE ../finance/kept.csv", "550"},
				{"RNFR ../finance/kept.csv", "550"},
				{"RNTO d.txt", "550"},
				{"LIST ../finance", "550"},
				{"LIST -la ../finance", "550"},
				{"STAT ../finance", "550"},
				{"MDTM 20010101000000 ../finance/kept.csv", "550"},
				{"MDTM 2xxxxxxx ../finance/kept.csv", "550"}, // a time to vsftpd
				{"MDTM 20010101 ../finance/kept.csv", "550"},
				{"SITE CHMOD 777 ../finance/kept.csv", "550"},
				{"CWD ../finance", "250"},
				{"STOR kept.csv", "550"},
				{"STOU", "550"},
				{"DELE kept.csv", "550"},
				{"LIST", "550"},

				// The link leads back to where everything is allowed.
				{"CWD inwards", "250"},
				{"STOR through-the-link.txt", "226"},

				// The other leads to where nothing is.
				{"CWD " + at + "/incoming/outwards", "250"},
				{"STOR kept.csv", "550"},
				{"DELE kept.csv", "550"},
				{"RETR kept.csv", "550"},
				{"NOOP", "200"},
			}
			var lines []string
			for _, step := range talk {
				lines = append(lines, step.line)
			}
			ctx, cancel := context.WithTimeout(t.Context(), sessionTime)
			defer cancel()
			replies, err := python.Commands(ctx, p.target(clients.Explicit), lines)
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range talk {
				if !strings.HasPrefix(replies[i], step.reply) {
					t.Errorf("%s: %q instead of %s", step.line, replies[i], step.reply)
				}
			}
			if now := contents(t, server, "finance"); !maps.Equal(now, finance) {
				t.Errorf("finance has changed from %q to %q", finance, now)
			}
			for _, name := range []string{"a.txt", "through-the-link.txt"} {
				wantContent(t, server.Path("incoming/"+name), []byte("from the client"))
			}
			p.settled(t)
		})
	}
}

// Pure-FTPd drops a byte of the path behind an option of NLST and MLSD, and takes what
// an earlier command has left when there is no path: neither gets round a policy.
func TestPolicyBeforePureFTPd(t *testing.T) {
	t.Parallel()
	python := clients.NewFtplib(t)
	p, _ := guarded(t, servers.PureFTPd)
	talk := []struct{ line, reply string }{
		{"CWD incoming", "250"},
		{"LIST -a", "226"},
		{"NLST", "226"},
		{"NLST .", "226"},
		{"MLSD", "226"},
		{"NLST -a ..", "550"},
		{"NLST -a x../finance", "550"},
		{"NLST -a x/finance", "550"},
		{"MLSD -a x/finance", "550"},
		{"NOOP 34 ../finance", "200"},
		{"NLST -a", "550"},
		{"MLSD -a", "550"},
		{"STAT ../fin*", "550"},
		{"STAT -R../", "550"},
		{"LIST -l/finance", "550"},
		{"NOOP", "200"},
	}
	var lines []string
	for _, step := range talk {
		lines = append(lines, step.line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), sessionTime)
	defer cancel()
	replies, err := python.Commands(ctx, p.target(clients.Explicit), lines)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range talk {
		if !strings.HasPrefix(replies[i], step.reply) {
			t.Errorf("%s: %q instead of %s", step.line, replies[i], step.reply)
		}
	}
	p.settled(t)
}

// Clients that speak TLS do all their work where they may.
func TestClientsUnderAPolicy(t *testing.T) {
	for _, client := range []clients.Client{clients.NewCurl(t), clients.NewLFTP(t), clients.NewFtplib(t), clients.NewJlaffaye()} {
		t.Run(client.Name(), func(t *testing.T) {
			t.Parallel()
			p, server := guarded(t, servers.VSFTPD)
			local := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(local, []byte("from the client"), 0o600); err != nil {
				t.Fatal(err)
			}
			finance := contents(t, server, "finance")
			ctx, cancel := context.WithTimeout(t.Context(), sessionTime)
			defer cancel()
			_, err := client.Run(ctx, p.target(clients.Explicit), []clients.Step{
				{Op: clients.Mkdir, Remote: "incoming/sub"},
				{Op: clients.Upload, Local: local, Remote: "incoming/sub/a.txt"},
				{Op: clients.Rename, Remote: "incoming/sub/a.txt", To: "incoming/b.txt"},
				{Op: clients.List, Local: local + ".list", Remote: "incoming"},
				{Op: clients.Download, Local: local + ".down", Remote: "incoming/kept.csv"},
			})
			if err != nil {
				t.Fatal(err)
			}
			wantContent(t, server.Path("incoming/b.txt"), []byte("from the client"))
			wantContent(t, local+".down", []byte("kept in incoming"))
			for _, denied := range []clients.Step{
				{Op: clients.Upload, Local: local, Remote: "finance/a.txt"},
				{Op: clients.Delete, Remote: "finance/kept.csv"},
				{Op: clients.Rename, Remote: "incoming/b.txt", To: "finance/b.txt"},
			} {
				more, err := client.Run(ctx, p.target(clients.Explicit), []clients.Step{denied})
				if said := fmt.Sprint(more, err); !strings.Contains(said, "550") {
					t.Errorf("%+v: no 550 in\n%s", denied, said)
				}
			}
			if now := contents(t, server, "finance"); !maps.Equal(now, finance) {
				t.Errorf("finance has changed from %q to %q", finance, now)
			}
			p.settled(t)
		})
	}
}
