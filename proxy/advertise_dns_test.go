package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// A host name behind which the address changes is followed; the last good answer
// stays while there is none.
func TestAdvertisedHostNameIsFollowed(t *testing.T) {
	var answer atomic.Pointer[string] // nil: the name server fails
	resolveWith(t, func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg).SetReply(q)
		if ip := answer.Load(); ip == nil {
			r.Rcode = dns.RcodeServerFailure
		} else if q.Question[0].Qtype == dns.TypeA {
			rr, err := dns.NewRR(q.Question[0].Name + " 60 IN A " + *ip)
			if err != nil {
				t.Error(err)
			}
			r.Answer = append(r.Answer, rr)
		}
		_ = w.WriteMsg(r)
	})
	a := newAdvertised(PassiveConfig{Advertise: "ftp.example.com"})
	for _, step := range []struct {
		answer, want string // "": none
		failing      bool
	}{
		{failing: true},
		{answer: "192.0.2.1", want: "192.0.2.1"},
		{answer: "192.0.2.2", want: "192.0.2.2"},
		{want: "192.0.2.2", failing: true},
		{answer: "192.0.2.3", want: "192.0.2.3"},
	} {
		answer.Store(nil)
		if step.answer != "" {
			answer.Store(&step.answer)
		}
		if err := a.resolve(t.Context()); (err != nil) != step.failing {
			t.Fatalf("%+v: %v", step, err)
		}
		got, err := a.address(loopback, loopback)
		if (err != nil) != (step.want == "") || err == nil && got != netip.MustParseAddr(step.want) {
			t.Errorf("%+v: %v, %v", step, got, err)
		}
	}
}

// resolveWith has names looked up by a name server of the test's own.
func resolveWith(t *testing.T, handle dns.HandlerFunc) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: handle, NotifyStartedFunc: func() { close(started) }}
	served := make(chan error, 1)
	go func() { served <- server.ActivateAndServe() }()
	<-started
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
