package faults

import (
	"errors"
	"io"
	"syscall"
	"testing"
)

// The proxy stops while a file moves: the transfer finishes, the client hears of
// both, nobody else is let in, and Serve returns.
func TestDrainLetsATransferFinish(t *testing.T) {
	for _, upload := range []bool{false, true} {
		t.Run(map[bool]string{false: "download", true: "upload"}[upload], func(t *testing.T) {
			r := newRig(t)
			c, idle := r.session(), r.session()
			l := c.transfer(map[bool]string{false: "RETR 9000000", true: "STOR a"}[upload])
			if !upload {
				l.handshake()
			}
			r.stop()
			idle.hear(421)
			idle.hearEnd()
			if _, err := dialFrom("", r.addr); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a client is let in: %v", err)
			}
			if upload {
				l.send(bulk(90_000))
				l.end()
			} else {
				l.receive(bulk(9_000_000))
				l.hearEnd()
			}
			c.hear(226)
			c.hear(421)
			c.hearEnd()
			r.closeClients()
			r.hasStopped()
			if upload {
				if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 90_000 {
					t.Errorf("%d bytes arrived, then %v", len(up.data), up.err)
				}
			}
		})
	}
}

// A transfer that does not end is cut: both its legs are reset.
func TestDrainTimeoutCutsATransfer(t *testing.T) {
	for _, upload := range []bool{false, true} {
		t.Run(map[bool]string{false: "download", true: "upload"}[upload], func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.limits.DrainTimeout = short })
			broke := r.upstream.endless("426 broken")
			c := r.session()
			l := c.transfer(map[bool]string{false: "RETR a", true: "STOR a"}[upload])
			if upload {
				l.send(bulk(5000))
			} else {
				l.handshake()
			}
			r.stop()
			c.hear(421)
			c.hearEnd()
			if upload {
				wantReset(t, (<-r.upstream.uploads).err)
			} else {
				wantReset(t, <-broke)
			}
			l.hearBroken()
			r.hasStopped()
		})
	}
}

// Sessions that stand anywhere else do not keep the proxy from stopping.
func TestDrainEndsEveryOtherSession(t *testing.T) {
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.limits.DrainTimeout = short })
			c := r.connect()
			p.reach(c)
			r.stop()
			if _, err := io.Copy(io.Discard, c.reader); isTimeout(err) {
				t.Error("the control connection does not end")
			}
			r.closeClients()
			r.hasStopped()
		})
	}
}
