package interop

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
)

// A talker is a client that says one command after the other, whatever else is
// going on: no program does what is asked of it here.
type talker struct {
	t      *testing.T
	target clients.Target
	tls    *tls.Config
	conn   net.Conn
	reader *bufio.Reader
}

// talk logs in over explicit TLS, with private data connections or clear ones.
func (p *proxy) talk(t *testing.T, private bool) *talker {
	t.Helper()
	k := p.greet(t)
	k.do(331, "USER "+k.target.User)
	k.do(230, "PASS "+k.target.Password)
	k.do(200, "PBSZ 0")
	if private {
		k.do(200, "PROT P")
	} else {
		k.tls = nil
		k.do(200, "PROT C")
	}
	k.do(200, "TYPE I")
	return k
}

// greet opens a control connection and starts TLS.
func (p *proxy) greet(t *testing.T) *talker {
	t.Helper()
	target := p.target(clients.Explicit)
	tcp, err := net.Dial("tcp", target.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	// Only ever reached when something hangs.
	if err := tcp.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	k := &talker{t: t, target: target, conn: tcp, reader: bufio.NewReader(tcp)}
	k.tls = &tls.Config{RootCAs: p.pki.Pool(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	k.hear(220)
	k.do(234, "AUTH TLS")
	k.conn = tls.Client(tcp, k.tls)
	k.reader = bufio.NewReader(k.conn)
	return k
}

func (k *talker) do(code int, line string) string {
	k.t.Helper()
	if err := k.say(line); err != nil {
		k.t.Fatalf("%s: %v", line, err)
	}
	return k.hear(code)
}

func (k *talker) say(line string) error {
	_, err := k.conn.Write([]byte(line + "\r\n"))
	return err
}

// begins says a transfer command and wants its preliminary reply.
func (k *talker) begins(line string) {
	k.t.Helper()
	if err := k.say(line); err != nil {
		k.t.Fatalf("%s: %v", line, err)
	}
	if code, text, err := k.reply(); err != nil || code/100 != 1 {
		k.t.Fatalf("%s: heard %q, %v; want a preliminary reply", line, text, err)
	}
}

// hear wants a reply of that code.
func (k *talker) hear(code int) string {
	k.t.Helper()
	got, text, err := k.reply()
	if err != nil || got != code {
		k.t.Fatalf("heard %q, %v; want %d", text, err, code)
	}
	return text
}

// reply reads one whole reply.
func (k *talker) reply() (code int, text string, err error) {
	first := ""
	for {
		line, err := k.reader.ReadString('\n')
		text += line
		if err != nil {
			return 0, text, err
		}
		if first == "" && len(line) > 3 {
			first = line[:3]
		}
		if strings.HasPrefix(line, first+" ") {
			code, err = strconv.Atoi(first)
			return code, text, err
		}
	}
}

// data opens a data connection; its handshake is made by the first Read or Write.
func (k *talker) data() net.Conn {
	k.t.Helper()
	return k.dial(k.do(229, "EPSV"))
}

// dial opens the data connection of a 229 or a 227.
func (k *talker) dial(text string) net.Conn {
	k.t.Helper()
	var port, high, low uint16
	if _, numbers, extended := strings.Cut(text, "(|||"); extended {
		_, _ = fmt.Sscanf(numbers, "%d|", &port)
	} else if fields := strings.Split(text, ","); len(fields) == 6 {
		_, _ = fmt.Sscanf(fields[4]+" "+fields[5], "%d %d)", &high, &low)
		port = high<<8 | low
	}
	tcp, err := net.Dial("tcp", netip.AddrPortFrom(k.target.Addr.Addr(), port).String())
	if err != nil {
		k.t.Fatalf("%q: %v", text, err)
	}
	k.t.Cleanup(func() { tcp.Close() })
	if k.tls == nil {
		return tcp
	}
	return tls.Client(&badRecords{TCPConn: tcp.(*net.TCPConn)}, k.tls)
}
