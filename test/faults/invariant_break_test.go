package faults

import (
	"net"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// A breakage is a way in which a client's upload ends before its end.
type breakage struct {
	name  string
	clear bool            // on a leg without TLS
	with  func(*settings) // nil: the default settings
	do    func(*client, *leg)
	// survives: the control connection goes on, and the client hears of it.
	survives bool
}

func breakages() []breakage {
	return []breakage{
		{name: "reset", survives: true, do: func(_ *client, l *leg) { reset(l.tcp) }},
		{name: "reset in clear text", clear: true, survives: true, do: func(_ *client, l *leg) { reset(l.tcp) }},
		{
			name: "end inside a TLS record", survives: true,
			do: func(_ *client, l *leg) {
				l.sendRaw([]byte{23, 3, 3, 0x10, 0, 1, 2, 3}) // 8 bytes of a record of 4096
				l.cutOff()
			},
		},
		{
			name: "end inside the header of a TLS record", survives: true,
			do: func(_ *client, l *leg) {
				l.sendRaw([]byte{23, 3})
				l.cutOff()
			},
		},
		{
			name: "forged TLS record", survives: true,
			do: func(_ *client, l *leg) { l.sendRaw(append([]byte{23, 3, 3, 0, 32}, bulk(32)...)) },
		},
		{
			name: "clear text in the middle of TLS", survives: true,
			do: func(_ *client, l *leg) { l.sendRaw([]byte("this is no TLS record\r\n")) },
		},
		{
			name: "FIN without close_notify", survives: true,
			with: func(s *settings) { s.listener.TLS.Truncation = proxy.TruncationFail },
			do:   func(_ *client, l *leg) { l.cutOff() },
		},
		{
			name: "stall", survives: true,
			with: func(s *settings) { s.limits.StallTimeout = short },
			do:   func(*client, *leg) {},
		},
		{
			name: "stall in clear text", clear: true, survives: true,
			with: func(s *settings) { s.limits.StallTimeout = short },
			do:   func(*client, *leg) {},
		},
		{name: "end of the control connection", do: func(c *client, _ *leg) { c.close() }},
		{name: "reset of the control connection", do: func(c *client, _ *leg) { reset(c.tcp) }},
		{
			name: "end of the process",
			do:   func(c *client, l *leg) { c.close(); _ = l.tcp.Close() },
		},
		{
			name: "end of the process in clear text", clear: true,
			do: func(c *client, l *leg) { c.close(); _ = l.tcp.Close() },
		},
		{ // the kernel closes a process' files in their order
			name: "end of the process, data first",
			do:   func(c *client, l *leg) { _ = l.tcp.Close(); c.close() },
		},
		{
			name: "end of the process in clear text, data first", clear: true,
			do: func(c *client, l *leg) { _ = l.tcp.Close(); c.close() },
		},
		{
			name: "reset of everything",
			do:   func(c *client, l *leg) { reset(c.tcp); reset(l.tcp) },
		},
	}
}

// Invariant 2: a client leg that breaks during an upload never looks like a
// clean end to the upstream, and is never reported as complete, not even when
// the upstream calls what it got complete.
func TestInvariant2BrokenUpload(t *testing.T) {
	for _, b := range breakages() {
		for _, final := range []string{"426 broken", "226 stored"} {
			t.Run(b.name+" then "+final[:3], func(t *testing.T) { brokenUpload(t, b, final) })
		}
	}
}

func brokenUpload(t *testing.T, b breakage, final string) {
	r := newRig(t, func(s *settings) {
		if b.clear {
			allowClear(s)
		}
		if b.with != nil {
			b.with(s)
		}
	})
	arrived := make(chan struct{})
	r.upstream.on("STOR", func(v *visit, name string) {
		v.reply("150 go on")
		v.transfers.Go(func() {
			tcp, err := v.open()
			if err != nil {
				return
			}
			conn := v.secured(tcp)
			_, _ = conn.Read(make([]byte, 1))
			close(arrived)
			_ = v.receive(name, conn)
			_ = conn.Close()
			v.reply(final)
		})
	})
	c := r.open(b.clear)
	l := c.transfer("STOR a")
	l.send(bulk(40_000))
	<-arrived
	b.do(c, l)
	wantReset(t, (<-r.upstream.uploads).err)
	if !b.survives {
		r.recovers()
		return
	}
	c.hear(426)
	r.recoversAfter(c)
}

// open opens a session in clear text or with TLS.
func (r *rig) open(clear bool) *client {
	r.t.Helper()
	if clear {
		return r.clear()
	}
	return r.session()
}

// sendRaw sends below TLS.
func (l *leg) sendRaw(b []byte) {
	l.t.Helper()
	if _, err := l.tcp.Write(b); err != nil {
		l.t.Fatal(err)
	}
}

// ABOR of an upload: the upstream sees the break, whichever of its replies it
// gives first, and the client hears what the upstream says.
func TestInvariant2AbortedUpload(t *testing.T) {
	r := newRig(t)
	arrived := make(chan struct{})
	r.upstream.on("STOR", func(v *visit, name string) {
		v.transfer(func(conn dataConn) error {
			_, _ = conn.Read(make([]byte, 1))
			close(arrived)
			return v.receive(name, conn)
		})
	})
	r.upstream.on("ABOR", func(v *visit, _ string) {
		v.transfers.Wait() // read only after the file, as vsftpd does
		v.reply("225 nothing to abort")
	})
	c := r.session()
	l := c.transfer("STOR a")
	l.send(bulk(40_000))
	<-arrived
	c.say("ABOR")
	wantReset(t, (<-r.upstream.uploads).err)
	c.hear(426)
	c.hear(225)
	l.hearBroken()
	r.recoversAfter(c)
}

// The upload is broken off before the upstream's 150 has come, when its leg is
// open but not yet taken up.
func TestInvariant2UploadAbortedBeforeItBegan(t *testing.T) {
	for _, active := range []bool{false, true} {
		t.Run(map[bool]string{false: "passive upstream", true: "active upstream"}[active], func(t *testing.T) {
			r := newRig(t, upstreamMode(active))
			opened := make(chan *net.TCPConn, 1)
			r.upstream.on("STOR", func(v *visit, _ string) {
				conn, err := v.open()
				if err != nil {
					close(opened)
					return
				}
				opened <- conn
			})
			r.upstream.on("ABOR", func(v *visit, _ string) {
				v.reply("426 aborted")
				v.reply("226 aborted")
			})
			c := r.session()
			l := c.open(c.epsv())
			c.say("STOR a")
			conn, ok := <-opened
			if !ok {
				t.Fatal("no data connection at the upstream")
			}
			c.say("ABOR")
			_, err := conn.Read(make([]byte, 1))
			wantReset(t, err)
			c.hear(426)
			c.hear(226)
			l.hearClosed()
			r.recoversAfter(c)
		})
	}
}
