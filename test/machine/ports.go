package machine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// Ports lie below the range from which the kernel picks the local port of a
// dialled connection (32768 and up on Linux), so that no connection takes one.
const (
	firstPort = 18000
	blockSize = 128
	blocks    = 112
)

// A Block is a range of ports that belongs to one test until it ends.
type Block struct{ First, Last uint16 }

// String is the form in configuration files: "18000-18063".
func (b Block) String() string { return fmt.Sprintf("%d-%d", b.First, b.Last) }

// Ports hands out a block of 64 ports, as Claim does, until the test ends.
func Ports(t testing.TB) Block {
	t.Helper()
	b, release, err := Claim(64)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return b
}

// Claim hands out a block of n ports until release is called. Among test processes
// it is exclusive, by an abstract Unix socket named after it, which the kernel
// removes with its owner; and at this moment nobody listens on any port of it on a
// loopback address.
func Claim(n int) (b Block, release func(), err error) {
	if n < 1 || n > blockSize {
		return Block{}, nil, fmt.Errorf("a block has 1 to %d ports, not %d", blockSize, n)
	}
	start := rand.IntN(blocks)
	for i := range blocks {
		first := firstPort + (start+i)%blocks*blockSize
		lock, err := net.Listen("unix", fmt.Sprintf("@ftpsproxy-test-ports-%d", first))
		if err != nil {
			continue
		}
		b := Block{First: uint16(first), Last: uint16(first + n - 1)}
		if b.Free() == nil {
			return b, func() { _ = lock.Close() }, nil
		}
		_ = lock.Close()
	}
	return Block{}, nil, errors.New("no block of ports is free")
}

// Free returns an error that names the ports of the block on which somebody
// listens on a loopback address.
func (b Block) Free() error {
	var taken []error
	for port := b.First; port <= b.Last; port++ {
		for _, ip := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port)))
			if err == nil {
				l.Close()
			}
			// Other errors say that the machine has no such address.
			if errors.Is(err, syscall.EADDRINUSE) {
				taken = append(taken, err)
			}
		}
	}
	return errors.Join(taken...)
}
