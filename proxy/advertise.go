package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// advertised is the IPv4 address that 227 names: where the client reached us,
// or what the operator says. EPSV needs none (RFC 2428 §3).
type advertised struct {
	host     string // "": where the client reached us
	networks map[netip.Prefix]netip.Addr
	known    atomic.Pointer[netip.Addr]
}

func newAdvertised(c PassiveConfig) *advertised {
	a := &advertised{networks: c.Networks}
	if c.Advertise == "" || c.Advertise == "auto" {
		return a
	}
	a.host = c.Advertise
	if ip, err := netip.ParseAddr(a.host); err == nil {
		ip = ip.Unmap()
		a.known.Store(&ip)
	}
	return a
}

// address is what a client that reached us at local is told.
func (a *advertised) address(local, client netip.Addr) (netip.Addr, error) {
	ip := local
	if other, ok := a.special(client); ok {
		ip = other
	} else if a.host != "" {
		known := a.known.Load()
		if known == nil {
			return netip.Addr{}, fmt.Errorf("%w: %s has not been resolved", errNoAddress, a.host)
		}
		ip = *known
	}
	if !ip.Is4() {
		return netip.Addr{}, fmt.Errorf("%w: %s is not IPv4", errNoAddress, ip)
	}
	return ip, nil
}

// special is the address for a client's network, if it has one of its own.
func (a *advertised) special(client netip.Addr) (found netip.Addr, ok bool) {
	bits := -1
	for network, ip := range a.networks {
		if network.Contains(client) && network.Bits() > bits {
			found, bits = ip.Unmap(), network.Bits()
		}
	}
	return found, bits >= 0
}

// advertiseInterval is how often a host name is looked up again.
const advertiseInterval = time.Minute

// resolve looks a host name up again, so that a changing address is followed.
// The last good answer stays while look-ups fail.
func (a *advertised) resolve(ctx context.Context) error {
	if _, err := netip.ParseAddr(a.host); err == nil || a.host == "" {
		return nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", a.host)
	if err != nil {
		return err
	}
	ip := ips[0].Unmap()
	a.known.Store(&ip)
	return nil
}
