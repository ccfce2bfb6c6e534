package proxy

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// A client whose connection nobody took sees it end, if nothing has begun; after the
// 150 that would be an empty file, so it sees it broken.
func TestUnusedLegIsNoEmptyFile(t *testing.T) {
	for begun, want := range map[bool]error{false: io.EOF, true: syscall.ECONNRESET} {
		l, err := newPortPool(PortRange{}).listen(loopback)
		if err != nil {
			t.Fatal(err)
		}
		transfer := newTransfer(nil, transferLimits{data: time.Minute, stall: time.Minute})
		transfer.acceptClient(l, loopback)
		client, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(l.addrPort()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		_ = client.SetDeadline(time.Now().Add(longest))
		waiting := transfer.clientAccept.conns
		waiting <- <-waiting // it has been accepted
		if begun {
			transfer.begin()
		}
		transfer.release()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("begun %t: %v, want %v", begun, err, want)
		}
	}
}
