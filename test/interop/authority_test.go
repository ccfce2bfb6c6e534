package interop

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// An authority is Pebble, Let's Encrypt's server for tests, in this process. To
// it every name is 127.0.0.1.
type authority struct {
	directory string      // its URL
	house     machine.PKI // vouches for its own web server
	root      string      // the file with what clients trust that trust it
	store     *db.MemoryStore
	orders    atomic.Int32
	down      atomic.Bool
}

// newAuthority starts one that asks http-01 and tls-alpn-01 at the ports.
func newAuthority(t *testing.T, httpPort, tlsPort uint16) *authority {
	t.Helper()
	a := &authority{house: machine.NewPKI(t), root: filepath.Join(t.TempDir(), "root.pem"), store: db.NewMemoryStore()}
	quiet, store := log.New(io.Discard, "", 0), a.store
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	machine.WritePEM(t, a.root, "CERTIFICATE", issuer.GetRootCert(0).DER)
	validation := va.New(quiet, int(httpPort), int(tlsPort), false, newNameServer(t), store)
	front := wfe.New(quiet, store, validation, issuer, []string{"pebble.test"}, false, false, 0, 0)
	a.serve(t, front.Handler())
	return a
}

func (a *authority) serve(t *testing.T, h http.Handler) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(a.house.Cert, a.house.Key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.directory = "https://" + ln.Addr().String() + wfe.DirectoryPath
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/order-plz") && r.Method == http.MethodPost {
				a.orders.Add(1)
			}
			a.awaitOrder(r)
			if a.down.Load() {
				http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		}),
		ErrorLog:  quietLog(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	// A connection kept for later would look like a session's.
	server.SetKeepAlivesEnabled(false)
	var running sync.WaitGroup
	running.Go(func() { _ = server.ServeTLS(ln, "", "") })
	t.Cleanup(func() {
		_ = server.Close()
		running.Wait()
	})
}

// awaitOrder keeps a certificate back until Pebble has noted its order, which it does
// a moment later: until then it knows nothing of what a renewal says it replaces.
func (a *authority) awaitOrder(r *http.Request) {
	serial, ok := strings.CutPrefix(r.URL.Path, "/certZ/")
	if !ok {
		return
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		if _, err := a.store.GetOrderByIssuedSerial(serial); err == nil {
			return
		}
		select {
		case <-again.C:
		case <-r.Context().Done():
			return
		}
	}
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// newNameServer starts a name server and returns its address.
func newNameServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		reply := new(dns.Msg)
		reply.SetReply(r)
		if q := r.Question[0]; q.Qtype == dns.TypeA {
			header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: q.Qclass, Ttl: 1}
			reply.Answer = []dns.RR{&dns.A{Hdr: header, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(reply)
	})
	started := make(chan struct{})
	server := &dns.Server{Listener: ln, Handler: handler, NotifyStartedFunc: func() { close(started) }}
	var running sync.WaitGroup
	running.Go(func() { _ = server.ActivateAndServe() })
	<-started
	t.Cleanup(func() {
		_ = server.Shutdown()
		running.Wait()
	})
	return ln.Addr().String()
}
