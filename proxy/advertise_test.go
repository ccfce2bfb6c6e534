package proxy

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestAdvertisedAddress(t *testing.T) {
	networks := map[netip.Prefix]netip.Addr{
		netip.MustParsePrefix("10.0.0.0/8"):    netip.MustParseAddr("10.0.0.9"),
		netip.MustParsePrefix("10.1.0.0/16"):   netip.MustParseAddr("::ffff:10.1.0.9"),
		netip.MustParsePrefix("10.1.2.0/24"):   netip.MustParseAddr("10.1.2.9"),
		netip.MustParsePrefix("2001:db8::/32"): netip.MustParseAddr("192.0.2.9"),
		netip.MustParsePrefix("10.6.0.0/16"):   netip.MustParseAddr("2001:db8::9"),
	}
	for _, c := range []struct {
		advertise     string
		networks      map[netip.Prefix]netip.Addr
		local, client string
		want          string // "": there is none
	}{
		{advertise: "auto", local: "192.0.2.1", client: "192.0.2.2", want: "192.0.2.1"},
		{advertise: "", local: "192.0.2.1", client: "192.0.2.2", want: "192.0.2.1"},
		{advertise: "auto", local: "2001:db8::1", client: "2001:db8::2"},
		{advertise: "203.0.113.1", local: "192.0.2.1", client: "192.0.2.2", want: "203.0.113.1"},
		{advertise: "203.0.113.1", local: "2001:db8::1", client: "2001:db8::2", want: "203.0.113.1"},
		{advertise: "::ffff:203.0.113.1", local: "192.0.2.1", client: "192.0.2.2", want: "203.0.113.1"},
		{advertise: "2001:db8::1", local: "192.0.2.1", client: "192.0.2.2"},
		{advertise: "not-resolved.example", local: "192.0.2.1", client: "192.0.2.2"},

		// The most specific network counts, and counts for more than advertise.
		{networks: networks, local: "192.0.2.1", client: "192.0.2.2", want: "192.0.2.1"},
		{networks: networks, local: "192.0.2.1", client: "10.200.0.1", want: "10.0.0.9"},
		{networks: networks, local: "192.0.2.1", client: "10.1.200.1", want: "10.1.0.9"},
		{networks: networks, local: "192.0.2.1", client: "10.1.2.200", want: "10.1.2.9"},
		{networks: networks, local: "192.0.2.1", client: "10.6.0.1"},
		{networks: networks, local: "2001:db8::1", client: "2001:db8::2", want: "192.0.2.9"},
		{networks: networks, advertise: "203.0.113.1", local: "192.0.2.1", client: "10.1.2.200", want: "10.1.2.9"},
		{networks: networks, advertise: "203.0.113.1", local: "192.0.2.1", client: "192.0.2.2", want: "203.0.113.1"},
		{networks: networks, advertise: "not-resolved.example", local: "192.0.2.1", client: "10.1.2.200", want: "10.1.2.9"},
	} {
		a := newAdvertised(PassiveConfig{Advertise: c.advertise, Networks: c.networks})
		got, err := a.address(netip.MustParseAddr(c.local), netip.MustParseAddr(c.client))
		switch {
		case c.want == "" && !errors.Is(err, errNoAddress):
			t.Errorf("%+v: %v, %v instead of errNoAddress", c, got, err)
		case c.want != "" && (err != nil || got.String() != c.want):
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

func TestAdvertisedHostName(t *testing.T) {
	a := newAdvertised(PassiveConfig{Advertise: "localhost"})
	if err := a.resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLoopback := func() {
		t.Helper()
		if got, err := a.address(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")); err != nil || got != loopback {
			t.Fatalf("%v, %v", got, err)
		}
	}
	wantLoopback()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_ = a.resolve(over) // fails, or is quicker than that
	wantLoopback()
}

func TestAdvertisedAddressIsNotLookedUp(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, advertise := range []string{"", "auto", "192.0.2.1", "2001:db8::1"} {
		if err := newAdvertised(PassiveConfig{Advertise: advertise}).resolve(over); err != nil {
			t.Errorf("%q: %v", advertise, err)
		}
	}
}
