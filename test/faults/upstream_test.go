package faults

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	dialling "github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// An upstream is a plain FTP server that behaves well until a test hooks a verb.
// RETR n sends the first n bytes of bulk, LIST sends nothing, STOR and APPE keep
// what came and how it ended.
type upstream struct {
	ln    *net.TCPListener
	work  sync.WaitGroup
	ended chan struct{} // closed when the test is over: hooks that wait give up

	mu     sync.Mutex
	hooks  map[string]hook
	heard  []string // every command line, of all visits
	visits []*visit

	uploads chan upload
	greet   string
	// tls is what AUTH TLS starts; nil: clear text alone. With implicit it is
	// there from the first byte. Neither changes once clients come.
	tls      *tls.Config
	implicit bool
	pace
}

// pace is how an upstream says its replies.
type pace struct {
	// piecemeal sends every byte of a reply in a segment of its own.
	piecemeal atomic.Bool
	// gate, if there is one, lets a reply go for each value received.
	gate atomic.Pointer[chan struct{}]
}

// A hook takes a verb over. It runs on the visit's goroutine, which reads no
// further command until it returns.
type hook func(v *visit, argument string)

// An upload is what one STOR or APPE brought. err is nil after a clean end.
type upload struct {
	name string
	data []byte
	err  error
}

func startUpstream(t testing.TB, s settings) *upstream {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(s.upstreamHost)})
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{
		ln: ln, hooks: map[string]hook{}, uploads: make(chan upload, 4096),
		ended: make(chan struct{}), greet: "220 upstream\r\n",
		tls: s.upstreamTLS, implicit: s.upstream.TLS.Mode == dialling.TLSImplicit,
	}
	u.work.Go(u.accept)
	return u
}

func (u *upstream) accept() {
	for {
		conn, err := u.ln.AcceptTCP()
		if err != nil {
			return
		}
		v := newVisit(u, conn)
		u.mu.Lock()
		u.visits = append(u.visits, v)
		u.mu.Unlock()
		u.work.Go(v.run)
	}
}

// stop ends every visit and waits for all goroutines.
func (u *upstream) stop() {
	close(u.ended)
	_ = u.ln.Close()
	u.mu.Lock()
	visits := slices.Clone(u.visits)
	u.mu.Unlock()
	for _, v := range visits {
		v.drop()
	}
	u.work.Wait()
}

// on hooks a verb, for sessions that run as well.
func (u *upstream) on(verb string, h hook) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hooks[verb] = h
}

// behave takes all hooks away.
func (u *upstream) behave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.hooks)
	u.greet = "220 upstream\r\n"
}

// says hooks a verb with fixed bytes for an answer.
func (u *upstream) says(verb, wire string) {
	u.on(verb, func(v *visit, _ string) { v.write(wire) })
}

func (u *upstream) greets(wire string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.greet = wire
}

func (u *upstream) greeting() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.greet
}

func (u *upstream) hook(verb string) hook {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hooks[verb]
}

func (u *upstream) note(line string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.heard = append(u.heard, line)
}

// commands returns what was heard so far, in order.
func (u *upstream) commands() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.heard)
}

// count returns how many of the commands heard so far have this verb.
func (u *upstream) count(verb string) int {
	n := 0
	for _, line := range u.commands() {
		if v, _, _ := strings.Cut(line, " "); v == verb {
			n++
		}
	}
	return n
}

// visited returns how many control connections have come.
func (u *upstream) visited() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.visits)
}

func (u *upstream) address() netip.AddrPort {
	return u.ln.Addr().(*net.TCPAddr).AddrPort()
}

// bulk returns n bytes in which every loss, doubling and swap shows; a shorter
// one is the beginning of a longer one.
func bulk(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}
