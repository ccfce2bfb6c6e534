package faults

import (
	"crypto/tls"
	"io"
	"testing"
)

// meanwhile lets a whole other session happen, so that whatever the proxy would
// do too early it has done by now.
func (r *rig) meanwhile() {
	r.t.Helper()
	c := r.session()
	c.downloads(10_000)
	c.do(221, "QUIT")
	c.close()
}

// next posts the reply that comes next, whenever that is.
func (c *client) next() <-chan int {
	code := make(chan int, 1)
	go func() {
		n, _, _ := c.reply()
		code <- n
	}()
	return code
}

// notYet wants that no reply has come.
func notYet(t *testing.T, code <-chan int) {
	t.Helper()
	select {
	case n := <-code:
		t.Fatalf("%d came too early", n)
	default:
	}
}

// Invariant 1: no 226 reaches the client before both legs are finished.

func TestInvariant1DownloadIsReportedWhenItsEndHasBeenSent(t *testing.T) {
	r := newRig(t)
	c := r.session()
	for range 20 {
		l := c.transfer("RETR 60000")
		l.handshake()
		c.hear(226)
		// Nothing has been read: all of the file, close_notify and FIN are here.
		if !finArrived(t, l.tcp) {
			t.Fatal("226 came before the end of the file was sent")
		}
		l.receive(bulk(60000))
		l.hearEnd()
	}
	r.recoversAfter(c)
}

func TestInvariant1DownloadIsNotReportedWhileTheClientReads(t *testing.T) {
	r := newRig(t)
	const size = 32 << 20 // more than all buffers on the way hold
	reported := make(chan struct{})
	r.upstream.on("RETR", func(v *visit, _ string) {
		v.reply("150 here it comes")
		v.transfers.Go(func() {
			conn, err := v.open()
			if err != nil {
				return
			}
			v.reply("226 done") // before the last byte, as some servers do
			close(reported)
			_, _ = conn.Write(bulk(size))
			_ = conn.Close()
		})
	})
	c := r.session()
	l := c.transfer("RETR big")
	l.handshake()
	<-reported
	r.upstream.behave()
	code := c.next()
	r.meanwhile()
	notYet(t, code)
	l.receive(bulk(size))
	l.hearEnd()
	if n := <-code; n != 226 {
		t.Fatalf("%d instead of 226", n)
	}
	r.recoversAfter(c)
}

func TestInvariant1UploadIsReportedWhenTheUpstreamHasSaidSo(t *testing.T) {
	for _, final := range []string{"226 stored\r\n", "250 stored\r\n", "451 disk full\r\n", "552 over quota\r\n"} {
		t.Run(final[:3], func(t *testing.T) {
			r := newRig(t)
			arrived, release := make(chan struct{}), make(chan struct{})
			r.upstream.on("STOR", func(v *visit, _ string) {
				v.reply("150 go on")
				v.transfers.Go(func() {
					conn, err := v.open()
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, conn)
					_ = conn.Close()
					close(arrived)
					v.await(release)
					v.write(final)
				})
			})
			c := r.session()
			l := c.transfer("STOR a")
			l.send(bulk(100_000))
			l.end()
			<-arrived
			code := c.next()
			r.meanwhile()
			notYet(t, code)
			close(release)
			if n, want := <-code, int(final[0]-'0')*100+int(final[1]-'0')*10+int(final[2]-'0'); n != want {
				t.Fatalf("%d instead of %d", n, want)
			}
			r.recoversAfter(c)
		})
	}
}

func TestInvariant1UploadIsNotReportedBeforeItsEnd(t *testing.T) {
	r := newRig(t)
	reported := make(chan struct{})
	r.upstream.on("STOR", func(v *visit, name string) {
		v.reply("150 go on")
		v.transfers.Go(func() {
			conn, err := v.open()
			if err != nil {
				return
			}
			v.reply("226 stored") // before anything came
			close(reported)
			_ = v.receive(name, conn)
			_ = conn.Close()
		})
	})
	c := r.session()
	l := c.transfer("STOR a")
	l.send(bulk(1000))
	<-reported
	code := c.next()
	r.meanwhile()
	notYet(t, code)
	l.send(bulk(50_000))
	l.end()
	if n := <-code; n != 226 {
		t.Fatalf("%d instead of 226", n)
	}
	if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 51_000 {
		t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
	}
	r.recoversAfter(c)
}

// Invariant 3: what a peer has not read of what we sent, or we of what it sent,
// takes no byte of the file away at the end.

// The client neither reads tickets nor waits: it writes, closes, and its kernel
// resets the connection if anything of ours is unread by then.
func TestInvariant3UploadOfAClientThatDoesNotReadTickets(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.config.MaxVersion = version
			c.secure()
			c.protect()
			c.login()
			for range 5 {
				l := c.transfer("STOR a")
				l.send(bulk(2 << 20))
				if !l.Conn.(*tls.Conn).ConnectionState().DidResume {
					t.Fatal("the data connection has not resumed the session, so no ticket was due")
				}
				l.sayCloseNotify()
				_ = l.tcp.Close()
				c.hear(226)
				if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 2<<20 {
					t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
				}
			}
			r.recoversAfter(c)
		})
	}
}

// A peer that sends what nobody reads would see the connection reset by a plain
// close, and lose the end of the file.
func TestInvariant3DownloadOfAClientThatTalks(t *testing.T) {
	for _, private := range []bool{true, false} {
		t.Run(map[bool]string{true: "private", false: "clear"}[private], func(t *testing.T) {
			r := newRig(t, allowClear)
			c := r.dial()
			if private {
				c.secure()
				c.protect()
			}
			c.login()
			for range 5 {
				l := c.transfer("RETR 200000")
				l.send([]byte("out of turn"))
				c.hear(226)
				l.send([]byte("and again"))
				l.receive(bulk(200_000))
				l.hearEnd()
			}
			r.recoversAfter(c)
		})
	}
}

func TestInvariant3UploadToAnUpstreamThatTalks(t *testing.T) {
	r := newRig(t)
	r.upstream.on("STOR", func(v *visit, name string) {
		v.transfer(func(conn dataConn) error {
			if _, err := conn.Write(bulk(5000)); err != nil {
				return err
			}
			return v.receive(name, conn)
		})
	})
	c := r.session()
	for range 5 {
		l := c.transfer("STOR a")
		l.send(bulk(200_000))
		l.end()
		c.hear(226)
		_ = l.tcp.Close()
		if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 200_000 {
			t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
		}
	}
	r.recoversAfter(c)
}

// A client with a full buffer outlasts the five seconds that crypto/tls gives to
// close_notify; see also the stall tests.
func TestInvariant3DownloadOfAClientThatReadsLate(t *testing.T) {
	r := newRig(t)
	c := r.session()
	l := c.transfer("RETR 3000000")
	l.handshake()
	code := c.next()
	r.meanwhile()
	l.receive(bulk(3_000_000))
	l.hearEnd()
	if n := <-code; n != 226 {
		t.Fatalf("%d instead of 226", n)
	}
	r.recoversAfter(c)
}
