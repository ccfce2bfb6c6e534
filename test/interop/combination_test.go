package interop

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// The dimensions of the matrix.
const (
	serverName      = iota
	upstreamTLS     // how the server speaks
	clientName      //
	way             // how the client speaks
	mode            // how the client opens data connections
	clientVersion   // of TLS
	upstreamVersion // of TLS
	addressFamily   // of the client
	upstreamFamily  //
	dataMode        // how the proxy opens data connections to the server
	dimensions
)

// A combination is one value of each dimension, by its number.
type combination [dimensions]int

// values lists the values of each dimension.
func values() [dimensions][]string {
	return [dimensions][]string{
		serverName:      {"vsftpd", "proftpd", "pure-ftpd", "pyftpdlib"},
		upstreamTLS:     {"clear", "explicit", "implicit"},
		clientName:      {"curl", "lftp", "ftplib", "jlaffaye", "openssl", "tnftp"},
		way:             {"explicit", "implicit", "explicit with clear data", "implicit with clear data", "plain"},
		mode:            {"passive", "active"},
		clientVersion:   {"TLS 1.3", "TLS 1.2"},
		upstreamVersion: {"TLS 1.3", "TLS 1.2"},
		addressFamily:   {"IPv4", "IPv6"},
		upstreamFamily:  {"same family", "other family"},
		dataMode:        {"passive", "active", "match"},
	}
}

func (c combination) value(dimension int) string { return values()[dimension][c[dimension]] }

func (c combination) String() string {
	words := []string{
		c.value(serverName), c.value(upstreamTLS), c.value(clientName), c.value(way), c.value(mode),
		c.value(addressFamily), "upstream of " + c.value(upstreamFamily), "data " + c.value(dataMode),
	}
	if c.value(way) != "plain" {
		words = append(words, "client "+c.value(clientVersion))
	}
	if c.value(upstreamTLS) != "clear" {
		words = append(words, "upstream "+c.value(upstreamVersion))
	}
	return strings.Join(words, "; ")
}

// A roster is the clients by their names.
type roster map[string]clients.Client

func newRoster(t *testing.T) roster {
	t.Helper()
	r := roster{}
	for _, client := range clients.All(t) {
		r[client.Name()] = client
	}
	return r
}

// leftOut returns why the combination is not tried, or "". What clients and
// servers cannot do is in clients.Limits and serverLimits.
func (r roster) leftOut(c combination) string {
	target := clients.Target{TLS: c.protection(), Clear: c.clearData(), Active: c.active()}
	address, _ := c.addresses()
	target.Addr = netip.AddrPortFrom(address, 1)
	switch {
	case c.value(upstreamTLS) == "implicit" && !servers.HasImplicit(c.server()):
		return c.value(serverName) + " has no implicit TLS"
	case c.value(way) == "plain" && c[clientVersion] != 0:
		return "without TLS there is no version of it"
	case c.value(upstreamTLS) == "clear" && c[upstreamVersion] != 0:
		return "without TLS there is no version of it"
	}
	if reason := clients.Cannot(r[c.value(clientName)], target); reason != "" {
		return c.value(clientName) + " " + reason
	}
	return ""
}

func (c combination) server() servers.Kind { return servers.Kind(c.value(serverName)) }

func (c combination) protection() clients.TLS {
	how, _, _ := strings.Cut(c.value(way), " ")
	return clients.TLS(how)
}

func (c combination) clearData() bool { return strings.HasSuffix(c.value(way), "clear data") }

func (c combination) active() bool { return c.value(mode) == "active" }

func (c combination) version(dimension int) uint16 {
	if c.value(dimension) == "TLS 1.2" {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

// addresses are the proxy's and the server's.
func (c combination) addresses() (front, behind netip.Addr) {
	front = loopbacks()[c[addressFamily]]
	behind = loopbacks()[(c[addressFamily]+c[upstreamFamily])%2]
	return front, behind
}

func (c combination) serverTLS(pki machine.PKI) *servers.TLS {
	if c.value(upstreamTLS) == "clear" {
		return nil
	}
	o := &servers.TLS{
		Implicit: c.value(upstreamTLS) == "implicit",
		Cert:     pki.Cert, Key: pki.Key,
		Reuse: servers.InsistsOnReuse(c.server()),
	}
	if c.version(upstreamVersion) == tls.VersionTLS12 {
		o.Max = tls.VersionTLS12
	}
	return o
}
