package faults

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	dialling "github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// A large file through the kernel's splice, both ways, and with TLS on one side.
func TestLargeFilesArriveWhole(t *testing.T) {
	for _, clear := range []bool{false, true} {
		r := newRig(t, allowClear)
		c := r.open(clear)
		const size = 24<<20 + 17
		c.downloads(size)
		c.uploads(size)
		if up := <-r.upstream.uploads; up.err != nil || string(up.data) != string(bulk(size)) {
			t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
		}
		r.recoversAfter(c)
	}
}

// Each side may be IPv4 or IPv6, and whoever opens a leg may be either.
func TestFamiliesAndDataModes(t *testing.T) {
	for _, client := range []string{"127.0.0.1", "::1"} {
		for _, server := range []string{"127.0.0.1", "::1"} {
			for _, mode := range []dialling.DataMode{dialling.DataPassive, dialling.DataActive, dialling.DataMatch} {
				name := fmt.Sprintf("client %s upstream %s mode %d", client, server, mode)
				t.Run(name, func(t *testing.T) { familiesAndDataModes(t, client, server, mode) })
			}
		}
	}
}

func familiesAndDataModes(t *testing.T, client, server string, mode dialling.DataMode) {
	r := newRig(t, func(s *settings) {
		s.listener.Address = "[" + client + "]:0"
		s.upstreamHost = server
		s.upstream.DataMode = mode
	})
	c := r.session()
	for _, active := range []bool{false, true} {
		l := c.prepare(active).transfer("RETR 30000")
		l.receive(bulk(30_000))
		l.hearEnd()
		c.hear(226)
	}
	passive := r.upstream.count("PASV") + r.upstream.count("EPSV")
	port := r.upstream.count("PORT") + r.upstream.count("EPRT")
	want := map[dialling.DataMode][2]int{
		dialling.DataPassive: {2, 0}, dialling.DataActive: {0, 2}, dialling.DataMatch: {1, 1},
	}[mode]
	if got := [2]int{passive, port}; got != want {
		t.Errorf("the upstream was asked %d times for passive and %d for active", got[0], got[1])
	}
	if client == "::1" {
		c.do(425, "PASV")
	}
	r.recoversAfter(c)
}

// An upstream that offers EPSV in FEAT is asked with it, and one that then
// refuses is asked in the old way, once and for all.
func TestExtendedFormsFallBack(t *testing.T) {
	for _, refusal := range []string{"500", "501", "502", "522"} {
		r := newRig(t)
		r.upstream.says("FEAT", "211-features\r\n EPSV\r\n EPRT\r\n211 end\r\n")
		r.upstream.says("EPSV", refusal+" no\r\n")
		c := r.session()
		c.do(211, "FEAT")
		c.downloads(100)
		c.downloads(100)
		if e, p := r.upstream.count("EPSV"), r.upstream.count("PASV"); e != 1 || p != 2 {
			t.Errorf("EPSV was tried %d times and PASV %d times", e, p)
		}
		r.recoversAfter(c)
	}
}

// RFC 2428 §4: after EPSV ALL only EPSV opens data connections.
func TestEPSVALL(t *testing.T) {
	r := newRig(t)
	c := r.session()
	c.do(200, "EPSV ALL")
	for _, line := range []string{"PASV", "PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"} {
		c.do(503, line)
	}
	c.downloads(1000)
	r.recoversAfter(c)
}

// REIN ends TLS, the session goes on in clear text, and AUTH starts all of it
// again; what the first TLS proved is worth nothing any more.
func TestREINEndsTLSAndAUTHStartsItAgain(t *testing.T) {
	for _, change := range []func(*settings){func(*settings) {}, requireReuse} {
		r := newRig(t, change)
		c := r.session()
		for range 3 {
			c.downloads(1000)
			c.reinitialise()
			c.do(530, "USER anna")
			c.do(503, "PBSZ 0")
			c.secure()
			c.protect()
			c.login()
		}
		if n := r.upstream.visited(); n != 4 {
			t.Errorf("%d visits to the upstream instead of 4", n)
		}
		r.recoversAfter(c)
	}
}

// On an implicit listener REIN stays private.
func TestREINOnAnImplicitListener(t *testing.T) {
	r := newRig(t, implicit)
	c := r.session()
	for range 2 {
		c.downloads(1000)
		c.do(220, "REIN")
		c.do(530, "PWD")
		c.login()
	}
	r.recoversAfter(c)
}

// Commands pipelined behind what ends TLS belong to nobody: they were sent inside
// TLS and would be answered outside of it.
func TestBytesBehindTheEndOfTLSEndTheSession(t *testing.T) {
	for verb, heard := range map[string][]int{"REIN": {220, 421}, "CCC": {421}} {
		for _, injected := range []string{"USER anna", "NOOP", "x"} {
			t.Run(verb+" "+injected, func(t *testing.T) {
				r := newRig(t, func(s *settings) { s.listener.TLS.AllowCCC = true })
				c := r.session()
				c.say(verb, injected)
				for _, code := range heard {
					c.hear(code) // still inside TLS
				}
				c.hearEnd()
				if n := r.upstream.count("USER"); n != 1 {
					t.Errorf("the upstream heard USER %d times", n)
				}
				r.recovers()
			})
		}
	}
}

// A port of the client's that is not its own address is refused unseen.
func TestBounceIsRefused(t *testing.T) {
	r := newRig(t)
	c := r.session()
	for _, line := range []string{
		"PORT 127,0,0,2,200,1", "PORT 192,0,2,1,200,1", "PORT 127,0,0,1,0,22",
		"EPRT |1|127.0.0.2|51201|", "EPRT |2|::1|51201|", "EPRT |1|127.0.0.1|22|",
	} {
		c.do(500, line)
	}
	if n := r.upstream.count("PASV") + r.upstream.count("PORT"); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
	r.recoversAfter(c)
}

// The address in a 227 is not believed: this upstream names another, always.
func TestAddressOfA227IsNotBelieved(t *testing.T) {
	r := newRig(t)
	c := r.session()
	reply := c.do(227, "PASV")
	if strings.Contains(reply, "192,0,2,99") {
		t.Errorf("the upstream's address was passed on: %s", reply)
	}
	c.downloads(1000)
	r.recoversAfter(c)
}

func TestTruncatedUploadMayBeAllowed(t *testing.T) {
	for _, how := range []proxy.Truncation{proxy.TruncationLog, proxy.TruncationAllow} {
		r := newRig(t, func(s *settings) { s.listener.TLS.Truncation = how })
		c := r.session()
		l := c.transfer("STOR a")
		l.send(bulk(5000))
		l.cutOff()
		c.hear(226)
		if up := <-r.upstream.uploads; up.err != nil || len(up.data) != 5000 {
			t.Fatalf("%d bytes arrived, then %v", len(up.data), up.err)
		}
		if n := r.logged("upload ended without close_notify"); (n == 1) != (how == proxy.TruncationLog) {
			t.Errorf("it was logged %d times", n)
		}
		r.recoversAfter(c)
	}
}
