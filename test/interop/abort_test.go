package interop

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestABORBehindCommands ends downloads by an ABOR that was said together with other
// commands: each of these has its reply, in order, and ABOR has one or shares that of
// the transfer, whatever the server makes of it. vsftpd hears none of them before the
// data connection breaks, Pure-FTPd refuses what comes during a transfer, ProFTPD and
// pyftpdlib answer at once.
func TestABORBehindCommands(t *testing.T) {
	for i, kind := range servers.All() {
		private := i%2 == 0
		t.Run(fmt.Sprintf("%s private %v", kind, private), func(t *testing.T) {
			t.Parallel()
			pki := machine.NewPKI(t)
			var o servers.Options
			if private {
				o.TLS = &servers.TLS{Cert: pki.Cert, Key: pki.Key, Reuse: servers.InsistsOnReuse(kind)}
			}
			server := servers.Start(t, kind, o)
			block := noise(37, 1<<20)
			putBlocks(t, server, block, 30)
			server.Put(t, "small", "small")
			p := startProxy(t, front{server: server, address: loopbacks()[0], tls: clearAllowed, pki: &pki})
			k := p.talk(t, private)
			for _, n := range []int{0, 1, 3, 100} {
				abortsBehind(t, k, n)
				data := k.data()
				k.begins("RETR small")
				if got, err := io.ReadAll(data); err != nil || string(got) != "small" {
					t.Errorf("the next download is %q, %v", got, err)
				}
				k.hear(226)
			}
			k.do(221, "QUIT")
			p.settled(t)
		})
	}
}

// abortsBehind breaks a download off by n NOOP, ABOR and SYST, said together.
func abortsBehind(t *testing.T, k *talker, n int) {
	t.Helper()
	data := k.data()
	k.begins("RETR large")
	if _, err := io.ReadFull(data, make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	if err := k.say(strings.Repeat("NOOP\r\n", n) + "ABOR\r\nSYST"); err != nil {
		t.Fatal(err)
	}
	var codes []int
	for len(codes) == 0 || codes[len(codes)-1] != 215 {
		code, text, err := k.reply()
		if err != nil {
			t.Fatalf("after %d: %q, %v", codes, text, err)
		}
		codes = append(codes, code)
	}
	if rest := len(codes) - 1 - n; rest != 1 && rest != 2 {
		t.Errorf("%d are the replies to RETR, %d NOOP, ABOR and SYST", codes, n)
	}
	end := slices.IndexFunc(codes, func(code int) bool { return slices.Contains([]int{225, 226, 426, 451}, code) })
	if end < 0 {
		t.Errorf("%d: none of them ends the transfer", codes)
	}
	if _, err := io.Copy(io.Discard, data); err == nil {
		t.Error("the download has ended cleanly")
	}
	t.Log(codes)
}
