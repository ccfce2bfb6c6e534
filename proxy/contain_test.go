package proxy

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// A mistake in one session ends that one: it says 421, leaves nothing behind, and
// is in the log with the place where it happened.
func TestPanicEndsOneSession(t *testing.T) {
	u := upstream.Default()
	u.Name, u.Address = "nowhere", "127.0.0.1:1"
	up, err := upstream.New(u)
	if err != nil {
		t.Fatal(err)
	}
	l := DefaultListener()
	l.Name, l.Address, l.Upstream = "ftp", "127.0.0.1:0", up
	l.TLS.Mode, l.TLS.Control, l.TLS.Data = TLSOff, Allow, Allow
	core, logs := observer.New(zap.InfoLevel)
	server, err := New(Config{Listeners: []ListenerConfig{l}, Limits: DefaultLimits()}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	near, far := tcpPair(t)
	s := server.newSession(server.listeners[0].settings.Load(), near)
	s.policing.current = func() *policy.Policy {
		if s.client.head() != nil {
			panic("as a test wants it")
		}
		return nil
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.run(t.Context())
	}()
	_ = far.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(far, "NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(far)
	for _, code := range []string{"220", "421"} {
		if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, code) {
			t.Errorf("%q, %v instead of a %s", line, err, code)
		}
	}
	_ = far.Close()
	<-over
	found := logs.FilterMessage("session panicked").All()
	if len(found) != 1 || !strings.Contains(found[0].ContextMap()["stack"].(string), "contain_test.go") {
		t.Errorf("the log does not say where it happened: %v", found)
	}
}
