package interop

import (
	"flag"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// clearAllowed lets a client do without TLS on either kind of connection.
const clearAllowed = `control = "allow"
    data    = "allow"`

// full has the matrix tried in the complete product of its dimensions.
var full = flag.Bool("matrix.full", false, "try every combination of servers, upstreams, clients, ways, modes, versions and families")

// TestMatrix has clients work with servers through the proxy, in every way that
// both can connect: upload, download, listings, an error, an abort and more, in
// one session of each combination.
//
// Normally the combinations are those of a covering design, see covering; with
// -matrix.full they are all of them.
func TestMatrix(t *testing.T) {
	r := newRoster(t)
	combinations := r.covering()
	if *full {
		combinations = r.product()
	}
	results := &table{}
	t.Run("cell", func(t *testing.T) {
		for _, c := range combinations {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				defer func() { results.note(c, t.Failed(), t.Skipped()) }()
				r.try(t, c)
			})
		}
	})
	results.show(t, r)
}

// try is one session, after which the proxy must be as before. The servers take
// nothing in clear text when the upstream is to have TLS, and those that can
// insist on resumed sessions do.
func (r roster) try(t *testing.T, c combination) {
	t.Helper()
	address, behind := c.addresses()
	needAddress(t, address)
	needAddress(t, behind)
	pki := machine.NewPKI(t)
	client := r[c.value(clientName)]
	server := servers.Start(t, c.server(), servers.Options{Address: behind, TLS: c.serverTLS(pki)})
	p := startProxy(t, front{
		server: server, address: address, dataMode: c.value(dataMode), tls: clearAllowed, pki: &pki,
	})
	target := p.target(c.protection())
	target.Clear, target.Active, target.Version = c.clearData(), c.active(), c.version(clientVersion)
	if reason := clients.Cannot(client, target); reason != "" {
		t.Fatalf("%s %s: such combinations are to be left out", client.Name(), reason)
	}
	doEverything(t, server, client, target)
	p.settled(t)
}
