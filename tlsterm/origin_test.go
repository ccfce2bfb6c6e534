package tlsterm

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
)

// The facts about resuming towards the upstream, one test each.

func TestDataConnectionsResumeTheControlConnection(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server := newGoServer(cert, version)
		for name, change := range map[string]func(*OriginConfig){"verify": nil, "skip verify": skipVerify} {
			o := newOriginator(t, change, cert).Bind()
			if server.login(t, o).resumed(t) {
				t.Errorf("%s: the control connection resumed something", name)
			}
			// As often as there are files: the ticket is not used up.
			for i := range 3 {
				if !server.data(t, o).resumed(t) {
					t.Errorf("%s: data connection %d did not resume", name, i)
				}
			}
			if r, f := o.Resumed(); r != 3 || f != 0 {
				t.Errorf("%s: counted %d resumed, %d full", name, r, f)
			}
		}
	})
}

// An upstream known by its address has no SNI, and resumes all the same.
func TestUpstreamKnownByItsAddressResumes(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "127.0.0.1")
		server := newGoServer(cert, version)
		o := newOriginator(t, func(c *OriginConfig) { c.ServerName = "127.0.0.1" }, cert).Bind()
		if sni := server.login(t, o).server.ConnectionState().ServerName; sni != "" {
			t.Errorf("an address was sent as SNI: %q (RFC 6066 §3)", sni)
		}
		if !server.data(t, o).resumed(t) {
			t.Error("the data connection did not resume")
		}
	})
}

// One slot for each session: crypto/tls may make its key from an address with
// its port, which no data connection shares with its control connection.
func TestTicketsAreFoundUnderAnyKey(t *testing.T) {
	b := &bond{}
	ticket := &tls.ClientSessionState{}
	learning{b}.Put("192.0.2.1:21", ticket)
	if got, ok := (pinned{b}).Get("192.0.2.1:50000"); !ok || got != ticket {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := (learning{b}).Get("192.0.2.1:21"); ok {
		t.Error("a control connection was offered a ticket")
	}
}

// The ticket of a session that has another session's server is another's.
func TestSessionsShareNoTickets(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server, originator := newGoServer(cert, version), newOriginator(t, nil, cert)
		one, two := originator.Bind(), originator.Bind()
		server.login(t, one)
		if server.login(t, two).resumed(t) {
			t.Error("a control connection resumed another session")
		}
	})
}

// In TLS 1.3 the ticket comes behind the handshake and is taken in by Read; in
// TLS 1.2 it is part of the handshake.
func TestTicketIsTakenInByRead(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server, o := newGoServer(cert, version), newOriginator(t, nil, cert).Bind()
		m := server.control(t, o).mustSucceed(t)
		early := version == tls.VersionTLS12
		if o.Resumable() != early {
			t.Errorf("resumable before the first Read: %v", o.Resumable())
		}
		if server.data(t, o).resumed(t) != early {
			t.Errorf("a data connection before the first Read resumed: %v", !early)
		}
		exchange(t, m.server, m.client, "200 PBSZ=0\r\n")
		if !o.Resumable() || !server.data(t, o).resumed(t) {
			t.Error("after the first Read nothing can be resumed")
		}
		if r, f := o.Resumed(); early && (r != 2 || f != 0) || !early && (r != 1 || f != 1) {
			t.Errorf("counted %d resumed, %d full", r, f)
		}
	})
}

// After a resuming handshake that fails crypto/tls has the ticket removed. A
// server that insists on resumption would then refuse all that follows.
func TestTicketOutlivesAFailedDataHandshake(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server, o := newGoServer(cert, version), newOriginator(t, nil, cert).Bind()
		server.login(t, o)
		failing := &goServer{server.cfg.Clone()}
		failing.cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, errors.New("no more for today")
		}
		if m := failing.data(t, o); m.clientErr == nil {
			t.Fatal("the handshake was meant to fail")
		}
		if !server.data(t, o).resumed(t) {
			t.Error("the ticket has gone with the failed handshake")
		}
	})
}

// What a data connection is handed does not replace the control connection's
// ticket: some servers tie it to a session of its own.
func TestTicketsOfDataConnectionsAreIgnored(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server, other := newGoServer(cert, version), newGoServer(cert, version)
		o := newOriginator(t, nil, cert).Bind()
		server.login(t, o)
		m := other.data(t, o) // has keys of its own
		if m.resumed(t) {
			t.Fatal("two servers share their ticket keys")
		}
		exchange(t, m.server, m.client, "a file and the ticket in front of it")
		if !server.data(t, o).resumed(t) {
			t.Error("the ticket of a data connection has taken the control connection's place")
		}
		if other.data(t, o).resumed(t) {
			t.Error("the ticket of a data connection was used")
		}
	})
}

// The latest ticket of the control connection counts: a server that hands out
// another after some time may have forgotten the first.
func TestLatestTicketOfTheControlConnectionCounts(t *testing.T) {
	b := &bond{}
	first, second := &tls.ClientSessionState{}, &tls.ClientSessionState{}
	learning{b}.Put("", first)
	learning{b}.Put("", second)
	learning{b}.Put("", nil)
	if got := b.latest(); got != second {
		t.Errorf("got %p, want %p", got, second)
	}
}

// Control and data connections must go by one configuration, since crypto/tls
// does not offer a ticket that was earned under other versions, without the
// verification that is now wanted, or for another authority.
func TestOtherSettingsDoNotResume(t *testing.T) {
	cert := newCert(t, upstreamName)
	server := newGoServer(cert, tls.VersionTLS13)
	server.cfg.MinVersion = tls.VersionTLS12
	base := tls.Config{ServerName: upstreamName, RootCAs: poolOf(cert)}
	for _, c := range []struct {
		name          string
		control, data func(*tls.Config)
		resumes       bool
	}{
		{"the same", func(*tls.Config) {}, func(*tls.Config) {}, true},
		{"another MaxVersion", func(*tls.Config) {}, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, false},
		{"InsecureSkipVerify only on control", func(c *tls.Config) { c.InsecureSkipVerify = true }, func(*tls.Config) {}, false},
		{"another authority", func(*tls.Config) {}, func(c *tls.Config) { c.RootCAs = poolOf(newCert(t, "other")) }, false},
	} {
		cache := tls.NewLRUClientSessionCache(1)
		with := func(change func(*tls.Config)) func(net.Conn) (*tls.Conn, error) {
			cfg := base.Clone()
			cfg.ClientSessionCache = cache
			change(cfg)
			return func(conn net.Conn) (*tls.Conn, error) { return originate(within(t), conn, cfg) }
		}
		m := server.meet(t, with(c.control)).mustSucceed(t)
		exchange(t, m.server, m.client, "200 PBSZ=0\r\n")
		m = server.meet(t, with(c.data))
		if resumed := m.clientErr == nil && m.client.ConnectionState().DidResume; resumed != c.resumes {
			t.Errorf("%s: resumed %v", c.name, resumed)
		}
	}
}

// A server without tickets is noticed: TLS 1.2 session IDs are not resumed.
func TestServerWithoutTickets(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server, o := newGoServer(cert, version), newOriginator(t, nil, cert).Bind()
		server.cfg.SessionTicketsDisabled = true
		server.login(t, o)
		if o.Resumable() {
			t.Error("resumable without a ticket")
		}
		if server.data(t, o).resumed(t) {
			t.Error("resumed without a ticket")
		}
	})
}

// A new control connection, after REIN or another AUTH, starts from nothing:
// not even what the old connection is still handed reaches it.
func TestNewControlConnectionForgetsTheOld(t *testing.T) {
	cert := newCert(t, upstreamName)
	server, o := newGoServer(cert, tls.VersionTLS13), newOriginator(t, nil, cert).Bind()
	old := server.control(t, o).mustSucceed(t)
	silent := newGoServer(cert, tls.VersionTLS13)
	silent.cfg.SessionTicketsDisabled = true
	silent.login(t, o)
	exchange(t, old.server, old.client, "the ticket comes in front of this")
	if o.Resumable() {
		t.Error("the old connection's ticket belongs to the new one")
	}
	if server.data(t, o).resumed(t) {
		t.Error("a data connection resumed the old control connection")
	}
}

func TestDataNeedsAControlConnection(t *testing.T) {
	cert := newCert(t, upstreamName)
	server, o := newGoServer(cert, tls.VersionTLS13), newOriginator(t, nil, cert).Bind()
	if m := server.data(t, o); !errors.Is(m.clientErr, errUnbound) {
		t.Errorf("without a control connection: %v", m.clientErr)
	}
	server.login(t, o)
	distrusted := newGoServer(newCert(t, upstreamName), tls.VersionTLS13)
	if m := distrusted.control(t, o); m.clientErr == nil {
		t.Fatal("an unknown certificate was accepted")
	}
	if m := server.data(t, o); !errors.Is(m.clientErr, errUnbound) {
		t.Errorf("after a control connection that failed: %v", m.clientErr)
	}
}

// What comes in place of a ServerHello is not taken for anything: a server that
// greets in clear text on an implicit port, say.
func TestClearTextInsteadOfAServerHello(t *testing.T) {
	cert := newCert(t, upstreamName)
	o := newOriginator(t, nil, cert).Bind()
	newGoServer(cert, tls.VersionTLS13).login(t, o)
	for name, handshake := range map[string]func(net.Conn) (*tls.Conn, error){
		"data":    func(c net.Conn) (*tls.Conn, error) { return o.Data(within(t), c) },
		"control": func(c net.Conn) (*tls.Conn, error) { return newOriginator(t, nil, cert).Bind().Control(within(t), c) },
	} {
		conn, peer := tcpPair(t)
		if _, err := io.WriteString(peer, "220 Legacy server.\r\n"); err != nil {
			t.Fatal(err)
		}
		_, err := handshake(conn)
		if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The check of pins and keys runs on resumed connections as well, where no
// certificate is sent and none is verified.
func TestResumedConnectionsAreCheckedToo(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, upstreamName)
		server, o := newGoServer(cert, version), newOriginator(t, nil, cert).Bind()
		server.login(t, o)
		refused := errors.New("no longer trusted")
		cfg := o.originator.cfg.config(nil)
		cfg.ClientSessionCache = pinned{o.tied()}
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			if !cs.DidResume || len(cs.PeerCertificates) != 1 {
				t.Errorf("resumed %v, with %d certificates", cs.DidResume, len(cs.PeerCertificates))
			}
			return refused
		}
		m := server.meet(t, func(conn net.Conn) (*tls.Conn, error) { return originate(within(t), conn, cfg) })
		if !errors.Is(m.clientErr, refused) {
			t.Errorf("got %v", m.clientErr)
		}
	})
}
