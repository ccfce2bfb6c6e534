package tlsterm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// Who the server has to be: its name, its key, its version; and who we are.

func TestServerNameIsSent(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server, o := newGoServer(cert, version), newOriginator(t, nil, cert).Bind()
		other := newGoServer(cert, version) // resumes nothing
		for what, m := range map[string]meeting{"control": server.login(t, o), "data": other.data(t, o)} {
			if sni := m.mustSucceed(t).server.ConnectionState().ServerName; sni != upstreamName {
				t.Errorf("%s: SNI %q", what, sni)
			}
		}
	})
}

// The configured name is what counts, on data connections as well. That a
// certificate is valid for the address that was dialled, which the server itself
// named in its 227, means nothing.
func TestConfiguredNameIsVerified(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		ca := newCA(t, "authority")
		right := newGoServer(ca.issue(t, upstreamName), version)
		for _, name := range []string{"127.0.0.1", "files.example.com", "example.com"} {
			wrong := newGoServer(ca.issue(t, name), version)
			o := newOriginator(t, nil, ca.testCert).Bind()
			if err := wrong.control(t, o).clientErr; !isHostnameError(err) {
				t.Errorf("control connection, certificate for %s: %v", name, err)
			}
			right.login(t, o)
			if err := wrong.data(t, o).clientErr; !isHostnameError(err) {
				t.Errorf("data connection, certificate for %s: %v", name, err)
			}
		}
		// The right name of an authority nobody has heard of.
		o := newOriginator(t, nil, ca.testCert).Bind()
		right.login(t, o)
		stranger := newGoServer(newCA(t, "another").issue(t, upstreamName), version)
		if _, ok := errors.AsType[x509.UnknownAuthorityError](stranger.data(t, o).clientErr); !ok {
			t.Error("a data connection accepted an unknown authority")
		}
	})
}

func isHostnameError(err error) bool {
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}

// Another machine of the same name may serve the data: a certificate of its own
// is enough, while names are verified.
func TestAnotherCertificateOfTheSameNameServesData(t *testing.T) {
	ca := newCA(t, "authority")
	o := newOriginator(t, nil, ca.testCert).Bind()
	newGoServer(ca.issue(t, upstreamName), tls.VersionTLS13).login(t, o)
	newGoServer(ca.issue(t, upstreamName), tls.VersionTLS13).data(t, o).mustSucceed(t)
}

// Without verification the key of the control connection is all there is to know
// the server by.
func TestWithoutVerificationTheKeyMustBeTheSame(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		ca, key := newCA(t, "authority"), newECKey(t)
		server := newGoServer(ca.issueFor(t, "whatever.example", key), version)
		o := newOriginator(t, skipVerify).Bind()
		server.login(t, o)
		if !server.data(t, o).resumed(t) {
			t.Error("the same server was not resumed")
		}
		if err := newGoServer(ca.issue(t, "whatever.example"), version).data(t, o).clientErr; !errors.Is(err, ErrOtherServer) {
			t.Errorf("another key: %v", err)
		}
		// A certificate renewed with the same key is the same server.
		newGoServer(ca.issueFor(t, "whatever.example", key), version).data(t, o).mustSucceed(t)
	})
}

func TestPins(t *testing.T) {
	ca, other := newCA(t, "authority"), newCA(t, "another")
	leaf := ca.issue(t, upstreamName)
	// What nobody verifies may stand in a chain, however it came there.
	padded := leaf
	padded.cert.Certificate = [][]byte{leaf.cert.Certificate[0], ca.cert.Certificate[0], other.cert.Certificate[0]}
	pin := func(c testCert) Pin { return pinOf(c.cert.Leaf) }
	for _, c := range []struct {
		name   string
		server testCert
		skip   bool
		pins   []Pin
		want   error
	}{
		{"the server's key", leaf, false, []Pin{pin(leaf)}, nil},
		{"the authority's key", leaf, false, []Pin{pin(ca.testCert)}, nil},
		{"one of several", leaf, false, []Pin{pin(other.testCert), pin(leaf)}, nil},
		{"another key", leaf, false, []Pin{pin(other.testCert)}, ErrPin},
		{"a key outside of the verified chain", padded, false, []Pin{pin(other.testCert)}, ErrPin},
		{"no verification: the server's key", leaf, true, []Pin{pin(leaf)}, nil},
		{"no verification: a key in its chain", padded, true, []Pin{pin(ca.testCert)}, ErrPin},
		{"no verification: another key", leaf, true, []Pin{pin(other.testCert)}, ErrPin},
	} {
		for _, version := range versions {
			o := newOriginator(t, func(cfg *OriginConfig) { cfg.SkipVerify, cfg.Pins = c.skip, c.pins }, ca.testCert).Bind()
			m := newGoServer(c.server, version).control(t, o)
			if c.want == nil && m.clientErr != nil || !errors.Is(m.clientErr, c.want) {
				t.Errorf("%s, %s: %v", c.name, versionName(version), m.clientErr)
			}
		}
	}
}

// Pins replace no part of verification.
func TestPinnedKeyIsVerifiedAllTheSame(t *testing.T) {
	stranger := newCert(t, upstreamName)
	o := newOriginator(t, func(c *OriginConfig) { c.Pins = []Pin{pinOf(stranger.cert.Leaf)} }, newCert(t, upstreamName)).Bind()
	err := newGoServer(stranger, tls.VersionTLS13).control(t, o).clientErr
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("got %v", err)
	}
}

func TestPinsHoldOnDataConnections(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		ca := newCA(t, "authority")
		leaf := ca.issue(t, upstreamName)
		server := newGoServer(leaf, version)
		o := newOriginator(t, func(c *OriginConfig) { c.Pins = []Pin{pinOf(leaf.cert.Leaf)} }, ca.testCert).Bind()
		server.login(t, o)
		if !server.data(t, o).resumed(t) {
			t.Error("the pinned server was not resumed")
		}
		if err := newGoServer(ca.issue(t, upstreamName), version).data(t, o).clientErr; !errors.Is(err, ErrPin) {
			t.Errorf("another key: %v", err)
		}
	})
}

// The error names the key that was there, for those who must renew a pin.
func TestPinErrorNamesTheKey(t *testing.T) {
	cert := newCert(t, upstreamName)
	o := newOriginator(t, func(c *OriginConfig) { c.Pins = []Pin{{}} }, cert).Bind()
	err := newGoServer(cert, tls.VersionTLS13).control(t, o).clientErr
	if err == nil || !strings.Contains(err.Error(), pinOf(cert.cert.Leaf).String()) {
		t.Errorf("got %v", err)
	}
}

// A server that asks for a certificate is shown ours on both connections, even
// when its list of authorities lacks the issuer.
func TestClientCertificateIsShown(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert, own := newCert(t, upstreamName), newCert(t, "proxy.example.com")
		server := newGoServer(cert, version)
		server.cfg.ClientAuth, server.cfg.ClientCAs = tls.RequireAnyClientCert, poolOf(newCert(t, "stranger"))
		other := &goServer{server.cfg.Clone()}
		other.cfg.SetSessionTicketKeys([][32]byte{{1}})
		o := newOriginator(t, func(c *OriginConfig) { c.Certificate = own.source() }, cert).Bind()
		for what, m := range map[string]meeting{"control": server.login(t, o), "data": server.data(t, o), "full data": other.data(t, o)} {
			shown := m.mustSucceed(t).server.ConnectionState().PeerCertificates
			if len(shown) != 1 || string(shown[0].Raw) != string(own.fingerprint()) {
				t.Errorf("%s: shown %v", what, shown)
			}
		}
	})
}

func TestNoClientCertificate(t *testing.T) {
	cert := newCert(t, upstreamName)
	server := newGoServer(cert, tls.VersionTLS12)
	server.cfg.ClientAuth = tls.RequestClientCert
	m := server.login(t, newOriginator(t, nil, cert).Bind())
	if shown := m.server.ConnectionState().PeerCertificates; len(shown) != 0 {
		t.Errorf("shown %v", shown)
	}
	server = newGoServer(cert, tls.VersionTLS12)
	server.cfg.ClientAuth = tls.RequireAnyClientCert
	if m := server.control(t, newOriginator(t, nil, cert).Bind()); m.clientErr == nil {
		t.Error("a server that demands a certificate was satisfied with none")
	}
	// In TLS 1.3 we are done before the server has looked: the first Read tells.
	server = newGoServer(cert, tls.VersionTLS13)
	server.cfg.ClientAuth = tls.RequireAnyClientCert
	m = server.control(t, newOriginator(t, nil, cert).Bind())
	if m.clientErr != nil {
		t.Fatal(m.clientErr)
	}
	if err := hears(m.client); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("Read says %v", err)
	}
}

// A renewed file serves the next control connection; the data connections of
// this one show what it showed.
func TestClientCertificateIsLookedUpOncePerControlConnection(t *testing.T) {
	cert, first, second := newCert(t, upstreamName), newCert(t, "first"), newCert(t, "second")
	server := newGoServer(cert, tls.VersionTLS13)
	server.cfg.ClientAuth = tls.RequireAnyClientCert
	server.cfg.SessionTicketsDisabled = true
	src := &changing{}
	src.set(&first.cert)
	o := newOriginator(t, func(c *OriginConfig) { c.Certificate = src }, cert).Bind()
	server.login(t, o)
	src.set(&second.cert)
	for what, want := range map[string]testCert{"data": first, "control": second} {
		var m meeting
		if what == "data" {
			m = server.data(t, o)
		} else {
			m = server.login(t, newOriginator(t, func(c *OriginConfig) { c.Certificate = src }, cert).Bind())
		}
		shown := m.mustSucceed(t).server.ConnectionState().PeerCertificates
		if len(shown) != 1 || string(shown[0].Raw) != string(want.fingerprint()) {
			t.Errorf("%s: shown another certificate", what)
		}
	}
}

func TestClientCertificateThatIsMissing(t *testing.T) {
	cert, why := newCert(t, upstreamName), errors.New("no such file")
	o := newOriginator(t, func(c *OriginConfig) { c.Certificate = broken{why} }, cert).Bind()
	conn, _ := tcpPair(t)
	if _, err := o.Control(within(t), conn); !errors.Is(err, why) || !strings.Contains(err.Error(), "client certificate") {
		t.Errorf("got %v", err)
	}
}

func TestOldestVersionOfTheUpstream(t *testing.T) {
	cert := newCert(t, upstreamName)
	strict := func(c *OriginConfig) { c.MinVersion = tls.VersionTLS13 }
	old, current := newGoServer(cert, tls.VersionTLS12), newGoServer(cert, tls.VersionTLS13)
	o := newOriginator(t, strict, cert).Bind()
	if m := old.control(t, o); m.clientErr == nil {
		t.Error("control: TLS 1.2 was accepted")
	}
	current.login(t, o)
	if m := old.data(t, o); m.clientErr == nil {
		t.Error("data: TLS 1.2 was accepted")
	}
	ancient := newGoServer(cert, tls.VersionTLS11)
	ancient.cfg.MinVersion = tls.VersionTLS10
	if m := ancient.control(t, newOriginator(t, nil, cert).Bind()); m.clientErr == nil {
		t.Error("TLS 1.1 was accepted by default")
	}
}

// A server that stops in the middle of a handshake holds nobody longer than the
// context, and the connection is left to its owner.
func TestStalledUpstreamHandshakeEndsWithItsContext(t *testing.T) {
	cert := newCert(t, upstreamName)
	o := newOriginator(t, nil, cert).Bind()
	newGoServer(cert, tls.VersionTLS13).login(t, o)
	for name, peer := range map[string]func(net.Conn){
		"a peer that does not read": func(net.Conn) {},
		"a peer that says nothing":  func(c net.Conn) { _ = hears(c) },
		"half a record header": func(c net.Conn) {
			go func() { _ = hears(c) }()
			_, _ = c.Write([]byte{22, 3, 3})
		},
	} {
		for what, handshake := range map[string]func(context.Context, net.Conn) (*tls.Conn, error){
			"data": o.Data, "control": newOriginator(t, nil, cert).Bind().Control,
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				conn, far := net.Pipe() // a write waits for its reader
				defer far.Close()
				w := &watched{Conn: conn}
				defer conn.Close()
				go peer(far)
				why := errors.New("why")
				ctx, cancel := context.WithCancelCause(t.Context())
				timer := time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
				defer timer.Stop()
				if _, err := handshake(ctx, w); !errors.Is(err, why) {
					t.Errorf("got %v, want the cause", err)
				}
				if w.closed != 0 {
					t.Error("the connection was closed: it is the caller's")
				}
			})
		}
	}
}

// A context that ends when the handshake is done changes nothing.
func TestContextEndsAfterTheUpstreamHandshake(t *testing.T) {
	cert := newCert(t, upstreamName)
	o := newOriginator(t, nil, cert).Bind()
	ctx, cancel := context.WithCancel(t.Context())
	m := newGoServer(cert, tls.VersionTLS13).meet(t, func(conn net.Conn) (*tls.Conn, error) { return o.Control(ctx, conn) })
	cancel()
	m.mustSucceed(t)
	exchange(t, m.server, m.client, "220 ready\r\n")
	exchange(t, m.client, m.server, "NOOP\r\n")
}
