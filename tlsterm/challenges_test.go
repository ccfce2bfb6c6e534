package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/certmagic"
)

// implicit serves control connections of a listener as a proxy does: TLS from
// the first byte. What becomes of each goes to the channel.
func implicit(t *testing.T, term func() *Terminator) (port int, results <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan error, 100)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, err = term().Bind().Control(t.Context(), conn)
			conn.Close()
			out <- err
		}
	})
	t.Cleanup(func() {
		ln.Close()
		running.Wait()
	})
	return portOf(t, ln.Addr().String()), out
}

// Port 443 of the name is forwarded to an implicit listener, which has no
// certificate yet.
func TestImplicitListenerAnswersTLSALPN(t *testing.T) {
	t.Parallel()
	var term *Terminator
	ready := make(chan struct{})
	port, results := implicit(t, func() *Terminator { <-ready; return term })
	a := newAuthority(t, authorityOptions{tlsPort: port})
	w := a.wish(t, newStorage(t), func(c *ACMEConfig) { c.Challenge, c.Address = TLSALPN01, "" }, "u.test")
	other := newCert(t, "other.test")
	term = newTerminator(t, Select(w, other.source()), func(c *Config) { c.AnswerChallenges = true })
	close(ready)
	w.start(t)
	w.await(t, ACMEReplaced)
	for range 3 { // Pebble asks three times
		if err := <-results; !errors.Is(err, ErrChallenge) {
			t.Errorf("a connection of the authority ended with %v", err)
		}
	}
	a.verify(t, w, "u.test")
}

// Without AnswerChallenges, without an order, or for another's name, the offer of
// acme-tls/1 is refused as every foreign protocol is.
func TestTLSALPNIsRefusedToStrangers(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	w := a.wish(t, newStorage(t), func(c *ACMEConfig) { c.Challenge = TLSALPN01 }, "v.test").start(t)
	w.await(t, ACMEReplaced)
	for _, answers := range []bool{false, true} {
		port, results := implicit(t, func() *Terminator {
			return newTerminator(t, w, func(c *Config) { c.AnswerChallenges = answers })
		})
		for _, name := range []string{"v.test", "w.test"} {
			_, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{
				ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"},
			})
			if err == nil || !errors.Is(<-results, ErrProtocol) {
				t.Errorf("%s, answering %t: %v", name, answers, err)
			}
		}
	}
	// Nor does the challenge's own listener talk to anybody else.
	for _, protos := range [][]string{nil, {"ftp"}, {"acme-tls/1", "h2"}, {"acme-tls/1"}} {
		if _, err := tls.Dial("tcp", a.bound(t, TLSALPN01), &tls.Config{
			ServerName: "v.test", InsecureSkipVerify: true, NextProtos: protos,
		}); err == nil {
			t.Errorf("offering %q: a handshake", protos)
		}
	}
}

// The listener for http-01 answers nothing but challenges under way.
func TestHTTPListenerAnswersNothingElse(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	storage := &overheard{Storage: newStorage(t)}
	w := a.wish(t, storage, nil, "x.test").start(t)
	w.await(t, ACMEReplaced)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, uri := range []string{"/", "/.well-known/acme-challenge/token", "/.well-known/acme-challenge/../x"} {
		for _, host := range []string{"x.test", "x.test:80", "[::1]:80", "y.test", "../../locks"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.bound(t, HTTP01)+uri, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode/100 != 4 || strings.Contains(string(body), "token") {
				t.Errorf("%s from %s: %s %q, %v", uri, host, response.Status, body, err)
			}
		}
	}
	storage.mu.Lock()
	defer storage.mu.Unlock()
	if i := slices.IndexFunc(storage.keys, func(key string) bool { return key != "x.test.json" }); i >= 0 {
		t.Errorf("a stranger's name is looked up: %q", storage.keys[i])
	}
}

// An overheard storage remembers what challenges were looked up.
type overheard struct {
	certmagic.Storage
	mu   sync.Mutex
	keys []string
}

func (o *overheard) Load(ctx context.Context, key string) ([]byte, error) {
	if strings.Contains(key, "challenge_tokens") {
		o.mu.Lock()
		o.keys = append(o.keys, path.Base(key))
		o.mu.Unlock()
	}
	return o.Storage.Load(ctx, key)
}

// Only a control connection of a listener that is meant to answers a challenge,
// and only the hello of an authority asks for one.
func TestWhoAnswersTLSALPN(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	src := challenged{cert.source(), &cert.cert}
	for _, tt := range []struct {
		answers bool
		name    string
		protos  []string
		want    error
	}{
		{true, "ftp.example.com", []string{"acme-tls/1"}, ErrChallenge},
		{false, "ftp.example.com", []string{"acme-tls/1"}, ErrProtocol},
		{true, "", []string{"acme-tls/1"}, ErrProtocol},
		{true, "ftp.example.com", []string{"acme-tls/1", "ftp"}, nil},
	} {
		b := newTerminator(t, src, func(c *Config) { c.AnswerChallenges = tt.answers }).Bind()
		raw, accepted := tcpPair(t)
		client := tls.Client(raw, &tls.Config{ServerName: tt.name, InsecureSkipVerify: true, NextProtos: tt.protos})
		shook := make(chan error, 1)
		go func() { shook <- client.HandshakeContext(t.Context()) }()
		if _, err := b.Control(within(t), accepted); !errors.Is(err, tt.want) {
			t.Errorf("%+v: got %v", tt, err)
		}
		accepted.Close()
		<-shook //nolint:errcheck // what matters is said elsewhere
	}
}

type challenged struct {
	Source
	cert *tls.Certificate
}

func (c challenged) challenge(*tls.ClientHelloInfo) *tls.Certificate { return c.cert }

// Those who share an address share the listener, and the last one closes it.
func TestChallengesAreTakenOver(t *testing.T) {
	c := &Challenges{}
	first := &ACME{cfg: ACMEConfig{Challenge: HTTP01, Address: challengeAddress}}
	second := &ACME{cfg: first.cfg}
	one, err := c.answer(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.answer(t.Context(), second)
	if err != nil || one.address != two.address {
		t.Fatalf("%v, %s and %s", err, one.address, two.address)
	}
	one.release()
	conn, err := net.Dial("tcp", two.address)
	if err != nil {
		t.Fatal("closed while one is left: ", err)
	}
	conn.Close()
	two.release()
	if conn, err := net.Dial("tcp", two.address); err == nil {
		conn.Close()
		t.Error("still open")
	}
}

// Strangers who connect and say nothing do not keep Close from returning.
func TestChallengesCloseOverSilentStrangers(t *testing.T) {
	for _, challenge := range []Challenge{HTTP01, TLSALPN01} {
		c := &Challenges{}
		held, err := c.answer(t.Context(), &ACME{cfg: ACMEConfig{Challenge: challenge, Address: challengeAddress}})
		if err != nil {
			t.Fatal(err)
		}
		for range maxAnswering + 1 {
			conn, err := net.Dial("tcp", held.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		held.release()
	}
}
