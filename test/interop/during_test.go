package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// large is the size of the file during which commands are sent: 500 MB to and from
// two servers, less with the others, which a slow machine is spared.
func large(kind servers.Kind) int {
	if kind == servers.VSFTPD || kind == servers.ProFTPD {
		return 500 << 20
	}
	return 50 << 20
}

// TestCommandsDuringALargeTransfer sends NOOP, STAT and a command that nobody
// knows every 10 ms while 500 MB go up or down: the file arrives whole, and every
// command gets its reply, in order. The servers differ: vsftpd answers after the
// file, ProFTPD and pyftpdlib at once, Pure-FTPd with 500 whatever it is, and with
// one 500 for all that it reads together, so that the proxy sends it one at a time.
//
// Clear is clear on both sides, which the kernel splices; private is TLS on both.
func TestCommandsDuringALargeTransfer(t *testing.T) {
	if testing.Short() {
		t.Skip("moves some gigabytes")
	}
	for i, kind := range servers.All() {
		for _, upload := range []bool{false, true} {
			// Every server sees both directions and both protections, all of
			// them together every pair.
			private := upload == (i%2 == 0)
			name := fmt.Sprintf("%s %s %s", kind, map[bool]string{false: "clear", true: "private"}[private],
				map[bool]string{false: "download", true: "upload"}[upload])
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				pki := machine.NewPKI(t)
				var o servers.Options
				if private {
					o.TLS = &servers.TLS{Cert: pki.Cert, Key: pki.Key, Reuse: servers.InsistsOnReuse(kind)}
				}
				server := servers.Start(t, kind, o)
				p := startProxy(t, front{server: server, address: loopbacks()[0], tls: clearAllowed, pki: &pki})
				commandsDuring(t, server, p.talk(t, private), upload)
				p.settled(t)
			})
		}
	}
}

func commandsDuring(t *testing.T, server *servers.Server, k *talker, upload bool) {
	t.Helper()
	block := noise(31, 1<<20)
	blocks := large(server.Kind) / len(block)
	command, move := "STOR large", func(c net.Conn) error { return sendBlocks(c, block, blocks) }
	if !upload {
		putBlocks(t, server, block, blocks)
		command, move = "RETR large", func(c net.Conn) error { return receiveBlocks(c, block, blocks) }
	}
	data := k.data()
	k.begins(command)
	over := make(chan struct{})
	moved := make(chan error, 1)
	go func() {
		moved <- move(data)
		close(over)
	}()
	c := &chat{talker: k, kind: server.Kind, over: over, sent: make(chan int, 1)}
	go c.run()
	c.hearsAll()
	if err := <-moved; err != nil {
		t.Error(err)
	}
	if upload {
		wantBlocks(t, server, block, blocks)
	}
	k.do(221, "QUIT")
}

// A chat is what is said and heard beside a transfer.
type chat struct {
	*talker
	kind servers.Kind
	over <-chan struct{} // the file is through
	sent chan int        // how many commands there were, in the end
}

// run says one command every 10 ms until the file is through.
func (c *chat) run() {
	n := 0
	defer func() { c.sent <- n }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; ; n++ {
		select {
		case <-c.over:
			return
		case <-tick.C:
		}
		if err := c.say(small(n)); err != nil {
			c.t.Errorf("after %d commands: %v", n, err)
			return
		}
	}
}

// small is the nth command.
func small(n int) string { return []string{"NOOP", "STAT", "XYZZY"}[n%3] }

// answers are the codes with which servers answer the nth command.
func answers(kind servers.Kind, n int) []int {
	codes := [][]int{{200}, {211, 213}, {500}}[n%3]
	if kind == servers.PureFTPd {
		codes = append(codes, 500) // to whatever comes during a transfer
	}
	return codes
}

// hearsAll wants the reply to each command in its order, and the transfer's 226
// somewhere among them.
func (c *chat) hearsAll() {
	c.t.Helper()
	n, finals := 0, 0
	for total := -1; n != total || finals == 0; {
		if total < 0 && finals > 0 {
			total = <-c.sent
			continue
		}
		code, text, err := c.reply()
		if err != nil {
			c.t.Fatalf("after %d replies: %v", n, err)
		}
		switch {
		case code == 226:
			finals++
		case slices.Contains(answers(c.kind, n), code):
			n++
		default:
			c.t.Fatalf("%q answers command %d, %s", text, n, small(n))
		}
	}
	if finals != 1 {
		c.t.Errorf("226 came %d times", finals)
	}
	c.t.Logf("%d commands", n)
}

func sendBlocks(c net.Conn, block []byte, blocks int) error {
	for range blocks {
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	return c.Close()
}

func receiveBlocks(c net.Conn, block []byte, blocks int) error {
	defer c.Close()
	return compareBlocks(c, block, blocks)
}

// compareBlocks reads the large file to its end.
func compareBlocks(r io.Reader, block []byte, blocks int) error {
	got := make([]byte, len(block))
	for n := 0; ; n++ {
		_, err := io.ReadFull(r, got)
		switch {
		case errors.Is(err, io.EOF) && n == blocks:
			return nil
		case err != nil:
			return fmt.Errorf("after %d of %d blocks: %w", n, blocks, err)
		case !bytes.Equal(got, block):
			return fmt.Errorf("block %d differs", n)
		}
	}
}

func putBlocks(t *testing.T, server *servers.Server, block []byte, blocks int) {
	t.Helper()
	server.Put(t, "large", "")
	file, err := os.OpenFile(server.Path("large"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for range blocks {
		if _, err := file.Write(block); err != nil {
			t.Fatal(err)
		}
	}
}

func wantBlocks(t *testing.T, server *servers.Server, block []byte, blocks int) {
	t.Helper()
	file, err := os.Open(server.Path("large"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := compareBlocks(file, block, blocks); err != nil {
		t.Errorf("on the server's disk: %v", err)
	}
}
