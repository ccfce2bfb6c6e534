package tlsterm

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// acmeChild is set in processes that do nothing but obtain a certificate: the
// storage folder, the authority's directory, the file of its root, separated by
// blanks.
const acmeChild = "TLSTERM_TEST_ACME"

// runACMEChild prints the serial number of what it serves.
func runACMEChild(arguments string) int {
	_, _ = io.ReadAll(os.Stdin) // until all are let go
	serial, err := obtainInChild(strings.Fields(arguments))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(serial)
	return 0
}

func obtainInChild(arguments []string) (string, error) {
	storage := FileStorage(arguments[0])
	roots, err := Roots(arguments[2])
	if err != nil {
		return "", err
	}
	served := make(chan struct{}, 1)
	a, err := NewACME(ACMEConfig{
		// Its own listener is not where the authority asks: that is the parent's.
		Names: []string{"many.test"}, Directory: arguments[1], Roots: roots, Challenge: HTTP01, Address: challengeAddress,
	}, ACMEEnvironment{Storage: storage, Challenges: &Challenges{}, Observe: func(e ACMEEvent) {
		if e.Kind == ACMEReplaced {
			served <- struct{}{}
		}
	}})
	if err != nil {
		return "", err
	}
	if err := a.Start(context.Background()); err != nil {
		return "", err
	}
	defer a.Close()
	<-served
	cert, err := a.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		return "", err
	}
	return cert.Leaf.SerialNumber.String(), nil
}

// Processes that share a storage order once, and one of them answers for all:
// the others' challenges are in the storage.
func TestACMEProcessesOrderOnce(t *testing.T) {
	a := newAuthority(t, authorityOptions{})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// It has the listener that the authority asks, and wants nothing yet.
	answering := a.wish(t, storageIn(t, dir), nil, "many.test")
	held, err := a.challenges.answer(t.Context(), answering.ACME)
	if err != nil {
		t.Fatal(err)
	}
	defer held.release()
	for _, s := range answering.stewards {
		if err := s.open(held.address); err != nil {
			t.Fatal(err)
		}
		defer s.close()
	}

	t.Setenv(acmeChild, strings.Join([]string{dir, a.url, a.tls.file(t)}, " "))
	children := []*program{start(t, self), start(t, self), start(t, self)}
	for _, c := range children {
		c.stdin.Close()
	}
	got := map[string]bool{}
	for _, c := range children {
		out, err := c.wait()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		got[out] = true
	}
	if len(got) != 1 || a.orders.Load() != 1 {
		t.Errorf("%d certificates, %d orders", len(got), a.orders.Load())
	}
}
