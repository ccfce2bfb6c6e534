package faults

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// The upstream's data port is closed: the command never reaches the upstream, so
// that a STOR has emptied no file, and a REST meant for it is taken back.
func TestUpstreamRefusesTheDataConnection(t *testing.T) {
	for _, command := range []string{"RETR 5000", "STOR a", "APPE a", "LIST"} {
		t.Run(command, func(t *testing.T) {
			r := newRig(t)
			port := r.closedPort()
			r.upstream.on("PASV", func(v *visit, _ string) { v.announce("PASV", port) })
			c := r.session()
			to := c.epsv()
			c.do(350, "REST 100")
			c.do(425, command)
			wantFree(t, to)
			c.inStep()
			heard := r.upstream.commands()
			verb, _, _ := strings.Cut(command, " ")
			if r.upstream.count(verb) != 0 {
				t.Errorf("the upstream has heard %q", heard)
			}
			rest := slices.Index(heard, "REST 100")
			if rest < 0 || heard[rest+1] != "REST 0" {
				t.Errorf("REST was not taken back at once: %q", heard)
			}
			r.recoversAfter(c)
		})
	}
}

// Without a REST there is nothing to take back.
func TestRefusedDataConnectionWithoutREST(t *testing.T) {
	r := newRig(t)
	port := r.closedPort()
	r.upstream.on("PASV", func(v *visit, _ string) { v.announce("PASV", port) })
	c := r.session()
	c.epsv()
	c.do(425, "RETR 5000")
	if r.upstream.count("REST") != 0 {
		t.Error("REST was taken back that nobody sent")
	}
	r.recoversAfter(c)
}

func TestActiveClientRefusesTheDataConnection(t *testing.T) {
	for _, command := range []string{"RETR 5000", "STOR a"} {
		r := newRig(t)
		c := r.session()
		c.do(200, fmt.Sprintf("EPRT |1|127.0.0.1|%d|", r.closedPort()))
		c.do(425, command)
		c.inStep()
		if r.upstream.count("RETR")+r.upstream.count("STOR") != 0 {
			t.Errorf("the upstream has heard %q", r.upstream.commands())
		}
		r.recoversAfter(c)
	}
}

func TestClientNeverOpensTheDataConnection(t *testing.T) {
	for _, upload := range []bool{false, true} {
		t.Run(map[bool]string{false: "download", true: "upload"}[upload], func(t *testing.T) {
			r := newRig(t, onePort, func(s *settings) { s.limits.DataTimeout = soon })
			c := r.session()
			to := c.epsv()
			if upload {
				c.do(150, "STOR a")
				wantReset(t, (<-r.upstream.uploads).err)
			} else {
				c.do(150, "RETR 5000")
			}
			c.hear(425)
			wantFree(t, to)
			r.recoversAfter(c)
		})
	}
}

// Nor does it ask for a file: the port returns all the same.
func TestClientForgetsItsPort(t *testing.T) {
	r := newRig(t, onePort, func(s *settings) { s.limits.DataTimeout = soon })
	c := r.session()
	to := c.epsv()
	wantFree(t, to)
	c.do(425, "RETR 5000")
	if r.upstream.count("RETR") != 0 {
		t.Error("the upstream has heard of it")
	}
	r.recoversAfter(c)
}

// An upstream in active mode that never dials.
func TestUpstreamNeverOpensTheDataConnection(t *testing.T) {
	r := newRig(t, upstreamMode(true), func(s *settings) { s.limits.DataTimeout = soon })
	r.upstream.on("RETR", func(v *visit, _ string) {
		v.reply("150 in a minute")
		v.reply("425 cannot dial")
	})
	c := r.session()
	l := c.open(c.epsv())
	c.do(150, "RETR a")
	c.hear(425)
	l.hearClosed()
	r.recoversAfter(c)
}

// badHandshakes are clients whose data connection cannot be made private.
func badHandshakes() map[string]func(*client, *leg) {
	return map[string]func(*client, *leg){
		"stalls before the hello": func(*client, *leg) {},
		"stalls inside the hello": func(_ *client, l *leg) { l.sendRaw([]byte{22, 3, 1, 2, 0, 1}) },
		"plain text":              func(_ *client, l *leg) { l.sendRaw([]byte("plain text and nothing else\r\n")) },
		"ends at once":            func(_ *client, l *leg) { l.cutOff() },
		"is reset at once":        func(_ *client, l *leg) { reset(l.tcp) },
		"refuses the certificate": func(c *client, l *leg) {
			config := c.config.Clone()
			config.RootCAs = x509.NewCertPool()
			_ = tls.Client(l.wire, config).Handshake()
		},
		"wants another protocol": func(c *client, l *leg) {
			config := c.config.Clone()
			config.NextProtos = []string{"h2"}
			_ = tls.Client(l.wire, config).Handshake()
		},
		"is too old": func(c *client, l *leg) {
			config := c.config.Clone()
			config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 //nolint:gosec // that is the fault
			_ = tls.Client(l.wire, config).Handshake()
		},
	}
}

// The client hears 522, an upload never looks complete, the control connection
// stays in step and the next transfer works.
func TestHandshakeOnDataFails(t *testing.T) {
	for name, fault := range badHandshakes() {
		for _, active := range []bool{false, true} {
			for _, upload := range []bool{false, true} {
				full := name + map[bool]string{false: " passive", true: " active"}[active] +
					map[bool]string{false: " download", true: " upload"}[upload]
				t.Run(full, func(t *testing.T) {
					r := newRig(t, func(s *settings) { s.limits.DataTimeout = soon })
					c := r.session()
					for range map[bool]int{true: 1, false: 2}[strings.HasPrefix(name, "stalls")] {
						l := c.prepare(active).transfer(map[bool]string{false: "RETR 5000", true: "STOR a"}[upload])
						fault(c, l)
						if upload {
							wantReset(t, (<-r.upstream.uploads).err)
						}
						c.hear(522)
						_ = l.tcp.Close()
						c.inStep()
					}
					r.recoversAfter(c)
				})
			}
		}
	}
}

// A client that insists on a proof it does not give: 522, and not for ever.
func TestClientThatNeverResumesUnderRequire(t *testing.T) {
	r := newRig(t, requireReuse)
	c := r.session()
	never := c.config.Clone()
	never.ClientSessionCache = nil
	l := c.open(c.epsv())
	l.Conn = tls.Client(l.wire, never)
	c.do(150, "STOR a")
	_, _ = l.Write(bulk(100))
	wantReset(t, (<-r.upstream.uploads).err)
	c.hear(522)
	r.recoversAfter(c)
}

// Control connections whose TLS fails: nothing is said in clear text after the
// 234, and the upstream never hears of them.
func TestHandshakeOnControlFails(t *testing.T) {
	for name, fault := range badHandshakes() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.limits.LoginTimeout = soon })
			c := r.dial()
			c.do(234, "AUTH TLS")
			w := &wire{TCPConn: c.tcp}
			fault(c, &leg{t: t, tcp: c.tcp, wire: w, Conn: w})
			c.hearNoReply()
			if n := r.upstream.visited(); n != 0 {
				t.Errorf("the upstream was contacted %d times", n)
			}
			r.recovers()
		})
	}
}

// All that a client asked for is there though it opens very late, or opens and
// closes at once.
func TestEmptyTransfers(t *testing.T) {
	for _, clear := range []bool{false, true} {
		r := newRig(t, allowClear)
		c := r.open(clear)
		for range 5 {
			c.downloads(0)
			c.uploads(0)
			if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 0 {
				t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
			}
			l := c.transfer("LIST")
			if _, err := io.ReadAll(l); err != nil {
				t.Fatal(err)
			}
			c.hear(226)
		}
		r.recoversAfter(c)
	}
}

// An upstream that is slow to name its port takes nothing from the client's time,
// which runs from the reply (RFC 959 §4.1.2).
func TestUpstreamThatIsSlowToNameItsPort(t *testing.T) {
	r := newRig(t, func(s *settings) { s.limits.DataTimeout = soon })
	asked, release := make(chan struct{}), make(chan struct{})
	r.upstream.on("PASV", func(v *visit, _ string) {
		close(asked)
		v.await(release)
		v.listen("PASV")
	})
	c := r.session()
	c.say("EPSV")
	<-asked
	r.upstream.behave()
	other := r.session()
	other.epsv() // asked later: once its time is over, so would be the first one's
	eventually(t, func() bool { return r.logged("data connection not opened in time") > 0 })
	close(release)
	c.prepared = c.portOf(c.hear(229))
	c.downloads(5000)
	other.do(221, "QUIT")
	r.recoversAfter(c)
}
