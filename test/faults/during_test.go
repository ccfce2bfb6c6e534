package faults

import (
	"fmt"
	"strings"
	"testing"
)

// numbered hooks NOOP and STAT with replies that carry the command's argument;
// when late, they come only after the running transfer's own.
func (u *upstream) numbered(late bool) {
	answer := func(form string) hook {
		return func(v *visit, argument string) {
			if late {
				v.transfers.Wait()
			}
			v.write(fmt.Sprintf(form, argument))
		}
	}
	u.on("NOOP", answer("200 %s ok\r\n"))
	u.on("STAT", answer("211-status\r\n 226 not the end\r\n %[1]s\r\n211 %[1]s ok\r\n"))
}

// Commands all along a large transfer: it goes on, and every one gets its own
// reply, in order, whenever the upstream answers.
func TestCommandsDuringATransfer(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, upload := range []bool{false, true} {
			name := map[bool]string{false: "answered at once ", true: "answered after the 226 "}[late] +
				map[bool]string{false: "download", true: "upload"}[upload]
			t.Run(name, func(t *testing.T) { commandsDuringATransfer(t, late, upload) })
		}
	}
}

func commandsDuringATransfer(t *testing.T, late, upload bool) {
	const commands, piece = 120, 64 << 10 // more commands than may be outstanding
	r := newRig(t)
	r.upstream.numbered(late)
	c := r.session()
	file := bulk(commands * piece)
	verb := map[bool]string{false: fmt.Sprintf("RETR %d", len(file)), true: "STOR a"}[upload]
	l := c.transfer(verb)
	for i := range commands {
		c.say(fmt.Sprintf("%s %d", []string{"NOOP", "STAT"}[i%2], i))
		if part := file[i*piece : (i+1)*piece]; upload {
			l.send(part)
		} else {
			l.receive(part)
		}
	}
	if upload {
		l.end()
	} else {
		l.hearEnd()
	}
	c.hearsNumbered(commands, late)
	if upload {
		if up := <-r.upstream.uploads; up.err != nil || string(up.data) != string(file) {
			t.Errorf("the file that arrived differs, %v", up.err)
		}
	}
	_ = l.tcp.Close()
	r.recoversAfter(c)
}

// hearsNumbered wants the replies to n numbered commands in their order, and one
// 226 among them, in front of them when they are late.
func (c *client) hearsNumbered(n int, late bool) {
	c.t.Helper()
	next, finals := 0, 0
	for range n + 1 {
		code, text, err := c.reply()
		if err != nil {
			c.t.Fatalf("after %d replies and %d 226: %v", next, finals, err)
		}
		want := fmt.Sprintf("%d %d ok", []int{200, 211}[next%2], next)
		switch {
		case code == 226:
			finals++
			if late && next > 0 {
				c.t.Errorf("%d replies came before the 226", next)
			}
		case strings.HasSuffix(text, want):
			next++
		default:
			c.t.Fatalf("%q instead of %q", text, want)
		}
	}
	if next != n || finals != 1 {
		c.t.Fatalf("%d replies and %d 226", next, finals)
	}
}

// A whole session in as few segments as can be.
func TestPipelinedLogin(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.secure()
	for range 2 {
		c.say("USER anna", "PASS secret", "PBSZ 0", "PROT P", "TYPE I", "EPSV", "NOOP")
		for _, code := range []int{331, 230, 200, 200, 200} {
			c.hear(code)
		}
		c.prepared = c.portOf(c.hear(229))
		c.hear(200)
		c.private = true
		c.downloads(5000)
	}
	r.recoversAfter(c)
}

func TestPipelinedTransfers(t *testing.T) {
	r := newRig(t)
	c := r.session()
	c.say("EPSV", "RETR 5000", "NOOP", "EPSV", "STOR a", "QUIT")
	l := c.open(c.portOf(c.hear(229)))
	c.hear(150)
	l.receive(bulk(5000))
	l.hearEnd()
	ends := []int{c.hearOneOf(200, 226), c.hearOneOf(200, 226)}
	if ends[0] == ends[1] {
		t.Fatalf("%d came twice", ends)
	}
	l = c.open(c.portOf(c.hear(229)))
	c.hear(150)
	l.send(bulk(5000))
	l.end()
	c.hear(226)
	c.hear(221)
	c.hearEnd()
	r.recovers()
}

// A client that sends and sends and never reads is not read any further, so that
// what the proxy keeps for it is bounded.
func TestPipeliningIsBounded(t *testing.T) {
	r := newRig(t)
	stuck, release := make(chan *visit, 1), make(chan struct{})
	r.upstream.on("NOOP", func(v *visit, _ string) {
		select {
		case stuck <- v:
			v.await(release)
		default:
		}
		v.reply("200 NOOP ok")
	})
	c := r.session()
	const commands = 50_000
	written := make(chan error, 1)
	go func() { written <- c.trySay(strings.Repeat("NOOP\r\n", commands-1) + "NOOP") }()
	v := <-stuck
	r.meanwhile()
	// The upstream reads nothing: all that was relayed is here.
	if n := v.unread() / len("NOOP\r\n"); n > 100 {
		t.Errorf("%d commands were relayed without a reply", n)
	}
	close(release)
	for range commands {
		c.hear(200)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.recoversAfter(c)
}

// QUIT during a transfer waits for it (RFC 959 §4.1.1), and the client may end
// its half of the control connection then.
func TestQUITDuringATransfer(t *testing.T) {
	for _, upload := range []bool{false, true} {
		for _, halfClose := range []bool{false, true} {
			for _, clear := range []bool{false, true} {
				name := fmt.Sprintf("upload %v, ends its half %v, clear %v", upload, halfClose, clear)
				t.Run(name, func(t *testing.T) { quitDuringATransfer(t, upload, halfClose, clear) })
			}
		}
	}
}

func quitDuringATransfer(t *testing.T, upload, halfClose, clear bool) {
	r := newRig(t, allowClear)
	c := r.open(clear)
	l := c.transfer(map[bool]string{false: "RETR 90000", true: "STOR a"}[upload])
	c.say("QUIT")
	if halfClose {
		if err := c.tcp.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	r.meanwhile()
	if upload {
		l.send(bulk(90_000))
		l.end()
		if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 90_000 {
			t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
		}
	} else {
		l.receive(bulk(90_000))
		l.hearEnd()
	}
	c.hear(226)
	c.hear(221)
	c.hearEnd()
	r.recovers()
}
