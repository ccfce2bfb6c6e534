package proxy

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// freeRange finds n ports in a row that nobody uses, below those that the kernel
// gives away.
func freeRange(t testing.TB, n int) PortRange {
	t.Helper()
	for range 1000 {
		first := 10_000 + rand.IntN(7_900) // test/machine shares out those from 18,000 on
		r := PortRange{First: uint16(first), Last: uint16(first + n - 1)}
		if isFree(r) {
			return r
		}
	}
	t.Fatalf("no %d ports are free", n)
	return PortRange{}
}

func isFree(r PortRange) bool {
	for port := int(r.First); port <= int(r.Last); port++ {
		ln, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port})
		if err != nil {
			return false
		}
		_ = ln.Close()
	}
	return true
}

func mustLease(t *testing.T, p *portPool) *lease {
	t.Helper()
	l, err := p.listen(loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func wantNoPort(t *testing.T, p *portPool) {
	t.Helper()
	if l, err := p.listen(loopback); !errors.Is(err, errNoPort) {
		if err == nil {
			_ = l.Close()
		}
		t.Fatalf("%v instead of errNoPort", err)
	}
}

func TestPoolLeasesEveryPortOnce(t *testing.T) {
	r := freeRange(t, 3)
	p := newPortPool(r)
	for range 2 {
		var leases []*lease
		var ports []uint16
		for range 3 {
			l := mustLease(t, p)
			leases, ports = append(leases, l), append(ports, l.addrPort().Port())
			if l.addrPort().Port() != l.port {
				t.Errorf("port %d is leased, %d is listened on", l.port, l.addrPort().Port())
			}
		}
		slices.Sort(ports)
		if !slices.Equal(ports, []uint16{r.First, r.First + 1, r.Last}) {
			t.Errorf("leased are %d", ports)
		}
		wantNoPort(t, p)
		for _, l := range leases {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A lease that is given back twice must not put its port into the pool twice:
// two sessions would share it.
func TestLeaseIsReturnedOnce(t *testing.T) {
	p := newPortPool(freeRange(t, 1))
	l := mustLease(t, p)
	for range 3 {
		_ = l.Close()
	}
	if !slices.Equal(p.free, []uint16{l.port}) {
		t.Fatalf("the pool has %d", p.free)
	}
}

// Ports that others hold are passed over, and are not lost to the pool.
func TestPoolPassesOverPortsOfOthers(t *testing.T) {
	r := freeRange(t, 3)
	p := newPortPool(r)
	var others []*net.TCPListener
	for _, port := range []uint16{r.First, r.Last} {
		ln, err := listenTCP(loopback, port)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		others = append(others, ln)
	}
	for range 20 { // whichever is tried first
		l := mustLease(t, p)
		if l.port != r.First+1 {
			t.Fatalf("port %d is leased and another's", l.port)
		}
		wantNoPort(t, p)
		_ = l.Close()
	}
	for _, ln := range others {
		_ = ln.Close()
	}
	for range 3 {
		mustLease(t, p)
	}
	wantNoPort(t, p)
}

// An error that no other port would cure is reported as it is, and costs none.
func TestPoolReportsOtherErrors(t *testing.T) {
	p := newPortPool(freeRange(t, 1))
	elsewhere := netip.MustParseAddr("192.0.2.1") // RFC 5737: nobody's
	for range 3 {
		if l, err := p.listen(elsewhere); err == nil {
			_ = l.Close()
			t.Fatal("somebody else's address can be listened on")
		} else if errors.Is(err, errNoPort) {
			t.Fatalf("%v: the port is lost", err)
		}
	}
	mustLease(t, p)
}

// A port that can be foretold can be stolen.
func TestPoolPicksAtRandom(t *testing.T) {
	p := newPortPool(freeRange(t, 4))
	seen := map[uint16]bool{}
	previous, followed := uint16(0), 0
	const tries = 200
	for range tries {
		l := mustLease(t, p)
		seen[l.port] = true
		if l.port == previous+1 {
			followed++
		}
		previous = l.port
		_ = l.Close()
	}
	if len(seen) != 4 || followed > tries/2 {
		t.Fatalf("%d ports in %d leases, %d next to the one before", len(seen), tries, followed)
	}
}

func TestPoolOfTheKernelsChoice(t *testing.T) {
	p := newPortPool(PortRange{})
	seen := map[uint16]bool{}
	for range 10 {
		seen[mustLease(t, p).addrPort().Port()] = true
	}
	if len(seen) != 10 || seen[0] {
		t.Fatalf("leased are %v", seen)
	}
	if l := mustLease(t, p); l.Close() != nil || len(p.free) != 0 {
		t.Fatalf("a port of the kernel's choice was put into the pool: %d", p.free)
	}
}

// The whole range up to the last port there is.
func TestPoolEndsAtTheLastPort(t *testing.T) {
	p := newPortPool(PortRange{First: 65534, Last: 65535})
	if !slices.Equal(p.free, []uint16{65534, 65535}) {
		t.Fatalf("the pool has %d", p.free)
	}
}

// Sessions lease side by side: no port is held twice, none is lost.
func TestPoolIsSharedBySessions(t *testing.T) {
	r := freeRange(t, 4)
	p := newPortPool(r)
	var held [4]sync.Mutex
	var sessions sync.WaitGroup
	for range 8 {
		sessions.Go(func() {
			for range 100 {
				l, err := p.listen(loopback)
				if err != nil {
					continue // all are held
				}
				if !held[l.port-r.First].TryLock() {
					t.Errorf("port %d is leased twice", l.port)
				} else {
					held[l.port-r.First].Unlock()
				}
				_ = l.Close()
			}
		})
	}
	sessions.Wait()
	for range 4 {
		mustLease(t, p)
	}
	wantNoPort(t, p)
}
