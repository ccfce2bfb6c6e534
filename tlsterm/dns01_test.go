package tlsterm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// dnsChallenge is one for name with a key authorization of the test's.
func dnsChallenge(name string) acme.Challenge {
	return acme.Challenge{
		Type: acme.ChallengeTypeDNS01, KeyAuthorization: "token.thumbprint",
		Identifier: acme.Identifier{Type: "dns", Value: name},
	}
}

func solverOf(t *testing.T, r RFC2136) acmez.Solver {
	t.Helper()
	s, err := unaliased(r.Solver())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unaliased keeps a solver of a test from asking the resolvers of the machine.
func unaliased(s Solver, err error) (Solver, error) {
	if err == nil {
		s.(*dnsSolver).aliases.resolvers = []string{}
	}
	return s, err
}

func TestRFC2136Refusals(t *testing.T) {
	names := newNameServer(t)
	const closed = "127.0.0.1:1"
	tests := []struct {
		name   string
		change func(*RFC2136)
		want   []string
	}{
		{"another key", func(r *RFC2136) { r.Key = NewSecret("b3RoZXI=") }, []string{"rfc2136 at " + names.addr, "NOTAUTH"}},
		{"an unknown key", func(r *RFC2136) { r.KeyName = "nobody" }, []string{"does not know the key nobody"}},
		{"unsigned", func(r *RFC2136) { r.KeyName, r.Key = "", Secret{} }, []string{"does not let this key update the zone test.", "REFUSED"}},
		{"another zone", func(r *RFC2136) { r.Zone = "example" }, []string{"_acme-challenge.a.test. is not in the zone example."}},
		{"nobody there", func(r *RFC2136) { r.Server = closed }, []string{"rfc2136 at " + closed, "connection refused"}},
	}
	for _, tt := range tests {
		r := names.solver("test")
		tt.change(&r)
		err := solverOf(t, r).Present(t.Context(), dnsChallenge("a.test"))
		if err == nil {
			t.Errorf("%s: accepted", tt.name)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q has no %q", tt.name, err, want)
			}
		}
		if !r.Key.Empty() && strings.Contains(err.Error(), r.Key.Reveal()) {
			t.Errorf("%s: %q shows the key", tt.name, err)
		}
	}
	if updates, _ := names.count(); updates != 0 {
		t.Errorf("%d updates", updates)
	}
}

// Two names of one order have records side by side, and each goes alone.
func TestRFC2136KeepsOthersRecords(t *testing.T) {
	names := newNameServer(t)
	s := solverOf(t, names.solver("test"))
	one, two := dnsChallenge("a.test"), dnsChallenge("a.test")
	two.KeyAuthorization = "another.thumbprint"
	for _, c := range []acme.Challenge{one, two} {
		if err := s.Present(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CleanUp(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if _, records := names.count(); records != 1 {
		t.Errorf("%d records are left", records)
	}
	if err := s.(acmez.Waiter).Wait(t.Context(), two); err != nil {
		t.Error(err)
	}
}

// The authority may ask any of the zone's servers; those that take their time
// are waited for, those that cannot be reached are not.
func TestRFC2136WaitsForTheOthers(t *testing.T) {
	names := newNameServer(t)
	_, port, err := net.SplitHostPort(names.addr)
	if err != nil {
		t.Fatal(err)
	}
	secondary := newNameServerAt(t, net.JoinHostPort("127.0.0.2", port))
	names.servers = []string{"ns1.test.", "ns2.test.", "ns3.test."}
	names.addresses = map[string]string{"ns1.test.": "127.0.0.1", "ns2.test.": "127.0.0.2", "ns3.test.": "127.0.0.3"}
	r := names.solver("test")
	r.port = port
	s := solverOf(t, r)
	c := dnsChallenge("a.test")
	if err := s.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	// The secondary is given the record when it has been asked in vain.
	secondary.onMiss = func() { secondary.txt = names.texts() }
	if err := s.(acmez.Waiter).Wait(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if secondary.mu.Lock(); secondary.lookups != 2 {
		t.Errorf("the secondary was asked %d times", secondary.lookups)
	}
	secondary.mu.Unlock()
}

func TestRFC2136Settings(t *testing.T) {
	good := RFC2136{Server: "ns1", Zone: "example.com", KeyName: "k", KeyAlgorithm: "hmac-sha512", Key: NewSecret("c2VjcmV0")}
	s, ok := solverOf(t, good).(*dnsSolver).zone.(*RFC2136)
	if !ok || s.Server != "ns1:53" || s.Zone != "example.com." {
		t.Errorf("%+v", s)
	}
	tests := []struct {
		change func(*RFC2136)
		want   string
	}{
		{func(r *RFC2136) { r.Server = "" }, "name server is missing"},
		{func(r *RFC2136) { r.Zone = "" }, "is no zone"},
		{func(r *RFC2136) { r.KeyName = "" }, "set key_name"},
		{func(r *RFC2136) { r.KeyAlgorithm = "hmac-md5" }, `"hmac-md5" is no key algorithm: it must be one of hmac-sha224`},
		{func(r *RFC2136) { r.Key = NewSecret("not base64!") }, "the key is not in base64"},
	}
	for _, tt := range tests {
		r := good
		tt.change(&r)
		if _, err := r.Solver(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "not base64!") {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}

func TestExecSolver(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "hook")
	writeFile(t, program, []byte("#!/bin/sh\necho \"$@\" >> "+dir+"/calls\n"))
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := unaliased(ExecSolver([]string{program, "--zone", "test"}))
	if err != nil {
		t.Fatal(err)
	}
	c := dnsChallenge("a.test")
	for _, f := range []func() error{
		func() error { return s.Present(t.Context(), c) },
		func() error { return s.CleanUp(t.Context(), c) },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	want := fmt.Sprintf("--zone test present _acme-challenge.a.test. %[1]s\n--zone test cleanup _acme-challenge.a.test. %[1]s\n", c.DNS01KeyAuthorization())
	if err != nil || string(calls) != want {
		t.Errorf("%q, %v", calls, err)
	}
}

func TestExecSolverFails(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "hook")
	writeFile(t, program, []byte("#!/bin/sh\nyes 'a long story' | head -n 1000\nprintf 'no such\\r\\nzone\\n' >&2\nexit 3\n"))
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := unaliased(ExecSolver([]string{program}))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Present(t.Context(), dnsChallenge("a.test"))
	if err == nil || !strings.Contains(err.Error(), program) || !strings.HasSuffix(err.Error(), "no such zone") || !strings.Contains(err.Error(), "exit status 3") || len(err.Error()) > maxProblem {
		t.Errorf("%v", err)
	}
	for _, command := range [][]string{nil, {"hook"}} {
		if _, err := ExecSolver(command); err == nil {
			t.Errorf("%q is accepted", command)
		}
	}
}

// An order that is given up ends the program and what it has started: both hold
// the pipe open.
func TestExecSolverIsCutOff(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := unaliased(ExecSolver([]string{"/bin/sh", "-c", `exec 3>"$0"; sleep 1000 & echo started >&3; wait`, pipe}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Present(ctx, dnsChallenge("a.test")) }()
	held, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	line := make([]byte, len("started\n"))
	if _, err := io.ReadFull(held, line); err != nil {
		t.Fatal(err)
	}
	errWhy := errors.New("why")
	cancel(errWhy)
	if rest, err := io.ReadAll(held); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if err := <-ended; !errors.Is(err, errWhy) {
		t.Errorf("got %v", err)
	}
}

func TestWebhook(t *testing.T) {
	var got []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		user, password, _ := r.BasicAuth()
		got = append(got, fmt.Sprintf("%s %s %s:%s %s %s", r.Method, r.URL.Path, user, password, body["fqdn"], body["value"]))
	}))
	defer service.Close()
	s, err := unaliased(Webhook{URL: service.URL + "/dns/", Username: "proxy", Password: NewSecret("pass")}.Solver())
	if err != nil {
		t.Fatal(err)
	}
	c := dnsChallenge("a.test")
	if err := errors.Join(s.Present(t.Context(), c), s.CleanUp(t.Context(), c)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"POST /dns/present proxy:pass _acme-challenge.a.test. " + c.DNS01KeyAuthorization(),
		"POST /dns/cleanup proxy:pass _acme-challenge.a.test. " + c.DNS01KeyAuthorization(),
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
}

// Wherever a service repeats the secret: across the end of what is shown, or as it
// was sent.
func TestWebhookRepeatsSecrets(t *testing.T) {
	for _, padding := range []int{0, maxProblem - 40, maxProblem - 8, maxProblem} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, pass, _ := r.BasicAuth()
			http.Error(w, strings.Repeat("x", padding)+r.Header.Get("Authorization")+pass, http.StatusForbidden)
		}))
		for _, hook := range []Webhook{
			{URL: service.URL, Username: "proxy", Password: NewSecret("top-secret")},
			{URL: service.URL, Token: NewSecret("top-secret")},
		} {
			s, err := unaliased(hook.Solver())
			if err != nil {
				t.Fatal(err)
			}
			err = s.Present(t.Context(), dnsChallenge("a.test"))
			// The second is the start of proxy:top-secret in base64.
			if err == nil || strings.Contains(err.Error(), "top") || strings.Contains(err.Error(), "cHJveHk6") {
				t.Errorf("behind %d: %v", padding, err)
			}
		}
		service.Close()
	}
}

// A service that fails, sends elsewhere, or repeats what it was given.
func TestWebhookFails(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/elsewhere") {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
			return
		}
		http.Error(w, "no such zone\nfor "+r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	address := service.Listener.Addr().String()
	for path, want := range map[string]string{"": "it answers 403 Forbidden: no such zone for Bearer (hidden)", "/elsewhere": "it answers 307"} {
		s, err := unaliased(Webhook{URL: service.URL + path, Token: NewSecret("top-secret")}.Solver())
		if err != nil {
			t.Fatal(err)
		}
		err = s.Present(t.Context(), dnsChallenge("a.test"))
		if err == nil || !strings.Contains(err.Error(), "webhook at "+address) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "top-secret") {
			t.Errorf("%v", err)
		}
	}
	service.Close()
	s, err := unaliased(Webhook{URL: service.URL}.Solver())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Present(t.Context(), dnsChallenge("a.test")); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
	for _, address := range []string{"", "dns.test", "http://dns.test/", "https://user:pass@dns.test/", "https://dns.test/?token=pass"} {
		if _, err := (Webhook{URL: address}).Solver(); err == nil || strings.Contains(err.Error(), "pass@") || strings.Contains(err.Error(), "token=") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
