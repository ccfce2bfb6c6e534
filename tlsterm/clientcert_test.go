package tlsterm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// An issuer issues certificates for clients and lists those it has revoked.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64
}

func newIssuer(t *testing.T, name string) *issuer {
	t.Helper()
	i := &issuer{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	i.cert = i.sign(t, template, template, i.key)
	return i
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (i *issuer) sign(t *testing.T, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), i.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue returns a client's certificate and key.
func (i *issuer) issue(t *testing.T, name string, change func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	i.last++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xbeef00 + i.last), Subject: pkix.Name{CommonName: name, Organization: []string{"Partners"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	key := newKey(t)
	leaf := i.sign(t, template, i.cert, key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func (i *issuer) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
}

// list returns a revocation list, good for the time given.
func (i *issuer) list(t *testing.T, good time.Duration, revoked ...*tls.Certificate) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(good)}
	for _, cert := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: cert.Leaf.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, i.cert, i.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

// authorities keeps the issuers' certificates, and lists if there are any, in
// files.
func authorities(t *testing.T, lists []byte, issuers ...*issuer) *ClientAuthorities {
	t.Helper()
	dir := t.TempDir()
	caFile, crlFile := filepath.Join(dir, "ca.pem"), ""
	var all []byte
	for _, i := range issuers {
		all = append(all, i.pem()...)
	}
	writeFile(t, caFile, all)
	if lists != nil {
		crlFile = filepath.Join(dir, "crl.pem")
		writeFile(t, crlFile, lists)
	}
	c, err := NewClientAuthorities(caFile, crlFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A certified is a session whose client shows a certificate.
type certified struct {
	binding *Binding
	client  *goClient
}

func newCertified(t *testing.T, clients *ClientCertificates, version uint16, shown *tls.Certificate) certified {
	t.Helper()
	server := newCert(t, "ftp.example.com")
	c := certified{
		binding: newTerminator(t, server.source(), func(cfg *Config) { cfg.Clients = clients }).Bind(),
		client:  newGoClient(server, version),
	}
	c.show(shown)
	return c
}

func (c certified) show(cert *tls.Certificate) {
	if cert == nil {
		cert = &tls.Certificate{}
	}
	c.client.cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
}

// login returns the error of the control connection's handshake.
func (c certified) login(t *testing.T) error {
	t.Helper()
	raw, accepted := tcpPair(t)
	client := tls.Client(raw, c.client.cfg)
	shook := make(chan error, 1)
	go func() { shook <- client.HandshakeContext(t.Context()) }()
	_, err := c.binding.Control(within(t), accepted)
	accepted.Close()
	<-shook //nolint:errcheck // what matters is said elsewhere
	return err
}

func TestClientCertificateIsAskedFor(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		ours, theirs := newIssuer(t, "Ours"), newIssuer(t, "Theirs")
		good := ours.issue(t, "alice", nil)
		serverOnly := ours.issue(t, "alice", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
		expired := ours.issue(t, "alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
		tests := []struct {
			name               string
			shown              *tls.Certificate
			required, optional bool
		}{
			{"ours", good, true, true},
			{"none", nil, false, true},
			{"another authority's", theirs.issue(t, "alice", nil), false, false},
			{"a server's", serverOnly, false, false},
			{"an expired one", expired, false, false},
		}
		for _, tt := range tests {
			for required, want := range map[bool]bool{true: tt.required, false: tt.optional} {
				c := newCertified(t, &ClientCertificates{Required: required, Authorities: authorities(t, nil, ours)}, version, tt.shown)
				err := c.login(t)
				if (err == nil) != want {
					t.Errorf("%s, required %t: %v", tt.name, required, err)
				}
				if got, want := c.binding.Client().Present(), err == nil && tt.shown != nil; got != want {
					t.Errorf("%s, required %t: there is a certificate: %t", tt.name, required, got)
				}
			}
		}
	})
}

// The data connection shows the certificate of the control connection, whether
// or not it resumes.
func TestClientCertificateIsTheSameOnData(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		ours := newIssuer(t, "Ours")
		alice, other := ours.issue(t, "alice", nil), ours.issue(t, "alice", nil)
		tests := []struct {
			name           string
			control, data  *tls.Certificate
			resume, accept bool
		}{
			{"resumed", alice, alice, true, true},
			{"the same", alice, alice, false, true},
			{"another", alice, other, false, false},
			{"none", alice, nil, false, false},
			{"one, after none", nil, alice, false, false},
			{"none, after none", nil, nil, false, true},
			{"resumed without any", nil, nil, true, true},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c := newCertified(t, &ClientCertificates{Authorities: authorities(t, nil, ours)}, version, tt.control)
				c.client.login(t, c.binding)
				c.show(tt.data)
				if !tt.resume {
					c.client.cfg.ClientSessionCache = nil
				}
				d := c.client.data(t, c.binding, true)
				if tt.accept {
					if d.serverErr != nil || d.server.ConnectionState().DidResume != tt.resume {
						t.Fatalf("%v", d.serverErr)
					}
				} else if !errors.Is(d.serverErr, ErrClientCertificate) {
					t.Errorf("got %v", d.serverErr)
				}
			})
		}
	})
}

func TestClientCertificateFacts(t *testing.T) {
	ours := newIssuer(t, "Ours")
	cert := ours.issue(t, "alice", func(c *x509.Certificate) {
		c.EmailAddresses = []string{"alice@example.com", "a@example.com"}
		c.DNSNames = []string{"alice.example.com"}
	})
	c := newCertified(t, &ClientCertificates{Required: true, Authorities: authorities(t, nil, ours)}, tls.VersionTLS13, cert)
	if err := c.login(t); err != nil {
		t.Fatal(err)
	}
	facts := c.binding.Client()
	if facts.Subject != "CN=alice,O=Partners" || facts.Issuer != "CN=Ours" || facts.Serial != "beef01" || len(facts.SHA256) != 64 {
		t.Errorf("%+v", facts)
	}
	for from, want := range map[NameFrom][]string{
		NameFromNothing: nil, NameFromCommonName: {"alice"},
		NameFromEmail: {"alice@example.com", "a@example.com"}, NameFromDNS: {"alice.example.com"},
	} {
		if got := facts.Names(from); !slices.Equal(got, want) {
			t.Errorf("%v: %q, want %q", from, got, want)
		}
	}
	c.binding.Reset()
	if c.binding.Client().Present() {
		t.Error("Reset leaves the client's identity")
	}
}

// What an authority signs may all the same be no name.
func TestNamesThatAreNone(t *testing.T) {
	ours := newIssuer(t, "Ours")
	for _, name := range []string{"", "alice\r\nDELE x", "alice\n", "a\x00b", "a\x7fb", strings.Repeat("a", 256)} {
		facts := ClientCertificate{CommonName: name, Emails: []string{name}, DNSNames: []string{name}}
		for _, from := range []NameFrom{NameFromCommonName, NameFromEmail, NameFromDNS} {
			if names := facts.Names(from); names != nil {
				t.Errorf("%q is a name: %q", name, names)
			}
		}
	}
	cn := asn1.ObjectIdentifier{2, 5, 4, 3}
	two := ours.issue(t, "", func(c *x509.Certificate) {
		c.Subject = pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: cn, Value: "guest"}, {Type: cn, Value: "root"}}}
	})
	if name := (clientIdentity{two.Leaf}).facts().CommonName; name != "" {
		t.Errorf("of two common names %q is taken", name)
	}
}

func TestRevokedClients(t *testing.T) {
	ours, theirs := newIssuer(t, "Ours"), newIssuer(t, "Theirs")
	good, bad := ours.issue(t, "alice", nil), ours.issue(t, "mallory", nil)
	foreign := theirs.issue(t, "bob", nil)
	list := ours.list(t, time.Hour, bad)
	tests := []struct {
		name   string
		lists  []byte
		shown  *tls.Certificate
		accept bool
	}{
		{"not listed", list, good, true},
		{"listed", list, bad, false},
		{"listed by somebody else", append(bytes.Clone(ours.list(t, time.Hour)), theirs.list(t, time.Hour, bad)...), bad, true},
		{"an issuer without a list", list, foreign, false},
		{"no lists", nil, bad, true},
	}
	for _, tt := range tests {
		c := newCertified(t, &ClientCertificates{Required: true, Authorities: authorities(t, tt.lists, ours, theirs)}, tls.VersionTLS13, tt.shown)
		err := c.login(t)
		if (err == nil) != tt.accept || err != nil && !errors.Is(err, ErrClientCertificate) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A revocation reaches sessions that are under way, at their next data
// connection, even one that resumes.
func TestRevocationReachesRunningSessions(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		ours := newIssuer(t, "Ours")
		alice := ours.issue(t, "alice", nil)
		a := authorities(t, ours.list(t, time.Hour), ours)
		c := newCertified(t, &ClientCertificates{Required: true, Authorities: a}, version, alice)
		c.client.login(t, c.binding)
		if d := c.client.data(t, c.binding, false); d.serverErr != nil {
			t.Fatal(d.serverErr)
		}
		writeFile(t, a.crlFile, ours.list(t, time.Hour, alice))
		if changed, err := a.Reload(); !changed || err != nil {
			t.Fatalf("%t, %v", changed, err)
		}
		if d := c.client.data(t, c.binding, false); !errors.Is(d.serverErr, ErrClientCertificate) {
			t.Errorf("got %v", d.serverErr)
		}
	})
}

// Files that cannot be used are refused with a line, and those before stay.
func TestClientAuthoritiesReload(t *testing.T) {
	ours, theirs := newIssuer(t, "Ours"), newIssuer(t, "Theirs")
	a := authorities(t, ours.list(t, time.Hour), ours)
	before := a.current.Load()
	damaged := bytes.Replace(ours.pem(), []byte("MII"), []byte("!!!"), 1)
	tests := []struct {
		name    string
		ca, crl []byte
		want    string
	}{
		{"no certificates", nil, ours.list(t, time.Hour), "CA file CA"},
		{"a damaged certificate", damaged, ours.list(t, time.Hour), "CA file CA"},
		{"no lists", ours.pem(), ours.pem(), "revocation list file CRL: holds no list"},
		{"not a list", ours.pem(), []byte("hello"), "revocation list file CRL: list 1 cannot be read"},
		{"a damaged list", ours.pem(), bytes.Replace(ours.list(t, time.Hour), []byte("\nMI"), []byte("\n!!"), 1), "revocation list file CRL"},
		{"an old list", ours.pem(), ours.list(t, -time.Minute), "CRL: the list of CN=Ours should have been updated by"},
		{"a list under a false name", ours.pem(), newIssuer(t, "Ours").list(t, time.Hour), "CRL: the list of CN=Ours is not signed by the authority of that name"},
		{"a list for ever", ours.pem(), ours.endlessList(t), "CRL: the list of CN=Ours does not say when the next one is due"},
	}
	for _, tt := range tests {
		writeFile(t, a.caFile, tt.ca)
		writeFile(t, a.crlFile, tt.crl)
		changed, err := a.Reload()
		if changed || err == nil {
			t.Errorf("%s: accepted", tt.name)
			continue
		}
		text := strings.NewReplacer(a.caFile, "CA", a.crlFile, "CRL").Replace(err.Error())
		if !strings.Contains(text, tt.want) || strings.Contains(text, "\n") {
			t.Errorf("%s: %q", tt.name, text)
		}
	}
	if err := os.Remove(a.crlFile); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Reload(); err == nil || !strings.Contains(err.Error(), "cannot read revocation list file") {
		t.Errorf("missing: %v", err)
	}
	if a.current.Load() != before {
		t.Error("what was in use has not stayed")
	}
	writeFile(t, a.caFile, append(ours.pem(), theirs.pem()...))
	block, _ := pem.Decode(theirs.list(t, time.Hour))
	writeFile(t, a.crlFile, block.Bytes)
	if changed, err := a.Reload(); !changed || err != nil {
		t.Errorf("new files: %t, %v", changed, err)
	}
	if changed, err := a.Reload(); changed || err != nil {
		t.Errorf("the same again: %t, %v", changed, err)
	}
}

// So does the end of trust in an authority.
func TestDistrustReachesRunningSessions(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		ours, theirs := newIssuer(t, "Ours"), newIssuer(t, "Theirs")
		a := authorities(t, nil, ours)
		c := newCertified(t, &ClientCertificates{Required: true, Authorities: a}, version, ours.issue(t, "alice", nil))
		c.client.login(t, c.binding)
		if d := c.client.data(t, c.binding, false); d.serverErr != nil {
			t.Fatal(d.serverErr)
		}
		writeFile(t, a.caFile, theirs.pem())
		if changed, err := a.Reload(); !changed || err != nil {
			t.Fatal(changed, err)
		}
		if d := c.client.data(t, c.binding, false); d.serverErr == nil {
			t.Errorf("let in by an authority that is trusted no more; resumed: %t", d.server.ConnectionState().DidResume)
		}
	})
}

// A list that is a part of a list, or about others' certificates, says nothing
// about a client that is not in it (RFC 5280 §5.2).
func TestPartsOfListsAreRefused(t *testing.T) {
	ours := newIssuer(t, "Ours")
	list := func(extensions, ofEntry []pkix.Extension) []byte {
		template := &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour), ExtraExtensions: extensions,
			RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: time.Now(), ExtraExtensions: ofEntry}},
		}
		der, err := x509.CreateRevocationList(rand.Reader, template, ours.cert, ours.key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	extension := func(last int, critical bool, value ...byte) []pkix.Extension {
		return []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, last}, Critical: critical, Value: value}}
	}
	for _, tt := range []struct {
		name    string
		list    []byte
		refused bool
	}{
		{"a delta", list(extension(27, true, 2, 1, 1), nil), true},
		{"authorities alone", list(extension(28, true, 0x30, 3, 0x82, 1, 0xff), nil), true},
		{"some reasons", list(extension(28, true, 0x30, 4, 0x83, 2, 6, 0x40), nil), true},
		{"indirect", list(extension(28, true, 0x30, 3, 0x84, 1, 0xff), nil), true},
		{"an entry of another issuer", list(nil, extension(29, true, 0x30, 0)), true},
		{"clients alone", list(extension(28, true, 0x30, 3, 0x81, 1, 0xff), nil), false},
		{"not critical", list(extension(99, false, 0x30, 0), extension(24, false, 0x30, 0)), false},
	} {
		dir := t.TempDir()
		caFile, crlFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "crl")
		writeFile(t, caFile, ours.pem())
		writeFile(t, crlFile, tt.list)
		_, err := NewClientAuthorities(caFile, crlFile)
		if refused := err != nil && strings.Contains(err.Error(), "give the full list"); refused != tt.refused || !refused && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A client's certificate that is trusted by itself has an issuer like any other:
// itself, of which there is no list.
func TestTrustedByItselfNeedsAList(t *testing.T) {
	ours, alone := newIssuer(t, "Ours"), newIssuer(t, "alice")
	shown := &tls.Certificate{Certificate: [][]byte{alone.cert.Raw}, PrivateKey: alone.key, Leaf: alone.cert}
	for _, tt := range []struct {
		name  string
		lists []byte
		want  error
	}{
		{"no lists asked for", nil, nil},
		{"a list of another", ours.list(t, time.Hour), ErrClientCertificate},
		{"a list of its own", slices.Concat(ours.list(t, time.Hour), alone.list(t, time.Hour)), nil},
		{"revoked by itself", slices.Concat(ours.list(t, time.Hour), alone.list(t, time.Hour, shown)), ErrClientCertificate},
	} {
		c := newCertified(t, &ClientCertificates{Required: true, Authorities: authorities(t, tt.lists, ours, alone)}, tls.VersionTLS13, shown)
		if err := c.login(t); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
