package tlsterm

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func forVersions(t *testing.T, f func(t *testing.T, version uint16)) {
	t.Helper()
	for _, v := range versions {
		t.Run(versionName(v), func(t *testing.T) { f(t, v) })
	}
}

func TestDataResumesTheSession(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		for _, reuse := range []Reuse{ReusePrefer, ReuseRequire} {
			b := newTerminator(t, cert.source(), withReuse(reuse)).Bind()
			client := newGoClient(cert, version)
			_, control := client.login(t, b)
			if control.ConnectionState().DidResume {
				t.Fatal("the control connection resumed something")
			}
			// More than there are tickets to begin with: each download earns
			// the ticket of the next data connection.
			for i := range 3 {
				d := client.data(t, b, false)
				if d.serverErr != nil {
					t.Fatal(d.serverErr)
				}
				if !d.server.ConnectionState().DidResume || !d.client.ConnectionState().DidResume {
					t.Fatalf("%v: download %d did not resume", reuse, i)
				}
			}
			d := client.data(t, b, true)
			if d.serverErr != nil || !d.server.ConnectionState().DidResume {
				t.Fatalf("%v: the upload did not resume: %v", reuse, d.serverErr)
			}
			wantCounts(t, b, 4, 0)
		}
	})
}

// The control connection's ticket stays good however many data connections
// there have been: GnuTLS clients, lftp among them, offer it each time.
func TestControlTicketOutlivesEarnedOnes(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
		client := newGoClient(cert, version)
		client.login(t, b)
		first, ok := client.cfg.ClientSessionCache.Get("ftp.example.com")
		if !ok {
			t.Fatal("no ticket")
		}
		const n = maxEarned + 2
		for range n {
			client.cfg.ClientSessionCache.Put("ftp.example.com", first)
			if d := client.data(t, b, false); d.serverErr != nil {
				t.Fatal(d.serverErr)
			}
		}
		wantCounts(t, b, n, 0)
	})
}

func TestOpenSSLResumes(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
		o := newOpenSSL(t, cert, version)
		dir := t.TempDir()
		ticket, next := filepath.Join(dir, "ticket"), filepath.Join(dir, "next")

		out, err := o.control(t, b, "-sess_out", ticket)
		if err != nil || reused(t, out) {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err = o.data(t, b, false, "-sess_in", ticket, "-sess_out", next)
		if err != nil || !reused(t, out) {
			t.Fatalf("with the control connection's ticket: %v\n%s", err, out)
		}
		if version == tls.VersionTLS12 {
			next = ticket // s_client saves only what a full handshake brought
		}
		out, err = o.data(t, b, false, "-sess_in", next)
		if err != nil || !reused(t, out) {
			t.Fatalf("with the data connection's ticket: %v\n%s", err, out)
		}
		out, err = o.data(t, b, false)
		if !errors.Is(err, ErrNotResumed) || reused(t, out) {
			t.Fatalf("without a ticket: %v\n%s", err, out)
		}
		wantCounts(t, b, 2, 1)
	})
}

// What an OpenSSL client learns about early data: there is none to be had.
func TestNoEarlyData(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	b := newTerminator(t, cert.source(), nil).Bind()
	o := newOpenSSL(t, cert, tls.VersionTLS13)
	ticket := filepath.Join(t.TempDir(), "ticket")
	out, err := o.control(t, b, "-sess_out", ticket)
	if err != nil || !strings.Contains(out, "Max Early Data: 0\n") {
		t.Errorf("%v\n%s", err, out)
	}
	early := filepath.Join(t.TempDir(), "early")
	if err := os.WriteFile(early, []byte("STOR x\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = o.data(t, b, false, "-sess_in", ticket, "-early_data", early)
	if err != nil || !strings.Contains(out, "Early data was not sent") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Without tickets a TLS 1.2 client is left with session IDs, which crypto/tls
// does not resume. This is why reuse is preferred and not required by default.
func TestSessionIDClientNeverResumes(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, reuse := range []Reuse{ReusePrefer, ReuseRequire} {
		b := newTerminator(t, cert.source(), withReuse(reuse)).Bind()
		o := newOpenSSL(t, cert, tls.VersionTLS12)
		session := filepath.Join(t.TempDir(), "session")
		out, err := o.control(t, b, "-no_ticket", "-sess_out", session)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, "Session-ID: \n") {
			t.Errorf("the server gave out a session ID:\n%s", out)
		}
		args := []string{"-no_ticket"}
		if _, err := os.Stat(session); err == nil {
			args = append(args, "-sess_in", session)
		}
		out, err = o.data(t, b, false, args...)
		if reused(t, out) || (reuse == ReuseRequire) != errors.Is(err, ErrNotResumed) {
			t.Errorf("%v: %v\n%s", reuse, err, out)
		}
		wantCounts(t, b, 0, 1)
	}
}

func TestTicketOfAnotherSessionIsWorthNothing(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		term := newTerminator(t, cert.source(), withReuse(ReuseRequire))
		a, b := term.Bind(), term.Bind()
		newGoClient(cert, version).login(t, b)
		client := newGoClient(cert, version)
		client.login(t, a)
		if d := client.data(t, b, false); !errors.Is(d.serverErr, ErrNotResumed) {
			t.Errorf("session B took the ticket of session A: %v", d.serverErr)
		}
		wantCounts(t, b, 0, 1)

		o := newOpenSSL(t, cert, version)
		ticket := filepath.Join(t.TempDir(), "ticket")
		if out, err := o.control(t, a, "-sess_out", ticket); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := o.data(t, b, false, "-sess_in", ticket)
		if !errors.Is(err, ErrNotResumed) || reused(t, out) {
			t.Errorf("OpenSSL: %v\n%s", err, out)
		}
	})
}

// A stranger who reaches the data port first, with a hello of his own.
func TestStrangerFailsTwice(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		for _, upload := range []bool{false, true} {
			b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
			owner := newGoClient(cert, version)
			owner.login(t, b)
			stranger := newGoClient(cert, version)
			for try := range 2 {
				d := stranger.data(t, b, upload)
				if !errors.Is(d.serverErr, ErrNotResumed) {
					t.Fatalf("try %d: %v", try, d.serverErr)
				}
				if _, ok := stranger.cfg.ClientSessionCache.Get("ftp.example.com"); ok {
					t.Fatalf("try %d earned a ticket", try)
				}
			}
			if d := owner.data(t, b, upload); d.serverErr != nil {
				t.Fatalf("the owner of the session afterwards: %v", d.serverErr)
			}
			wantCounts(t, b, 1, 2)
		}
	})
}

// The same stranger under prefer: he is let in, but what he takes away must not
// make him look like the session's client later.
func TestUnresumedDataEarnsNothing(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), nil).Bind()
		newGoClient(cert, version).login(t, b)
		stranger := newGoClient(cert, version)
		for range 2 {
			if d := stranger.data(t, b, false); d.serverErr != nil || d.server.ConnectionState().DidResume {
				t.Fatalf("resumed, or %v", d.serverErr)
			}
		}
		wantCounts(t, b, 0, 2)
	})
}

// An attempt whose ticket is known but whose secret is not: what somebody can
// do who saw a ticket pass by in TLS 1.2.
func TestStolenTicketWithoutSecretFails(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), withReuse(ReuseRequire)).Bind()
		owner := newGoClient(cert, version)
		owner.login(t, b)
		owned, _ := owner.cfg.ClientSessionCache.Get("ftp.example.com")
		ticket, _, err := owned.ResumptionState()
		if err != nil {
			t.Fatal(err)
		}

		thief := newGoClient(cert, version)
		thief.login(t, newTerminator(t, cert.source(), nil).Bind())
		own, _ := thief.cfg.ClientSessionCache.Get("ftp.example.com")
		_, state, err := own.ResumptionState()
		if err != nil {
			t.Fatal(err)
		}
		forged, err := tls.NewResumptionState(ticket, state)
		if err != nil {
			t.Fatal(err)
		}
		thief.cfg.ClientSessionCache.Put("ftp.example.com", forged)
		raw, accepted := tcpPair(t)
		shook := make(chan struct{})
		go func() {
			defer close(shook)
			_ = tls.Client(raw, thief.cfg).HandshakeContext(t.Context())
			raw.Close()
		}()
		if c, err := b.Data(within(t), accepted, false); err == nil {
			t.Errorf("accepted, resumed: %v", c.ConnectionState().DidResume)
		}
		<-shook
		wantCounts(t, b, 0, 0)
		if len(b.tickets.states) != 1 {
			t.Errorf("%d tickets, want the control connection's alone", len(b.tickets.states))
		}
	})
}

func TestReuseOffOffersAndResumesNothing(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		cert := newCert(t, "ftp.example.com")
		b := newTerminator(t, cert.source(), withReuse(ReuseOff)).Bind()
		client := newGoClient(cert, version)
		client.login(t, b)
		if d := client.data(t, b, false); d.serverErr != nil || d.server.ConnectionState().DidResume {
			t.Errorf("resumed, or %v", d.serverErr)
		}
		if _, ok := client.cfg.ClientSessionCache.Get("ftp.example.com"); ok {
			t.Error("a ticket was handed out")
		}
		wantCounts(t, b, 0, 1)
	})
}
