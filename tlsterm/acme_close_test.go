package tlsterm

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// closes expects that w ends, and by itself: Close waits as long as it takes.
func (w *wish) closes(t *testing.T) {
	t.Helper()
	closed := make(chan struct{})
	w.patience = time.Hour
	go func() {
		w.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatalf("it does not end; told:\n%s", w.told())
	}
}

// A program that hangs, whatever it is asked for, is ended with all that it has
// started, and the log says that the record may be there still.
func TestACMECloseEndsAHungProgram(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	solver, err := unaliased(ExecSolver([]string{"/bin/sh", "-c", `exec 3>"$0"; sleep 1000 & echo "$1" >&3; wait`, pipe}))
	if err != nil {
		t.Fatal(err)
	}
	w := a.wish(t, newStorage(t), func(c *ACMEConfig) { c.Challenge, c.DNS = DNS01, solver }, "hung.test").start(t)
	held, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	line := make([]byte, len("present\n"))
	if _, err := io.ReadFull(held, line); err != nil {
		t.Fatal(err)
	}
	w.closes(t)
	if rest, err := io.ReadAll(held); err != nil || strings.TrimSpace(string(rest)) != "cleanup" {
		t.Errorf("then the program was asked for %q, %v", rest, err)
	}
	if want := "cannot cleanup the record by /bin/sh: " + errHurried.Error(); !strings.Contains(w.told(), want) {
		t.Errorf("%q is missing in\n%s", want, w.told())
	}
}

func TestACMECloseLeavesASilentWebhook(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{})
	asked := make(chan struct{}, 2)
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else nobody notices that the client has gone
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer service.Close()
	solver, err := unaliased(Webhook{URL: service.URL}.Solver())
	if err != nil {
		t.Fatal(err)
	}
	w := a.wish(t, newStorage(t), func(c *ACMEConfig) { c.Challenge, c.DNS = DNS01, solver }, "silent.test").start(t)
	<-asked
	w.closes(t)
	if !strings.Contains(w.told(), "cannot cleanup the record by webhook at "+service.Listener.Addr().String()) || !strings.Contains(w.told(), errHurried.Error()) {
		t.Errorf("told:\n%s", w.told())
	}
}

// A name server that takes an update and never answers.
func TestRFC2136IsCutOff(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s, err := RFC2136{Server: silent.Addr().String(), Zone: "test"}.Solver()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.(*dnsSolver).zone.put(ctx, challengeRecord(dnsChallenge("a.test"))) }()
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	errWhy := errors.New("why")
	cancel(errWhy)
	if err := <-ended; !errors.Is(err, errWhy) {
		t.Errorf("got %v", err)
	}
}

// certmagic asks about revocation without a context: that is not waited for.
func TestACMECloseDoesNotWaitForOCSP(t *testing.T) {
	t.Parallel()
	asked, over := make(chan struct{}, 10), make(chan struct{})
	responder := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	defer responder.Close()
	answer := sync.OnceFunc(func() { close(over) })
	defer answer()
	a := newAuthority(t, authorityOptions{ocsp: responder.URL})
	w := a.wish(t, newStorage(t), nil, "ocsp.test")
	w.patience = time.Millisecond
	w.start(t)
	<-asked
	w.Close()
	if !strings.Contains(w.told(), "not waited for any longer: certificate received") {
		t.Errorf("told:\n%s", w.told())
	}
	answer()
	w.running.Wait() // what was not waited for still writes into the storage
}
