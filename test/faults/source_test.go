package faults

import (
	"net"
	"net/netip"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// The address that upstreams see is the operator's choice, on control and on data
// connections: theirs may let in no other.
func TestUpstreamIsDialledFromTheSource(t *testing.T) {
	source := netip.MustParseAddr("127.0.0.3")
	r := newRig(t, func(s *settings) { s.upstream.Source = source })
	seen := make(chan netip.Addr, 2)
	r.upstream.on("RETR", func(v *visit, _ string) {
		v.reply("150 here it comes")
		v.transfers.Go(func() {
			conn, err := v.open()
			if err != nil {
				close(seen)
				return
			}
			for _, c := range []net.Conn{v.control, conn} {
				seen <- c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
			}
			_ = conn.Close()
			v.reply("226 done")
		})
	})
	c := r.session()
	l := c.transfer("RETR a")
	l.hearEnd()
	c.hear(226)
	for range 2 {
		if got := <-seen; got != source {
			t.Errorf("the upstream is dialled from %v, want %v", got, source)
		}
	}
	r.recoversAfter(c)
}

// Clients, too: those whose firewall lets in data connections from one address
// only.
func TestClientIsDialledFromTheBoundAddress(t *testing.T) {
	bound := netip.MustParseAddr("127.0.0.4")
	r := newRig(t, func(s *settings) { s.listener.Active.Bind = bound })
	c := r.session()
	for _, verb := range []string{"PORT", "EPRT"} {
		l := c.prepareBy(verb).transfer("RETR 5000")
		if got := l.tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); got != bound {
			t.Errorf("%s: the client is dialled from %v, want %v", verb, got, bound)
		}
		l.receive(bulk(5000))
		l.hearEnd()
		c.hear(226)
	}
	r.recoversAfter(c)
}

// Clients on one side of a NAT are told another address than those on the other.
func TestAdvertisedAddressDependsOnTheClientsNetwork(t *testing.T) {
	here := netip.MustParseAddr("127.0.0.1")
	r := newRig(t, func(s *settings) {
		s.listener.Passive = proxy.PassiveConfig{
			Ports: s.listener.Passive.Ports, Advertise: "192.0.2.9",
			Networks: map[netip.Prefix]netip.Addr{netip.PrefixFrom(here, 32): here},
		}
	})
	c := r.session()
	if got := c.pasv().Addr(); got != here {
		t.Errorf("a client in the network is told %v, want %v", got, here)
	}
	r.settings.listener.Passive.Networks = map[netip.Prefix]netip.Addr{netip.MustParsePrefix("10.0.0.0/8"): here}
	if err := r.server.Reload(r.config()); err != nil {
		t.Fatal(err)
	}
	other := r.session()
	if got := other.pasv().Addr(); got != netip.MustParseAddr("192.0.2.9") {
		t.Errorf("a client outside of it is told %v", got)
	}
	other.close()
	r.recoversAfter(c)
}
