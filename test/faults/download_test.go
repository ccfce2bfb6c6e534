package faults

import (
	"io"
	"net"
	"testing"
)

// endless hooks RETR with a file without end, and posts how each one broke.
func (u *upstream) endless(final string) <-chan error {
	broke := make(chan error, 1)
	block := bulk(64 << 10)
	u.on("RETR", func(v *visit, _ string) {
		v.reply("150 here it comes")
		v.transfers.Go(func() {
			conn, err := v.open()
			for err == nil {
				_, err = conn.Write(block)
			}
			broke <- err
			v.reply(final)
		})
	})
	return broke
}

// A client that goes away in the middle of a download: the upstream is told by
// its data connection, and a session that lives hears 426.
func TestClientGoneInTheMiddleOfADownload(t *testing.T) {
	for _, gone := range []struct {
		name     string
		do       func(*client, *leg)
		survives bool
	}{
		{"data FIN", func(_ *client, l *leg) { _ = l.tcp.Close() }, true},
		{"data RST", func(_ *client, l *leg) { reset(l.tcp) }, true},
		{"control FIN", func(c *client, _ *leg) { c.close() }, false},
		{"control RST", func(c *client, _ *leg) { reset(c.tcp) }, false},
		{"both FIN", func(c *client, l *leg) { c.close(); _ = l.tcp.Close() }, false},
		{"both RST", func(c *client, l *leg) { reset(c.tcp); reset(l.tcp) }, false},
	} {
		for _, clear := range []bool{false, true} {
			for _, final := range []string{"426 broken", "226 done"} {
				name := gone.name + map[bool]string{false: " private ", true: " clear "}[clear] + final[:3]
				t.Run(name, func(t *testing.T) {
					r := newRig(t, allowClear)
					broke := r.upstream.endless(final)
					c := r.open(clear)
					l := c.transfer("RETR a")
					_, _ = io.ReadFull(l, make([]byte, 100_000))
					gone.do(c, l)
					wantReset(t, <-broke)
					if !gone.survives {
						r.recovers()
						return
					}
					c.hear(426)
					r.recoversAfter(c)
				})
			}
		}
	}
}

// A client may end its own half, which says nothing about ours.
func TestClientEndsItsHalfOfADownload(t *testing.T) {
	for _, clear := range []bool{false, true} {
		r := newRig(t, allowClear)
		c := r.open(clear)
		l := c.transfer("RETR 3000000")
		if !clear {
			l.handshake()
		}
		l.end()
		l.receive(bulk(3_000_000))
		l.hearEnd()
		c.hear(226)
		r.recoversAfter(c)
	}
}

// What becomes of a download whose upstream breaks: the client's data connection
// breaks as well, so that nobody takes the part for the whole.
func TestUpstreamGoneInTheMiddleOfADownload(t *testing.T) {
	for _, gone := range []struct {
		name string
		do   func(*visit, *net.TCPConn)
		want []int
		ends bool
	}{
		{"data RST and 426", func(v *visit, conn *net.TCPConn) { reset(conn); v.reply("426 broken") }, []int{426}, false},
		{"data RST and 226", func(v *visit, conn *net.TCPConn) { reset(conn); v.reply("226 done") }, []int{451}, false},
		{"data RST and 451", func(v *visit, conn *net.TCPConn) { reset(conn); v.reply("451 disk") }, []int{451}, false},
		{"control FIN", func(v *visit, _ *net.TCPConn) { _ = v.control.Close() }, []int{421}, true},
		{"control RST", func(v *visit, _ *net.TCPConn) { reset(v.control) }, []int{421}, true},
		{"both FIN", func(v *visit, _ *net.TCPConn) { v.drop() }, []int{421}, true},
		{"both RST", func(v *visit, conn *net.TCPConn) { reset(v.control); reset(conn) }, []int{421}, true},
		{"421", func(v *visit, _ *net.TCPConn) { v.reply("421 shutting down") }, []int{421}, true},
	} {
		for _, clear := range []bool{false, true} {
			t.Run(gone.name+map[bool]string{false: " private", true: " clear"}[clear], func(t *testing.T) {
				r := newRig(t, allowClear)
				received := make(chan struct{})
				r.upstream.on("RETR", func(v *visit, _ string) {
					v.reply("150 here it comes")
					v.transfers.Go(func() {
						conn, err := v.open()
						if err != nil {
							return
						}
						_, _ = conn.Write(bulk(100_000))
						v.await(received)
						gone.do(v, conn)
					})
				})
				c := r.open(clear)
				l := c.transfer("RETR a")
				l.receive(bulk(100_000))
				close(received)
				l.hearBroken()
				c.hearOneOf(gone.want...)
				if gone.ends {
					c.hearEnd()
					r.recovers()
					return
				}
				r.recoversAfter(c)
			})
		}
	}
}

// What becomes of an upload whose upstream breaks.
func TestUpstreamGoneInTheMiddleOfAnUpload(t *testing.T) {
	for _, gone := range []struct {
		name string
		do   func(*visit, *net.TCPConn)
		want int
		ends bool
	}{
		{"data RST and 426", func(v *visit, conn *net.TCPConn) { reset(conn); v.reply("426 broken") }, 426, false},
		{"data RST and 226", func(v *visit, conn *net.TCPConn) { reset(conn); v.reply("226 stored") }, 451, false},
		{"data FIN and 452", func(v *visit, conn *net.TCPConn) { _ = conn.Close(); v.reply("452 disk full") }, 452, false},
		{"data FIN and 226", func(v *visit, conn *net.TCPConn) { _ = conn.Close(); v.reply("226 enough") }, 451, false},
		{"control FIN", func(v *visit, _ *net.TCPConn) { _ = v.control.Close() }, 421, true},
		{"control RST", func(v *visit, _ *net.TCPConn) { reset(v.control) }, 421, true},
		{"both FIN", func(v *visit, _ *net.TCPConn) { v.drop() }, 421, true},
		{"421", func(v *visit, _ *net.TCPConn) { v.reply("421 shutting down") }, 421, true},
	} {
		for _, clear := range []bool{false, true} {
			t.Run(gone.name+map[bool]string{false: " private", true: " clear"}[clear], func(t *testing.T) {
				r := newRig(t, allowClear)
				r.upstream.on("STOR", func(v *visit, _ string) {
					v.reply("150 go on")
					v.transfers.Go(func() {
						conn, err := v.open()
						if err != nil {
							return
						}
						_, _ = io.ReadFull(conn, make([]byte, 50_000))
						gone.do(v, conn)
					})
				})
				c := r.open(clear)
				l := c.transfer("STOR a")
				l.writesUntilItBreaks()
				c.hear(gone.want)
				if gone.ends {
					c.hearEnd()
					r.recovers()
					return
				}
				r.recoversAfter(c)
			})
		}
	}
}

// writesUntilItBreaks sends until the peer breaks the data connection.
func (l *leg) writesUntilItBreaks() {
	l.t.Helper()
	block := bulk(16 << 10)
	for {
		if _, err := l.Write(block); isTimeout(err) {
			l.t.Fatal("the data connection does not break")
		} else if err != nil {
			_ = l.tcp.Close()
			return
		}
	}
}

// The upstream's control connection ends while nothing runs, at each step.
func TestUpstreamGoneBetweenCommands(t *testing.T) {
	for verb, before := range map[string][]string{
		"USER": {}, "PASS": {"USER anna"}, "NOOP": {"USER anna", "PASS secret"},
		"PASV": {"USER anna", "PASS secret"}, "CWD": {"USER anna", "PASS secret"},
	} {
		for name, gone := range map[string]func(*visit, string){
			"FIN":           func(v *visit, _ string) { _ = v.control.Close() },
			"RST":           func(v *visit, _ string) { reset(v.control) },
			"half a reply":  func(v *visit, _ string) { v.write("230-wel"); _ = v.control.Close() },
			"421":           func(v *visit, _ string) { v.reply("421 good night") },
			"gibberish":     func(v *visit, _ string) { v.reply("\x00\x01 gibberish") },
			"clear TLS 334": func(v *visit, _ string) { v.reply("no code at all") },
		} {
			t.Run(verb+" "+name, func(t *testing.T) {
				r := newRig(t)
				r.upstream.on(verb, gone)
				c := r.dial()
				c.secure()
				c.protect()
				for i, line := range before {
					c.do([]int{331, 230}[i], line)
				}
				c.do(421, verb+" a")
				c.hearEnd()
				r.recovers()
			})
		}
	}
}
