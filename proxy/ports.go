package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// A portPool leases the passive ports of one listener. It is shared by the
// listener's sessions.
type portPool struct {
	mu        sync.Mutex
	free      []uint16
	ephemeral bool // no range: the kernel chooses
}

func newPortPool(r PortRange) *portPool {
	if r == (PortRange{}) {
		return &portPool{ephemeral: true}
	}
	p := &portPool{free: make([]uint16, 0, int(r.Last)-int(r.First)+1)}
	for port := int(r.First); port <= int(r.Last); port++ {
		p.free = append(p.free, uint16(port))
	}
	return p
}

// A lease is a passive port held for one transfer, with its listener.
type lease struct {
	*net.TCPListener
	pool *portPool
	port uint16
	once sync.Once
}

// listen leases a port on the given address. The lease is the caller's to
// close. errNoPort: every port of the range is held, by us or by others.
func (p *portPool) listen(addr netip.Addr) (*lease, error) {
	if p.ephemeral {
		ln, err := listenTCP(addr, 0)
		if err != nil {
			return nil, err
		}
		return &lease{TCPListener: ln, pool: p}, nil
	}
	var taken []uint16 // by other programs, or by another listener with the same range
	defer func() { p.put(taken...) }()
	for {
		port, ok := p.take()
		if !ok {
			return nil, errNoPort
		}
		ln, err := listenTCP(addr, port)
		if err == nil {
			return &lease{TCPListener: ln, pool: p, port: port}, nil
		}
		taken = append(taken, port)
		if !isAddressInUse(err) {
			return nil, fmt.Errorf("passive port %d: %w", port, err)
		}
	}
}

// take picks at random: a port that can be foretold can be stolen.
func (p *portPool) take() (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	if last < 0 {
		return 0, false
	}
	i := rand.IntN(last + 1)
	port := p.free[i]
	p.free[i] = p.free[last]
	p.free = p.free[:last]
	return port, true
}

func (p *portPool) put(ports ...uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, ports...)
}

// Close closes the listener, then returns the port. It may be called twice.
func (l *lease) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		err = l.TCPListener.Close()
		if !l.pool.ephemeral {
			l.pool.put(l.port)
		}
	})
	return err
}

func (l *lease) addrPort() netip.AddrPort {
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func listenTCP(addr netip.Addr, port uint16) (*net.TCPListener, error) {
	lc := plainTCP(net.ListenConfig{KeepAlive: -1}) // bytes or a timer end a data connection
	ln, err := lc.Listen(context.Background(), "tcp", netip.AddrPortFrom(addr.Unmap(), port).String())
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// peerAddr and localAddr are a connection's addresses, with IPv4 written as
// IPv4 also where a dual-stack socket reports it as IPv6.
func peerAddr(c net.Conn) netip.AddrPort  { return unmapped(c.RemoteAddr()) }
func localAddr(c net.Conn) netip.AddrPort { return unmapped(c.LocalAddr()) }

func unmapped(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
