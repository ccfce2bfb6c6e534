package proxy

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// A busyReader writes while it reads, as crypto/tls does to answer a KeyUpdate, to
// a peer that takes nothing.
type busyReader struct {
	*net.TCPConn
	writes chan struct{} // closed when it has begun
}

func (b *busyReader) Read([]byte) (int, error) {
	for chunk := make([]byte, 1<<16); ; {
		// The first that does not fit into the socket's buffers is where it stays.
		_ = b.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := b.Write(chunk); err != nil {
			break
		}
	}
	_ = b.SetWriteDeadline(time.Time{})
	close(b.writes)
	_, err := b.Write(make([]byte, 1<<20))
	return 0, err
}

// A reader that is stuck in a write of crypto/tls's own does not keep a session
// from ending.
func TestPartingFromAReaderThatWrites(t *testing.T) {
	near, _ := tcpPair(t)
	c := newClientControl(near, DefaultLimits())
	writes := make(chan struct{})
	c.use(&busyReader{near, writes}, nil)
	go c.read(c.begin())
	<-writes
	c.part()

	near, _ = tcpPair(t)
	u := newUpstreamControl(near, DefaultLimits())
	writes = make(chan struct{})
	busy := &busyReader{near, writes}
	u.use(busy, DefaultLimits())
	go u.read(u.begin())
	<-writes
	u.conn = tls.Client(busy, &tls.Config{})
	u.farewelled = true
	u.part()
}
