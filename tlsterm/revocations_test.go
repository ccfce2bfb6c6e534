package tlsterm

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// endlessList is a list of i without nextUpdate, DER. RFC 5280 §5.1.2.5 wants it,
// and the standard library would not make one without.
func (i *issuer) endlessList(t *testing.T) []byte {
	t.Helper()
	algorithm := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}} // RFC 5758 §3.2
	type toBeSigned struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		ThisUpdate time.Time
	}
	type list struct {
		ToBeSigned asn1.RawValue
		Algorithm  pkix.AlgorithmIdentifier
		Signature  asn1.BitString
	}
	marshal := func(value any) []byte {
		der, err := asn1.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	body := marshal(toBeSigned{1, algorithm, asn1.RawValue{FullBytes: i.cert.RawSubject}, time.Now().Add(-time.Hour).UTC()})
	digest := sha256.Sum256(body)
	signature, err := ecdsa.SignASN1(rand.Reader, i.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	der := marshal(list{asn1.RawValue{FullBytes: body}, algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if parsed, err := x509.ParseRevocationList(der); err != nil || parsed.CheckSignatureFrom(i.cert) != nil {
		t.Fatalf("the test's list is none: %v", err)
	}
	return der
}

// A list that falls due is none any more, whether that happens while it is in use
// or before the program starts: clients are refused, and the log can say why.
func TestOverdueListRefuses(t *testing.T) {
	ours := newIssuer(t, "Ours")
	alice := ours.issue(t, "alice", nil)
	running := authorities(t, ours.list(t, time.Hour), ours)
	if got := running.Warning(time.Now()); got != "" {
		t.Errorf("the warning is %q", got)
	}
	running.current.Load().lists[0].list.NextUpdate = time.Now().Add(-time.Second)
	for name, a := range map[string]*ClientAuthorities{"running": running, "restarted": authorities(t, ours.list(t, -time.Second), ours)} {
		c := newCertified(t, &ClientCertificates{Authorities: a}, tls.VersionTLS13, alice)
		err := c.login(t)
		if !errors.Is(err, ErrClientCertificate) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range []string{"no current revocation list of its issuer CN=Ours", "the latest should have been updated by "} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q has no %q", name, err, want)
			}
		}
		if got := a.Warning(time.Now()); !strings.Contains(got, a.crlFile+": the list of CN=Ours should have been updated by") || !strings.Contains(got, "refused") {
			t.Errorf("%s: the warning is %q", name, got)
		}
		writeFile(t, a.crlFile, ours.list(t, time.Hour))
		if changed, err := a.Reload(); !changed || err != nil || a.Warning(time.Now()) != "" {
			t.Errorf("%s: a current list is not taken: %v", name, err)
		}
		if err := c.login(t); err != nil {
			t.Errorf("%s: with a current list: %v", name, err)
		}
	}
}

// The list of an authority that is not in the file, but below one, is verified
// once: a large one takes long, and anybody may connect.
func TestListsAreVerifiedOnce(t *testing.T) {
	ours := newIssuer(t, "Ours")
	below := &issuer{key: newKey(t)}
	below.cert = ours.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "Below"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, ours.cert, below.key)
	a := authorities(t, slices.Concat(ours.list(t, time.Hour), below.list(t, time.Hour)), ours)
	lists := a.current.Load().lists
	if len(lists[0].signers) != 1 {
		t.Error("the list of an authority in the file is not verified when it is read")
	}
	good := below.issue(t, "alice", nil)
	good.Certificate = append(good.Certificate, below.cert.Raw)
	for range 2 {
		c := newCertified(t, &ClientCertificates{Required: true, Authorities: a}, tls.VersionTLS13, good)
		if err := c.login(t); err != nil {
			t.Fatal(err)
		}
		// What was verified is not verified again: this would show.
		lists[1].list.Signature, lists[0].list.Signature = nil, nil
	}
	other := &issuer{key: newKey(t)} // of the same name, with another key
	other.cert = ours.sign(t, below.cert, ours.cert, other.key)
	bad := other.issue(t, "mallory", nil)
	bad.Certificate = append(bad.Certificate, other.cert.Raw)
	c := newCertified(t, &ClientCertificates{Required: true, Authorities: a}, tls.VersionTLS13, bad)
	if err := c.login(t); !errors.Is(err, ErrClientCertificate) {
		t.Errorf("an authority whose list this is not: %v", err)
	}
}

// Both files are watched.
func TestListsAreReadAgain(t *testing.T) {
	ours := newIssuer(t, "Ours")
	a := authorities(t, ours.list(t, time.Hour), ours)
	for _, name := range []string{a.caFile, a.crlFile} {
		other := newIssuer(t, "Other")
		data := map[string][]byte{a.caFile: slices.Concat(ours.pem(), other.pem()), a.crlFile: ours.list(t, 2*time.Hour)}[name]
		writeFile(t, name, data)
		if changed, err := a.Reload(); !changed || err != nil {
			t.Errorf("%s: changed %t, %v", filepath.Base(name), changed, err)
		}
	}
}
