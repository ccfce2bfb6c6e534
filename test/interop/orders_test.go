package interop

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestOrders has a client say what it may say in every order that is legal, one
// by one and in one segment, and its whole login in one segment, to every server,
// with TLS towards it and without, whoever opens the data connections there.
func TestOrders(t *testing.T) {
	for _, kind := range servers.All() {
		for _, private := range []bool{false, true} {
			for _, mode := range []string{"passive", "active"} {
				upstream := map[bool]string{false: "clear", true: "private"}[private]
				t.Run(fmt.Sprintf("%s %s %s", kind, upstream, mode), func(t *testing.T) {
					t.Parallel()
					pki := machine.NewPKI(t)
					var o servers.Options
					if private {
						o.TLS = &servers.TLS{Cert: pki.Cert, Key: pki.Key, Reuse: servers.InsistsOnReuse(kind)}
					}
					server := servers.Start(t, kind, o)
					p := startProxy(t, front{server: server, address: loopbacks()[0], dataMode: mode, pki: &pki})
					content := noise(51, 100_003)
					server.Put(t, "file", string(content))
					k := pipelinedLogin(t, p, content)
					for _, order := range restarts() {
						k.restarts(order, content, false)
						k.restarts(order, content, true)
					}
					k.do(221, "QUIT")
					p.settled(t)
				})
			}
		}
	}
}

// pipelinedLogin says everything from USER to the first transfer in one write.
func pipelinedLogin(t *testing.T, p *proxy, content []byte) *talker {
	t.Helper()
	k := p.greet(t)
	lines := []string{
		"USER " + k.target.User, "PASS " + k.target.Password, "PBSZ 0", "PROT P", "TYPE I", "EPSV", "RETR file",
	}
	if err := k.say(strings.Join(lines, "\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{331, 230, 200, 200, 200} {
		k.hear(code)
	}
	k.fetches(k.hear(229), content)
	return k
}

// restarts lists the orders of a restarted download. REST holds for the next
// transfer (RFC 3659 §5.3), and what opens the data connection may stand on
// either side of it; so may TYPE, which many clients say before each transfer.
func restarts() [][]string {
	return [][]string{
		{"REST", "EPSV", "RETR"},
		{"REST", "PASV", "RETR"},
		{"EPSV", "REST", "RETR"},
		{"PASV", "REST", "RETR"},
		{"TYPE", "REST", "PASV", "RETR"},
		{"TYPE", "PASV", "REST", "RETR"},
		{"PASV", "TYPE", "REST", "RETR"},
		{"EPSV", "RETR"}, // no restart is left over
	}
}

// restarts downloads the end of the file.
func (k *talker) restarts(order []string, content []byte, pipelined bool) {
	k.t.Helper()
	const offset = 60_001
	full := map[string]string{
		"REST": fmt.Sprint("REST ", offset), "TYPE": "TYPE I", "RETR": "RETR file", "EPSV": "EPSV", "PASV": "PASV",
	}
	codes := map[string]int{"REST": 350, "TYPE": 200, "EPSV": 229, "PASV": 227}
	var lines []string
	for _, verb := range order {
		lines = append(lines, full[verb])
	}
	if pipelined {
		if err := k.say(strings.Join(lines, "\r\n")); err != nil {
			k.t.Fatal(err)
		}
	}
	opened := ""
	for i, verb := range order[:len(order)-1] {
		if !pipelined {
			if err := k.say(lines[i]); err != nil {
				k.t.Fatal(err)
			}
		}
		if text := k.hear(codes[verb]); verb == "EPSV" || verb == "PASV" {
			opened = text
		}
	}
	if !pipelined {
		if err := k.say("RETR file"); err != nil {
			k.t.Fatal(err)
		}
	}
	want := content
	if len(order) > 2 {
		want = content[offset:]
	}
	k.fetches(opened, want)
}

// fetches takes in a download that has been asked for.
func (k *talker) fetches(opened string, want []byte) {
	k.t.Helper()
	data := k.dial(opened)
	defer data.Close()
	if code, text, err := k.reply(); err != nil || code/100 != 1 {
		k.t.Fatalf("heard %q, %v; want a preliminary reply", text, err)
	}
	got, err := io.ReadAll(data)
	if err != nil || !bytes.Equal(got, want) {
		k.t.Errorf("%d bytes came, %v; want %d", len(got), err, len(want))
	}
	k.hear(226)
}
