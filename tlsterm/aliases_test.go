package tlsterm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Many may not let programs change their zone: the name of the challenge is an
// alias that leads into another, and the authority follows.
func TestACMEFollowsAliases(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	a.names.alias(map[string]string{
		"_acme-challenge.one.example.":   "two.example.",
		"two.example.":                   "one-example.test.",
		"one-example.test.":              "placed.test.", // within the zone
		"_acme-challenge.three.example.": "three-example.test.",
		"_acme-challenge.four.example.":  "four-example.test.",
	})
	solver, err := a.names.solver("test.").Solver()
	for name, s := range map[string]Solver{
		"one.example":    a.names.resolves(t, solver, err),
		"three.example":  a.names.program(t),
		"*.four.example": a.names.webhook(t),
	} {
		w := a.wish(t, newStorage(t), func(c *ACMEConfig) { c.Challenge, c.DNS = DNS01, s }, name).start(t)
		w.await(t, ACMEReplaced)
		a.verify(t, w, strings.Replace(name, "*", "x", 1))
		w.Close()
	}
	if updates, records := a.names.count(); updates != 2 || records != 0 {
		t.Errorf("%d updates, %d records left", updates, records)
	}
}

// A record is taken out where it was put, though the alias leads elsewhere by then.
func TestAliasIsFollowedOnce(t *testing.T) {
	names := newNameServer(t)
	names.alias(map[string]string{"_acme-challenge.a.example.": "one.test."})
	solver, err := names.solver("test.").Solver()
	s := names.resolves(t, solver, err)
	c := dnsChallenge("a.example")
	if err := s.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	names.alias(map[string]string{"_acme-challenge.a.example.": "two.test."})
	names.mu.Lock()
	placed := len(names.txt["one.test."])
	names.mu.Unlock()
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, records := names.count(); placed != 1 || records != 0 {
		t.Errorf("%d records were put, %d are left", placed, records)
	}
	if left := len(s.(*dnsSolver).placed); left != 0 {
		t.Errorf("%d are remembered", left)
	}
}

// What a zone says becomes an argument of a program, and may have no end.
func TestOddAliases(t *testing.T) {
	names := newNameServer(t)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	odd := map[string]string{
		"_acme-challenge.loop.example.":   "loop.example.",
		"loop.example.":                   "_acme-challenge.loop.example.",
		"_acme-challenge.option.example.": "--help.example.",
		"_acme-challenge.shell.example.":  `a;reboot.example.`,
		"_acme-challenge.root.example.":   ".",
		"_acme-challenge.star.example.":   "*.example.",
	}
	for i := range 30 {
		odd[fmt.Sprintf("%d.many.example.", i)] = fmt.Sprintf("%d.many.example.", i+1)
	}
	odd["_acme-challenge.many.example."] = "0.many.example."
	names.alias(odd)
	calls := filepath.Join(t.TempDir(), "calls")
	solver, err := ExecSolver([]string{"/bin/sh", "-c", `echo "$2" >> "$0"`, calls})
	s := names.resolves(t, solver, err)
	for name, want := range map[string]string{
		"loop.example": "more than 8 CNAME records", "many.example": "more than 8 CNAME records",
		"option.example": "no name for a record", "shell.example": "no name for a record",
		"root.example": "no name for a record", "star.example": "no name for a record",
	} {
		if err := s.Present(t.Context(), dnsChallenge(name)); err == nil || !strings.Contains(err.Error(), "the CNAME of _acme-challenge."+name) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := os.ReadFile(calls); err == nil {
		t.Errorf("the program was run: %q", text)
	}
	// A resolver that is not there is no reason to fail: most names are no alias.
	s.(*dnsSolver).aliases.resolvers = []string{"127.0.0.1:1"}
	if err := s.Present(t.Context(), dnsChallenge("plain.example")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(calls); string(text) != "_acme-challenge.plain.example.\n" {
		t.Errorf("%q, %v", text, err)
	}
	s.(*dnsSolver).aliases.resolvers = []string{silent.LocalAddr().String()}
	ctx, cancel := context.WithCancelCause(t.Context())
	errWhy := errors.New("why")
	ended := make(chan error, 1)
	go func() { ended <- s.Present(ctx, dnsChallenge("silent.example")) }()
	if _, _, err := silent.ReadFrom(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	cancel(errWhy)
	if err := <-ended; !errors.Is(err, errWhy) {
		t.Errorf("got %v", err)
	}
}
