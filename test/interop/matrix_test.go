package interop

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// clearAllowed lets a client do without TLS on either kind of connection.
const clearAllowed = `control = "allow"
    data    = "allow"`

// TestMatrix has every client work with every server through the proxy, in every
// way the client can connect: explicit and implicit TLS and none, passive and
// active, over IPv4 and IPv6, with private and with clear data connections.
func TestMatrix(t *testing.T) {
	for _, kind := range servers.All() {
		for _, address := range loopbacks() {
			t.Run(fmt.Sprintf("%s/%s", kind, family(address)), func(t *testing.T) {
				t.Parallel()
				needAddress(t, address)
				pki := machine.NewPKI(t)
				server := servers.Start(t, kind, servers.Options{Address: address})
				p := startProxy(t, front{server: server, address: address, tls: clearAllowed, pki: &pki})
				for _, client := range clients.All(t) {
					throughEveryWay(t, p, client)
				}
			})
		}
	}
}

// TestFamiliesMeet has clients of one address family reach a server of the other.
func TestFamiliesMeet(t *testing.T) {
	for _, kind := range []servers.Kind{servers.VSFTPD, servers.PureFTPd} {
		for i, address := range loopbacks() {
			other := loopbacks()[1-i]
			t.Run(fmt.Sprintf("%s on %s for %s", kind, family(other), family(address)), func(t *testing.T) {
				t.Parallel()
				needAddress(t, address)
				needAddress(t, other)
				pki := machine.NewPKI(t)
				server := servers.Start(t, kind, servers.Options{Address: other})
				p := startProxy(t, front{server: server, address: address, pki: &pki})
				for _, client := range []clients.Client{clients.NewLFTP(t), clients.NewFtplib(t)} {
					inPrivate(t, p, client)
				}
			})
		}
	}
}

// TestActiveUpstream has the proxy open its data connections to the server by
// PORT and EPRT, whatever the client does on its own side.
func TestActiveUpstream(t *testing.T) {
	for _, kind := range servers.All() {
		for _, address := range loopbacks() {
			t.Run(fmt.Sprintf("%s/%s", kind, family(address)), func(t *testing.T) {
				t.Parallel()
				needAddress(t, address)
				pki := machine.NewPKI(t)
				server := servers.Start(t, kind, servers.Options{Address: address})
				p := startProxy(t, front{server: server, address: address, dataMode: "active", pki: &pki})
				for _, client := range []clients.Client{clients.NewLFTP(t), clients.NewFtplib(t)} {
					inPrivate(t, p, client)
				}
			})
		}
	}
}

// throughEveryWay runs the client once for each way to hold a session.
func throughEveryWay(t *testing.T, p *proxy, client clients.Client) {
	t.Helper()
	for _, protection := range []clients.TLS{clients.Explicit, clients.Implicit, clients.Plain} {
		for _, unprotected := range []bool{false, true} {
			if protection == clients.Plain && unprotected {
				continue // without TLS there is no PROT
			}
			for _, active := range []bool{false, true} {
				target := p.target(protection)
				target.Clear, target.Active = unprotected, active
				cell(t, p, client, target)
			}
		}
	}
}

// inPrivate runs the client with TLS everywhere, passive and active.
func inPrivate(t *testing.T, p *proxy, client clients.Client) {
	t.Helper()
	for _, active := range []bool{false, true} {
		target := p.target(clients.Explicit)
		target.Active = active
		cell(t, p, client, target)
	}
}

// cell is one session, after which the proxy must be as before.
func cell(t *testing.T, p *proxy, client clients.Client, target clients.Target) {
	t.Helper()
	t.Run(client.Name()+"/"+way(target), func(t *testing.T) {
		if reason := clients.Cannot(client, target); reason != "" {
			t.Skip(client.Name(), reason)
		}
		doEverything(t, p.server, client, target)
		p.settled(t)
	})
}

func family(address netip.Addr) string {
	if address.Is6() {
		return "IPv6"
	}
	return "IPv4"
}
