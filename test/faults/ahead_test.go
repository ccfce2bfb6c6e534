package faults

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A client that has said many commands during a download, none of which the
// upstream answers before its end, can still end it, also on a connection that the
// proxy would not read further without a transfer. The replies come in order.
func TestABORBehindManyCommands(t *testing.T) {
	for _, n := range []int{1, 2, 65, 300} {
		r := newRig(t)
		r.upstream.endless("426 broken")
		for _, verb := range []string{"NOOP", "ABOR"} {
			r.upstream.on(verb, func(v *visit, _ string) {
				v.transfers.Wait()
				v.reply(map[string]string{"NOOP": "200 still here", "ABOR": "225 nothing to abort"}[verb])
			})
		}
		c := r.session()
		l := c.transfer("RETR a")
		l.receive(bulk(64 << 10))
		c.say(strings.Repeat("NOOP\r\n", n) + "ABOR")
		c.hear(426)
		for range n {
			c.hear(200)
		}
		c.hear(225)
		l.hearBroken()
		r.recoversAfter(c)
	}
}

// ABOR finds its way while an upstream that hears nothing owes the proxy an answer
// of its own, and does not wait for the end of a file that does not end.
func TestABORWhileTheProxyIsOwedAnAnswer(t *testing.T) {
	r := newRig(t)
	r.upstream.endless("426 broken")
	r.upstream.on("CWD", func(v *visit, _ string) {
		v.transfers.Wait()
		v.reply("250 there")
	})
	c := r.session()
	l := c.transfer("RETR a")
	l.receive(bulk(64 << 10))
	c.say("CWD /", "EPSV", "ABOR") // EPSV waits for the transfer, whatever is answered
	c.hear(426)
	c.hear(250)
	c.prepared = c.portOf(c.hear(229))
	c.hearOneOf(225, 226)
	l.hearBroken()
	r.recoversAfter(c)
}

// ABOR ends a transfer that has not begun because a data connection cannot be
// opened, long before the time for that is over.
func TestABORWhileTheDataConnectionIsOpened(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.DataTimeout = 10 * patience })
	port, release := deafPort(t)
	r.upstream.on("PASV", func(v *visit, _ string) { v.announce("PASV", port) })
	c := r.session()
	to := c.epsv()
	c.say("RETR a", "ABOR")
	c.hear(426)
	c.hear(225)
	wantFree(t, to)
	if n := r.upstream.count("RETR"); n != 0 {
		t.Errorf("the upstream has heard %d RETR", n)
	}
	release()
	r.recoversAfter(c)
}

// ABOR ends a file also when its upstream has said farewell, and hears nothing more.
func TestABORBehindTheUpstreamsFarewell(t *testing.T) {
	r := newRig(t)
	r.upstream.on("RETR", func(v *visit, _ string) {
		v.reply("150 here it comes")
		v.transfers.Go(func() {
			conn, err := v.open()
			if err != nil {
				t.Error(err)
				return
			}
			v.write("226 done\r\n421 bye\r\n")
			for err == nil {
				_, err = conn.Write(bulk(1000))
			}
			_ = conn.Close()
		})
	})
	c := r.session()
	l := c.transfer("RETR a")
	l.receive(bulk(1000))
	c.say("NOOP", "ABOR")
	c.hear(226) // the file had been sent
	for code := 0; code != 421; {
		code = c.hearOneOf(200, 421) // NOOP may have been in time
	}
	c.hearEnd()
	l.hearBroken()
	r.recovers()
}

// deafPort is one where connections are neither accepted nor refused: its queue is
// full.
func deafPort(t *testing.T) (port int, release func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port = name.(*unix.SockaddrInet4).Port
	conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return port, func() {
		_ = conn.Close()
		_ = unix.Close(fd)
	}
}

// A client that says AUTH or REIN during a transfer is not read any further: what
// stands behind is not taken for a part of the session that follows.
func TestNothingIsReadAheadOfREIN(t *testing.T) {
	r := newRig(t, allowClear)
	c := r.session()
	l := c.transfer("STOR a")
	c.say("NOOP")
	c.hear(200)
	c.say("REIN", "NOOP", "ABOR")
	r.meanwhile()
	if n := r.upstream.count("ABOR"); n != 0 {
		t.Error("an ABOR behind REIN has ended the transfer before it")
	}
	l.send(bulk(1000))
	l.end()
	c.hear(226)
	c.hear(220)
	c.hear(421) // commands behind REIN are inside TLS, and it has ended there
	c.hearEnd()
	if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 1000 {
		t.Errorf("%d bytes arrived, %v", len(up.data), up.err)
	}
	r.recovers()
}
