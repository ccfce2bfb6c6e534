package faults

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An upstream that takes the end of a file slowly, long after the proxy has handed
// all of it to the kernel, has not stalled: stall_timeout is for transfers that move
// no byte. Other sessions, one after the other, are the clock.
func TestSlowUpstreamMayTakeItsTime(t *testing.T) {
	const pieces = 8
	r := newRig(t, func(s *settings) { s.limits.ReplyTimeout, s.limits.StallTimeout = short, 5*short })
	file := bulk(400_000)
	next, over := make(chan struct{}), make(chan struct{})
	r.upstream.on("SYST", func(v *visit, _ string) { v.await(over) })
	r.upstream.on("PASV", func(v *visit, _ string) { v.listenNarrowly(t) })
	r.upstream.on("STOR", func(v *visit, _ string) {
		v.transfer(func(conn dataConn) error {
			var got bytes.Buffer
			for range next {
				if _, err := io.CopyN(&got, conn, 20_000); err != nil {
					return err
				}
			}
			_, err := io.Copy(&got, conn)
			if !bytes.Equal(got.Bytes(), file) {
				t.Errorf("%d bytes arrived that are not the file", got.Len())
			}
			return err
		})
	})
	c := r.session()
	l := c.transfer("STOR a")
	l.send(file)
	l.end()
	for range pieces {
		clock := r.session()
		clock.say("SYST")
		next <- struct{}{}
		clock.hear(421)
	}
	close(next)
	c.hear(226)
	close(over)
	r.recoversAfter(c)
}

// listenNarrowly answers PASV with a port whose connections keep little that was not
// read.
func (v *visit) listenNarrowly(t *testing.T) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var inner error
		err := raw.Control(func(fd uintptr) { inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10) })
		if err == nil {
			err = inner
		}
		return err
	}}
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	v.mu.Lock()
	v.close()
	v.passive, v.target = ln.(*net.TCPListener), netip.AddrPort{}
	v.mu.Unlock()
	v.announce("PASV", ln.Addr().(*net.TCPAddr).Port)
}
