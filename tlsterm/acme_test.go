package tlsterm

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/letsencrypt/pebble/v2/ca"
)

func TestACMEObtains(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	solver, err := a.names.solver("test.").Solver()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*ACMEConfig)
		names  []string
		ask    []string // what clients ask for, and which name answers
	}{
		{"http-01", nil, []string{"a.test", "B.test"}, []string{"a.test", "b.test"}},
		{"http-01 for an address", nil, []string{"127.0.0.1"}, []string{"127.0.0.1"}},
		{"tls-alpn-01", func(c *ACMEConfig) { c.Challenge = TLSALPN01 }, []string{"c.test"}, []string{"c.test"}},
		{"tls-alpn-01 for an address", func(c *ACMEConfig) { c.Challenge = TLSALPN01 }, []string{"127.0.0.1"}, []string{"127.0.0.1"}},
		{"dns-01", func(c *ACMEConfig) { c.Challenge, c.DNS = DNS01, solver }, []string{"*.d.test", "d.test"}, []string{"x.d.test", "d.test"}},
		{"dns-01 by a program", func(c *ACMEConfig) { c.Challenge, c.DNS = DNS01, a.names.program(t) }, []string{"d1.test"}, []string{"d1.test"}},
		{"dns-01 by a webhook", func(c *ACMEConfig) { c.Challenge, c.DNS = DNS01, a.names.webhook(t) }, []string{"*.d2.test"}, []string{"x.d2.test"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := a.wish(t, newStorage(t), tt.change, tt.names...)
			if newTerminator(t, w, nil).Ready() {
				t.Error("ready before there is a certificate")
			}
			w.start(t)
			for range tt.names {
				w.await(t, ACMEReplaced)
			}
			if answered := strings.Contains(w.told(), " was asked for from 127.0.0.1"); answered != (w.cfg.Challenge != DNS01) {
				t.Errorf("that the authority asked is told: %t\n%s", answered, w.told())
			}
			for _, name := range tt.ask {
				a.verify(t, w, name)
			}
			for _, s := range w.Status(t.Context()) {
				if !s.Ready() || s.Waiting != "" || !strings.Contains(s.Issuer, "Pebble") || !s.Renewal.Before(s.Expires) {
					t.Errorf("status %+v", s)
				}
			}
		})
	}
	if updates, records := a.names.count(); updates != 4 || records != 0 {
		t.Errorf("%d updates, %d records left: want one and its removal for each name", updates, records)
	}
}

// Without an e-mail address nobody is asked for one, and no other account's is
// taken.
func TestACMEWithoutEmail(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	storage := newStorage(t)
	for email, name := range map[string]string{"ops@example.com": "e1.test", "": "e2.test"} {
		a.wish(t, storage, func(c *ACMEConfig) { c.Email = email }, name).start(t).await(t, ACMEReplaced)
	}
	keys, err := storage.List(t.Context(), "acme", true)
	if err != nil {
		t.Fatal(err)
	}
	var accounts []string
	for _, key := range keys {
		if strings.HasSuffix(key, ".key") {
			accounts = append(accounts, path.Base(path.Dir(key)))
		}
	}
	if !slices.Equal(accounts, []string{"default", "ops@example.com"}) {
		t.Errorf("accounts %q", accounts)
	}
	if certmagic.DefaultACME.Agreed {
		t.Error("somebody was asked on standard input")
	}
}

// A client that asks for no name is shown the certificate of the first.
func TestACMEFirstNameIsTheDefault(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	w := a.wish(t, newStorage(t), nil, "first.test", "second.test").start(t)
	w.await(t, ACMEReplaced)
	w.await(t, ACMEReplaced)
	for _, asked := range []string{"", "third.test", "192.0.2.1"} {
		if cert := w.certificate(asked); cert == nil || cert.Leaf.DNSNames[0] != "first.test" {
			t.Errorf("%q: %v", asked, cert)
		}
	}
}

func TestACMEExternalAccount(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{eab: true})
	const key = "bm90IGEgcmVhbCBrZXksIGJ1dCBsb25nIGVub3VnaCBmb3IgU0hBLTI1Ng"
	if err := a.db.AddExternalAccountKeyByID("customer-1", key); err != nil {
		t.Fatal(err)
	}
	without := a.wish(t, newStorage(t), nil, "f.test").start(t)
	if e := without.await(t, ACMEFailed); !strings.Contains(e.Text, "wants an external account: set eab") {
		t.Errorf("without one: %q", e.Text)
	}
	with := a.wish(t, newStorage(t), func(c *ACMEConfig) {
		c.EAB = &EAB{KeyID: "customer-1", MACKey: NewSecret(key + "==")}
	}, "g.test").start(t)
	with.await(t, ACMEReplaced)

	other := base64.RawURLEncoding.EncodeToString([]byte("some other key, which the authority has not"))
	wrong := a.wish(t, newStorage(t), func(c *ACMEConfig) {
		c.EAB = &EAB{KeyID: "customer-1", MACKey: NewSecret(other)}
	}, "h.test").start(t)
	if e := wrong.await(t, ACMEFailed); strings.Contains(e.Text, other) || e.Text == "" {
		t.Errorf("with another key: %q", e.Text)
	}
}

// A certificate that lives for a few seconds is renewed while sessions go on;
// the key is a new one.
func TestACMERenewsShortLived(t *testing.T) {
	t.Parallel()
	profiles := map[string]ca.Profile{"shortlived": {ValidityPeriod: 4}}
	for i := range 20 { // without a name, one is drawn
		profiles[strconv.Itoa(i)] = ca.Profile{}
	}
	a := newAuthority(t, authorityOptions{profiles: profiles})
	w := a.wish(t, newStorage(t), func(c *ACMEConfig) { c.Profile = "shortlived" }, "i.test").start(t)
	w.await(t, ACMEReplaced)
	first := w.certificate("")
	b := newTerminator(t, w, nil).Bind()
	client := &goClient{cfg: &tls.Config{
		RootCAs: a.roots(), ServerName: "i.test", ClientSessionCache: tls.NewLRUClientSessionCache(1),
		// On a slow machine the first certificate may expire before it is shown.
		Time: func() time.Time { return first.Leaf.NotAfter },
	}}
	client.login(t, b)

	w.await(t, ACMEReplaced)
	second := w.certificate("")
	if bytes.Equal(first.Certificate[0], second.Certificate[0]) || first.Leaf.NotAfter.After(second.Leaf.NotAfter) {
		t.Error("it was not renewed")
	}
	if bytes.Equal(first.Leaf.RawSubjectPublicKeyInfo, second.Leaf.RawSubjectPublicKeyInfo) {
		t.Error("the key was used again")
	}
	// The session goes on with the certificate that its client has seen.
	client.cfg.ClientSessionCache = nil
	d := client.data(t, b, false)
	if d.serverErr != nil {
		t.Fatal(d.serverErr)
	}
	if shown := d.client.ConnectionState().PeerCertificates[0]; !shown.Equal(first.Leaf) {
		t.Error("the data connection shows another certificate than the control connection")
	}
}

// The authority's renewal information (RFC 9773) says "now" for a certificate
// that is revoked.
func TestACMEReplacesRevoked(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	w := a.wish(t, newStorage(t), nil, "j.test").start(t)
	w.await(t, ACMEReplaced)
	first := w.certificate("")
	a.revoke(t, first)
	w.await(t, ACMEReplaced)
	if second := w.certificate(""); bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Error("the revoked certificate is still served")
	}
	if n := a.orders.Load(); n != 2 {
		t.Errorf("%d orders", n)
	}
}

// A renewal that fails takes nothing away, and the status says why it fails.
func TestACMEFailedRenewalKeepsTheCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	w := a.wish(t, newStorage(t), nil, "kept.test").start(t)
	w.await(t, ACMEReplaced)
	first := w.certificate("")
	if err := a.db.AddBlockedDomain("kept.test"); err != nil {
		t.Fatal(err)
	}
	a.revoke(t, first)
	why := w.await(t, ACMEFailed).Text
	if cert := w.certificate(""); cert == nil || !bytes.Equal(first.Certificate[0], cert.Certificate[0]) {
		t.Error("the certificate is gone")
	}
	if s := w.Status(t.Context())[0]; !s.Ready() || !strings.Contains(s.Waiting, why) || !strings.Contains(why, "issues nothing for kept.test") {
		t.Errorf("%q, %+v", why, s)
	}
}

func TestACMEAuthorityComesBack(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	a.down.Store(true)
	w := a.wish(t, newStorage(t), nil, "k.test").start(t)
	failure := w.await(t, ACMEFailed).Text
	if !strings.Contains(failure, "the authority 127.0.0.1 cannot be reached") {
		t.Errorf("%q", failure)
	}
	if newTerminator(t, w, nil).Ready() {
		t.Error("ready without a certificate")
	}
	status := w.Status(t.Context())[0]
	for _, want := range []string{"a certificate for k.test from 127.0.0.1, proven by http-01", failure} {
		if !strings.Contains(status.Waiting, want) {
			t.Errorf("status %q has no %q", status.Waiting, want)
		}
	}
	a.down.Store(false)
	w.await(t, ACMEReplaced)
	a.verify(t, w, "k.test")
}

func TestACMESaysWhyItFailed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{httpPort: 1}) // where nobody listens
	if err := a.db.AddBlockedDomain("blocked.test"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*ACMEConfig)
		want   []string
	}{
		{"l.test", nil, []string{"cannot reach port 80 of l.test, where http-01 is asked", challengeAddress, "connection refused", "(connection)"}},
		{"blocked.test", nil, []string{"issues nothing for blocked.test", "(rejectedIdentifier)"}},
		{"m.test", func(c *ACMEConfig) { c.Profile = "no such" }, []string{"unknown profile name 'no such'; supported profiles"}},
		{"n.test", func(c *ACMEConfig) { c.Roots = nil }, []string{"the authority 127.0.0.1 cannot be reached", "certificate"}},
	}
	for _, tt := range tests {
		w := a.wish(t, newStorage(t), func(c *ACMEConfig) {
			c.Address = challengeAddress
			if tt.change != nil {
				tt.change(c)
			}
		}, tt.name).start(t)
		text := w.await(t, ACMEFailed).Text
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q has no %q", tt.name, text, want)
			}
		}
		if strings.Contains(text, "Obtain") || strings.Contains(text, "\n") || len(text) > maxProblem+10 {
			t.Errorf("%s: more than a line: %q", tt.name, text)
		}
		w.Close()
	}
}

// What is in the storage is served at once, and nothing is ordered.
func TestACMERestartOrdersNothing(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	dir := t.TempDir()
	storage := FileStorage(dir)
	w := a.wish(t, storage, nil, "o.test").start(t)
	w.await(t, ACMEReplaced)
	first := w.certificate("")
	w.Close()

	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && name != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}

	a.down.Store(true)
	again := a.wish(t, storage, nil, "o.test").start(t)
	if cert := again.certificate(""); cert == nil || !bytes.Equal(first.Certificate[0], cert.Certificate[0]) {
		t.Error("the stored certificate is not served at once")
	}
	again.Close()
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// An expired certificate is served after a restart as it was before, loudly, until
// there is a better one.
func TestACMEExpiredIsServed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	a.down.Store(true)
	storage := newStorage(t)
	old := newCertValid(t, validity{time.Now().Add(-2 * time.Hour), time.Now().Add(-time.Hour)}, "expired.test")
	authority := (&certmagic.ACMEIssuer{CA: a.url}).IssuerKey()
	for key, value := range map[string][]byte{
		certmagic.StorageKeys.SiteCert(authority, "expired.test"):       old.certPEM,
		certmagic.StorageKeys.SitePrivateKey(authority, "expired.test"): old.keyPEM,
		certmagic.StorageKeys.SiteMeta(authority, "expired.test"):       []byte("{}"),
	} {
		if err := storage.Store(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	w := a.wish(t, storage, nil, "expired.test").start(t)
	if e := w.await(t, ACMEWarned); !strings.Contains(e.Text, "expired on "+stamp(old.cert.Leaf.NotAfter)) {
		t.Errorf("%q", e.Text)
	}
	w.await(t, ACMEFailed)
	if cert := w.certificate(""); cert == nil || !bytes.Equal(cert.Certificate[0], old.fingerprint()) {
		t.Error("it is not served")
	}
	if s := w.Status(t.Context())[0]; !strings.Contains(s.Waiting, "the last one expired on "+stamp(old.cert.Leaf.NotAfter)) || !strings.Contains(s.Waiting, "attempt") || s.Expires.IsZero() {
		t.Errorf("%+v", s)
	}
	a.down.Store(false)
	w.await(t, ACMEReplaced)
	a.verify(t, w, "expired.test")
}

// A process that ends while it writes leaves a certificate with another's key:
// a new one is ordered.
func TestACMERepairsADamagedStorage(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	storage := newStorage(t)
	w := a.wish(t, storage, nil, "torn.test").start(t)
	w.await(t, ACMEReplaced)
	w.Close()
	authority := (&certmagic.ACMEIssuer{CA: a.url}).IssuerKey()
	if err := storage.Store(t.Context(), certmagic.StorageKeys.SitePrivateKey(authority, "torn.test"), newCert(t, "torn.test").keyPEM); err != nil {
		t.Fatal(err)
	}
	again := a.wish(t, storage, nil, "torn.test").start(t)
	if again.certificate("") != nil {
		t.Error("a certificate without its key is served")
	}
	again.await(t, ACMEReplaced)
	a.verify(t, again, "torn.test")
}

func TestACMEUnusableStorage(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	w := a.wish(t, FileStorage(file), nil, "storage.test")
	if err := w.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "certificates cannot be kept") || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}

// Attempts are a minute apart at first and six hours at last; where the authority
// was not even reached, seconds and a minute.
func TestACMEPause(t *testing.T) {
	for reached, bounds := range map[bool][2]time.Duration{true: {time.Minute, 6 * time.Hour}, false: {5 * time.Second, time.Minute}} {
		before := bounds[0]
		for attempt := 1; attempt < 100; attempt++ {
			pause := acmePause(attempt, reached)
			if pause < before || pause > bounds[1] {
				t.Errorf("after %d failures: %v, before that %v", attempt, pause, before)
			}
			before = pause
		}
		if first := acmePause(1, reached); first != bounds[0] || before != bounds[1] {
			t.Errorf("reached %t: %v to %v", reached, first, before)
		}
	}
}

// Two that share a storage: one orders, the other finds the certificate.
func TestACMETwoOrderOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	dir := t.TempDir()
	var both []*wish
	for range 2 {
		storage := FileStorage(dir)
		both = append(both, a.wish(t, storage, nil, "p.test").start(t))
	}
	for _, w := range both {
		w.await(t, ACMEReplaced)
	}
	if x, y := both[0].certificate(""), both[1].certificate(""); !bytes.Equal(x.Certificate[0], y.Certificate[0]) {
		t.Error("two certificates")
	}
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// A renewal that another process has made, or Obtain on the command line, is
// taken over from the storage.
func TestACMEObtainNow(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	storage := newStorage(t)
	running := a.wish(t, storage, nil, "q.test").start(t)
	running.await(t, ACMEReplaced)
	first := running.certificate("")

	other := a.wish(t, storage, nil, "q.test")
	if err := other.Obtain(t.Context(), "Q.test"); err != nil {
		t.Fatal(err)
	}
	all := other.told()
	for _, want := range []string{"placing an order", "proving control of q.test by http-01", "the authority finds the proof valid", "certificate received"} {
		if !strings.Contains(all, want) {
			t.Errorf("steps have no %q:\n%s", want, all)
		}
	}
	running.await(t, ACMEReplaced)
	if cert := running.certificate(""); bytes.Equal(first.Certificate[0], cert.Certificate[0]) {
		t.Error("the running one has not taken it over")
	}
	if err := other.Obtain(t.Context(), "r.test"); err == nil || !strings.Contains(err.Error(), `"r.test" is not among the names: q.test`) {
		t.Errorf("another name: %v", err)
	}
}

// A running process answers for one that cannot have the address.
func TestACMEObtainBesideARunningProcess(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	storage := newStorage(t)
	running := a.wish(t, storage, nil, "s.test").start(t)
	running.await(t, ACMEReplaced)
	other := a.wish(t, storage, func(c *ACMEConfig) { c.Address = a.bound(t, HTTP01) }, "s.test")
	other.env.Challenges = &Challenges{}
	if err := other.Obtain(t.Context(), "s.test"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(other.told(), "is taken: the process there has to answer") {
		t.Errorf("%s", other.told())
	}
	if n := a.orders.Load(); n != 2 {
		t.Errorf("%d orders", n)
	}
}

func TestACMEAddressTaken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	for _, challenge := range []Challenge{HTTP01, TLSALPN01} {
		w := a.wish(t, newStorage(t), func(c *ACMEConfig) {
			c.Challenge, c.Address = challenge, a.names.addr
		}, "t.test")
		err := w.Start(t.Context())
		if !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), challenge.String()+" cannot be answered at "+a.names.addr) {
			t.Errorf("%v", err)
		}
	}
}

func (a *authority) bound(t *testing.T, challenge Challenge) string {
	t.Helper()
	a.challenges.mu.Lock()
	defer a.challenges.mu.Unlock()
	return a.challenges.open[challenge.String()+" "+challengeAddress].listener.Addr().String()
}

func (s *nameServer) solver(zone string) RFC2136 {
	return RFC2136{Server: s.addr, Zone: zone, KeyName: "ACME-key", KeyAlgorithm: "hmac-sha256", Key: NewSecret(s.key)}
}
