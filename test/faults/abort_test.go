package faults

import (
	"crypto/tls"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// urgent sends the last byte of every write as TCP urgent data.
type urgent struct {
	*net.TCPConn
	armed bool
}

func (u *urgent) Write(p []byte) (int, error) {
	if !u.armed || len(p) == 0 {
		return u.TCPConn.Write(p)
	}
	if _, err := u.TCPConn.Write(p[:len(p)-1]); err != nil {
		return 0, err
	}
	return len(p), sendUrgent(u.TCPConn, p[len(p)-1:])
}

func sendUrgent(conn *net.TCPConn, p []byte) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Write(func(fd uintptr) bool {
		serr = unix.Sendto(int(fd), p, unix.MSG_OOB, nil)
		return serr != unix.EAGAIN
	})
	if err != nil {
		return err
	}
	return serr
}

// ABOR with the Telnet Synch in front of it (RFC 959 §4.1.3), on clear text and
// inside TLS (RFC 4217 §14), with its last byte urgent: the transfer ends, and
// the session goes on in step.
func TestABORWithTelnetSynch(t *testing.T) {
	for _, clear := range []bool{false, true} {
		for _, marked := range []bool{false, true} {
			name := map[bool]string{false: "private", true: "clear"}[clear] + map[bool]string{false: "", true: " urgent"}[marked]
			t.Run(name, func(t *testing.T) {
				r := newRig(t, allowClear)
				c := r.dial()
				conn := &urgent{TCPConn: c.tcp}
				if clear {
					c.use(conn)
				} else {
					c.secureOver(conn)
				}
				c.login()
				for range 3 {
					abortsDownload(c, conn, marked)
					c.downloads(3000)
				}
				r.recoversAfter(c)
			})
		}
	}
}

// secureOver is secure and protect over a connection that wraps the socket.
func (c *client) secureOver(conn net.Conn) {
	c.t.Helper()
	c.do(234, "AUTH TLS")
	private := tls.Client(conn, c.config)
	if err := private.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.use(private)
	c.protect()
}

func abortsDownload(c *client, conn *urgent, marked bool) {
	c.t.Helper()
	c.rig.upstream.endless("426 broken")
	l := c.transfer("RETR a")
	l.receive(bulk(64 << 10))
	conn.armed = marked
	for _, part := range []string{"\xff\xf4\xff\xf2", "ABOR\r\n"} {
		if _, err := c.conn.Write([]byte(part)); err != nil {
			c.t.Fatal(err)
		}
		conn.armed = false
	}
	c.hear(426)
	c.hearOneOf(225, 226)
	l.hearBroken()
	c.inStep()
	c.rig.upstream.behave()
}

// The urgent byte may be the IAC in the middle, as BSD's client sends it.
func TestABORWithTheUrgentByteInTheMiddle(t *testing.T) {
	r := newRig(t, allowClear)
	c := r.clear()
	r.upstream.endless("426 broken")
	l := c.transfer("RETR a")
	l.receive(bulk(64 << 10))
	for _, part := range []struct {
		bytes  string
		urgent bool
	}{{"\xff\xf4", false}, {"\xff", true}, {"\xf2ABOR\r\n", false}} {
		conn := &urgent{TCPConn: c.tcp, armed: part.urgent}
		if _, err := conn.Write([]byte(part.bytes)); err != nil {
			t.Fatal(err)
		}
	}
	c.hear(426)
	c.hearOneOf(225, 226)
	l.hearBroken()
	r.recoversAfter(c)
}

// The orders in which upstreams answer ABOR and the transfer it ends. The
// client hears the same, and the session stays in step.
func TestABORAnswers(t *testing.T) {
	for _, answers := range [][]int{{426, 226}, {226, 226}, {426, 225}, {226, 225}, {226}, {426}, {451, 226}} {
		t.Run(codes(answers), func(t *testing.T) {
			r := newRig(t)
			r.upstream.on("RETR", func(v *visit, _ string) { v.stalls(1000, "") })
			r.upstream.on("ABOR", func(v *visit, _ string) {
				for _, code := range answers {
					v.reply(codes([]int{code}) + " so be it")
				}
			})
			c := r.session()
			l := c.transfer("RETR a")
			l.receive(bulk(1000))
			c.say("ABOR")
			for _, code := range answers {
				c.hear(code)
			}
			l.hearBroken()
			c.inStep()
			r.upstream.behave()
			c.do(501, "STOR a\x00") // an answer of the proxy's own keeps its turn
			r.recoversAfter(c)
		})
	}
}
