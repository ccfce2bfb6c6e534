package tlsterm

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
)

// BenchmarkIdleControl reports the heap that a control connection holds while
// nothing happens on it: TLS, its two configurations, the session's binding and
// ticket, and the sockets of both ends.
func BenchmarkIdleControl(b *testing.B) {
	cert := newCert(b, "ftp.example.com")
	term := newTerminator(b, cert.source(), nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	const sessions = 200
	for b.Loop() {
		before := heap()
		var kept []io.Closer
		for range sessions {
			kept = append(kept, idle(b, term, ln, newGoClient(cert, tls.VersionTLS13).cfg)...)
		}
		b.ReportMetric(float64(heap()-before)/sessions, "B/session")
		for _, c := range kept {
			c.Close()
		}
	}
}

// heap returns the bytes that are in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools give their contents up in two steps
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// idle makes a control connection, exchanges a command, and returns the
// server's side of it. Of the client's only the socket is left.
func idle(b *testing.B, term *Terminator, ln net.Listener, cfg *tls.Config) []io.Closer {
	raw, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	client := tls.Client(raw, cfg)
	shook := make(chan error, 1)
	go func() { shook <- client.HandshakeContext(context.Background()) }()
	binding := term.Bind()
	server, err := binding.Control(context.Background(), accepted)
	if err != nil {
		b.Fatal(err)
	}
	if err := <-shook; err != nil {
		b.Fatal(err)
	}
	exchange(b, server, client, "220 ready\r\n")
	exchange(b, client, server, "NOOP\r\n")
	return []io.Closer{raw, keeper{server, binding}}
}

// A keeper keeps a session alive.
type keeper struct {
	*Conn
	binding *Binding
}

// BenchmarkDataHandshake is what a data connection costs, client included.
func BenchmarkDataHandshake(b *testing.B) {
	for _, reuse := range []Reuse{ReuseRequire, ReuseOff} {
		b.Run(reuse.String(), func(b *testing.B) {
			cert := newCert(b, "ftp.example.com")
			binding := newTerminator(b, cert.source(), withReuse(reuse)).Bind()
			client := newGoClient(cert, tls.VersionTLS13)
			client.login(b, binding)
			for b.Loop() {
				d := client.data(b, binding, false)
				if d.serverErr != nil {
					b.Fatal(d.serverErr)
				}
				d.client.Close()
				d.server.Close()
			}
		})
	}
}
