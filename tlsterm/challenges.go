package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mholt/acmez/v3"
)

// ErrAddressInUse reports that somebody listens where challenges have to be
// answered.
var ErrAddressInUse = errors.New("the address is in use")

// Challenges answers the challenges of every ACME in the process. Those with
// the same address share a listener, which stays open until the last of them is
// closed: a new configuration takes it over from the old one, also when it writes
// the address otherwise, see [Challenges.takeOver]. The zero value is ready.
type Challenges struct {
	mu   sync.Mutex
	open map[string]*answering // by challenge and configured address
}

// answering is one open listener and those it answers for.
type answering struct {
	challenge Challenge
	listener  net.Listener
	stop      func() // waits until nothing is answered any more

	mu   sync.Mutex
	acme []*ACME
}

const (
	// maxAnswering bounds the connections of those who ask, authorities or not.
	maxAnswering = 64
	// answerTimeout bounds each of them.
	answerTimeout = 10 * time.Second
	// acceptPause is how long accepting rests after a failure.
	acceptPause = 100 * time.Millisecond
)

// An answerer is what answer returns.
type answerer struct {
	address string // as bound, a port in place of 0
	release func()
}

// answer has the challenges of a answered until release is called.
func (c *Challenges) answer(ctx context.Context, a *ACME) (answerer, error) {
	if a.cfg.Challenge == DNS01 {
		return answerer{release: func() {}}, nil
	}
	address := a.cfg.Address
	if address == "" {
		// certmagic insists on a listener. This one gives it nothing to do:
		// implicit listeners answer.
		address = "127.0.0.1:0"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := a.cfg.Challenge.String() + " " + address
	s, ok := c.open[key]
	if !ok {
		var err error
		if s, err = c.takeOver(ctx, a.cfg.Challenge, address); err != nil {
			return answerer{}, err
		}
		if c.open == nil {
			c.open = map[string]*answering{}
		}
		c.open[key] = s
	}
	s.add(a)
	return answerer{address: s.listener.Addr().String(), release: func() { c.release(key, a) }}, nil
}

// release closes the listener once it answers for nobody.
func (c *Challenges) release(key string, a *ACME) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.open[key]
	if s.remove(a) > 0 {
		return
	}
	maps.DeleteFunc(c.open, func(_ string, other *answering) bool { return other == s })
	s.stop()
}

func listenForChallenges(ctx context.Context, challenge Challenge, address string) (*answering, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%v cannot be answered at %s: %w", challenge, address, ErrAddressInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("%v cannot be answered at %s: %w", challenge, address, cause(err))
	}
	s := &answering{challenge: challenge, listener: ln}
	limited := newLimitListener(ln, maxAnswering)
	if challenge == HTTP01 {
		s.serveHTTP(limited)
	} else {
		s.serveTLS(limited)
	}
	return s, nil
}

func (s *answering) add(a *ACME) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acme = append(s.acme, a)
}

func (s *answering) remove(a *ACME) (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.acme, a); i >= 0 {
		s.acme = slices.Delete(s.acme, i, i+1)
	}
	return len(s.acme)
}

// owners finds the stewards that a question about host is for. Strangers ask too:
// nothing is looked up for names that are not ours.
func (s *answering) owners(host string) []*steward {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*steward
	for _, a := range s.acme {
		if a.owns(host) {
			list = append(list, a.stewards...)
		}
	}
	return list
}

func (s *answering) serveHTTP(ln net.Listener) {
	server := &http.Server{
		Handler:        http.HandlerFunc(s.answerHTTP),
		ReadTimeout:    answerTimeout,
		WriteTimeout:   answerTimeout,
		IdleTimeout:    answerTimeout,
		MaxHeaderBytes: 8 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), // what strangers send is not worth a line
	}
	server.SetKeepAlivesEnabled(false)
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(ln) })
	s.stop = func() {
		_ = server.Close()
		running.Wait()
	}
}

// answerHTTP answers a challenge for one of our names and nothing else.
func (s *answering) answerHTTP(w http.ResponseWriter, r *http.Request) {
	for _, k := range s.owners(hostOnly(r.Host)) {
		if m := k.magic.Load(); m != nil && m.issuer.HandleHTTPChallenge(w, r) {
			return
		}
	}
	http.Error(w, "404 there is nothing here but ACME challenges", http.StatusNotFound)
}

// hostOnly returns the host of a Host header, without port and brackets.
func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	if len(hostport) > 2 && hostport[0] == '[' && hostport[len(hostport)-1] == ']' {
		return hostport[1 : len(hostport)-1]
	}
	return hostport
}

func (s *answering) serveTLS(ln net.Listener) {
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				running.Go(func() { s.answerTLS(ctx, conn) })
				continue
			}
			select { // out of descriptors, say
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
		}
	})
	s.stop = func() {
		cancel()
		_ = ln.Close()
		running.Wait()
	}
}

// answerTLS completes the handshake, in which all is said, and closes (RFC 8737
// §3).
func (s *answering) answerTLS(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	tc := tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: s.configure})
	if tc.HandshakeContext(ctx) == nil {
		_ = tc.Close()
	}
}

// configure answers a hello that asks for a challenge; all others find no
// protocol to speak.
func (s *answering) configure(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if offersChallenge(hello) {
		for _, k := range s.owners(hello.ServerName) {
			if cert := k.challengeCert(hello); cert != nil {
				return challengeConfig(cert), nil
			}
		}
	}
	return nil, ErrProtocol
}

// offersChallenge reports whether a hello can only be an authority's (RFC 8737
// §3).
func offersChallenge(hello *tls.ClientHelloInfo) bool {
	return hello.ServerName != "" && slices.Equal(hello.SupportedProtos, []string{acmez.ACMETLS1Protocol})
}

func challengeConfig(cert *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		Certificates:           []tls.Certificate{*cert},
		NextProtos:             []string{acmez.ACMETLS1Protocol},
		SessionTicketsDisabled: true,
	}
}

// A limitListener has no more than so many connections open at once.
type limitListener struct {
	net.Listener
	open   chan struct{}
	closed chan struct{}
	end    func()
}

func newLimitListener(ln net.Listener, limit int) *limitListener {
	l := &limitListener{Listener: ln, open: make(chan struct{}, limit), closed: make(chan struct{})}
	l.end = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// Accept waits until there is room, but not longer than the listener is open:
// its owner awaits Accept before it closes connections.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.open <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &limitedConn{Conn: conn, done: sync.OnceFunc(func() { <-l.open })}, nil
}

func (l *limitListener) Close() error {
	l.end()
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	done func()
}

func (c *limitedConn) Close() error {
	defer c.done()
	return c.Conn.Close()
}
