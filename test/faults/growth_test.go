package faults

import (
	"crypto/tls"
	"io"
	"runtime"
	"testing"

	dialling "github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// A footprint is what this process holds while one session has no transfer.
type footprint struct {
	sockets, goroutines int
	heap                uint64
}

// footprint is taken once the last transfer has left nothing. What the tools
// remember is thrown away first: the log, what the upstream heard, connections
// that clients have closed.
func (c *client) footprint() footprint {
	c.t.Helper()
	c.downloads(10) // uses up what an EPSV has opened
	r := c.rig
	eventually(c.t, func() bool { return openSockets(c.t) <= r.sockets+inUse })
	r.log.TakeAll()
	r.upstream.mu.Lock()
	r.upstream.heard = nil
	r.upstream.mu.Unlock()
	r.mu.Lock()
	r.conns = []io.Closer{c.tcp}
	r.mu.Unlock()
	var f footprint
	// A goroutine may have closed its socket and not ended yet.
	eventually(c.t, func() bool {
		runtime.GC()
		before := f
		f = footprint{sockets: openSockets(c.t), goroutines: runtime.NumGoroutine()}
		return before == f
	})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.heap = m.HeapAlloc
	return f
}

// inUse is how many sockets there are for one session without a transfer: two
// listeners, and both ends of two control connections.
const inUse = 2 + 2*2

// hasNotGrown compares with a footprint taken earlier. A transfer that is not
// forgotten costs a thousand bytes and more; buffers that come and go make the
// allowance necessary.
func (c *client) hasNotGrown(before footprint, times int) {
	c.t.Helper()
	after := c.footprint()
	if after.sockets > before.sockets || after.goroutines > before.goroutines {
		c.t.Errorf("%d sockets and %d goroutines, there were %d and %d",
			after.sockets, after.goroutines, before.sockets, before.goroutines)
	}
	const each = 200 // bytes
	if grown := int64(after.heap) - int64(before.heap); grown > int64(times*each) {
		c.t.Errorf("the heap has grown by %d bytes, %d each time", grown, grown/int64(times))
	}
}

// growing does something so many times; what is held after the first tenth must
// not be more in the end.
func (c *client) growing(all int, do func(i int)) {
	c.t.Helper()
	first := all / 10
	for i := range first {
		do(i)
	}
	before := c.footprint()
	for i := first; i < all; i++ {
		do(i)
	}
	c.hasNotGrown(before, all-first)
}

func TestTenThousandPASVWithoutTransfers(t *testing.T) {
	r := newRig(t)
	c := r.session()
	c.growing(10_000, func(int) { c.epsv() })
	r.recoversAfter(c)
}

func TestTenThousandTransfersOverOneSession(t *testing.T) {
	r := newRig(t, allowClear)
	c := r.session()
	c.growing(10_000, c.carry)
	r.recoversAfter(c)
}

// With TLS on both sides the cost is in handshakes: fewer will do.
func TestManyTransfersToAPrivateUpstream(t *testing.T) {
	r := newRig(t, allowClear, overTLS(t, dialling.TLSExplicit, tls.VersionTLS13), func(s *settings) {
		s.upstream.TLS.Data = dialling.DataSame
	})
	c := r.session()
	c.growing(2000, c.carry)
	r.recoversAfter(c)
}

// carry moves the ith file, one in twenty under TLS.
func (c *client) carry(i int) {
	if private := i%100 < 5; private != c.private {
		c.do(200, map[bool]string{false: "PROT C", true: "PROT P"}[private])
		c.private = private
	}
	if i%2 == 0 {
		c.downloads(i % 1000)
		return
	}
	c.uploads(i % 1000)
	<-c.rig.upstream.uploads
}
