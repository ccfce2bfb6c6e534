package interop

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestDirect has every client work with every server without the proxy, so that
// a failure in the matrix is the proxy's.
func TestDirect(t *testing.T) {
	for _, kind := range servers.All() {
		for _, address := range loopbacks() {
			t.Run(fmt.Sprintf("%s/%s", kind, family(address)), func(t *testing.T) {
				t.Parallel()
				needAddress(t, address)
				server := servers.Start(t, kind, servers.Options{Address: address})
				for _, client := range clients.All(t) {
					directly(t, server, client)
				}
			})
		}
	}
}

func directly(t *testing.T, server *servers.Server, client clients.Client) {
	t.Helper()
	for _, active := range []bool{false, true} {
		target := clients.Target{
			Addr: server.Addr, User: server.User, Password: server.Password,
			TLS: clients.Plain, Active: active,
		}
		t.Run(client.Name()+"/"+manner(target), func(t *testing.T) {
			if reason := clients.Cannot(client, target); reason != "" {
				t.Skip(client.Name(), reason)
			}
			doEverything(t, server, client, target)
		})
	}
}

func loopbacks() []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
}

// needAddress skips the test on a machine without the address.
func needAddress(t *testing.T, address netip.Addr) {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
	if err != nil {
		t.Skipf("no %s on this machine: %v", address, err)
	}
	l.Close()
}

// manner names how a session is held.
func manner(target clients.Target) string {
	name := string(target.TLS)
	if target.Clear {
		name += ", clear data"
	}
	if target.Active {
		return name + ", active"
	}
	return name + ", passive"
}

func family(address netip.Addr) string {
	if address.Is6() {
		return "IPv6"
	}
	return "IPv4"
}
