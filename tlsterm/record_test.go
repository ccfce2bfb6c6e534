package tlsterm

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
)

// A readLog counts reads, and gives at most limit bytes in each.
type readLog struct {
	io.Reader
	net.Conn
	limit int
	reads int
}

func (r *readLog) Read(p []byte) (int, error) {
	r.reads++
	return r.Reader.Read(p[:min(len(p), r.limit)])
}

func TestRecordConnNeverCrossesARecord(t *testing.T) {
	record := func(n int) []byte {
		return append([]byte{23, 3, 3, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{'x'}, n)...)
	}
	sizes := []int{1, 0, 300, 16 << 10, 0, 0, 7}
	var wire []byte
	for _, n := range sizes {
		wire = append(wire, record(n)...)
	}
	for _, limit := range []int{1, 2, 3, 5, 6, 1000, 1 << 20} {
		log := &readLog{Reader: bytes.NewReader(wire), limit: limit}
		r := &recordConn{Conn: log}
		var got []byte
		buf := make([]byte, 1<<16)
		for _, size := range sizes {
			record := 0
			for record < recordHeaderLen+size {
				n, err := r.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, buf[:n]...)
				record += n
			}
			if record != recordHeaderLen+size {
				t.Fatalf("limit %d: a read crossed the end of a record of %d bytes", limit, size)
			}
			if r.have != 0 {
				t.Fatalf("limit %d: not at a record's beginning after one of %d bytes", limit, size)
			}
		}
		if !bytes.Equal(got, wire) {
			t.Errorf("limit %d: bytes lost or changed", limit)
		}
		if _, err := r.Read(buf); !errors.Is(err, io.EOF) || !r.eof {
			t.Errorf("limit %d: %v, eof %v", limit, err, r.eof)
		}
	}
}

// A record costs two reads when it is there.
func TestRecordCostsTwoReads(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	raw, accepted := tcpPair(t)
	log := &readLog{Reader: accepted, Conn: accepted, limit: 1 << 20}
	shook := make(chan error, 1)
	client := tls.Client(raw, newGoClient(cert, tls.VersionTLS13).cfg)
	go func() { shook <- client.HandshakeContext(t.Context()) }()
	c, err := newTerminator(t, cert.source(), nil).Bind().Control(within(t), log)
	if err := errors.Join(err, <-shook); err != nil {
		t.Fatal(err)
	}
	before := log.reads
	exchange(t, client, c, "NOOP\r\n")
	if n := log.reads - before; n != 2 {
		t.Errorf("one command cost %d reads", n)
	}
}
