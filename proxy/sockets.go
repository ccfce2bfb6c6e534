package proxy

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keepAlive finds peers that vanished while a long transfer keeps the control
// connection silent (RFC 1123 §4.1.3.2 asks servers for no less).
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 6}

// plainTCP listens without Multipath TCP, which Go offers by default. A client that
// speaks it could move its bytes to paths that the kernel's counters of the first
// do not show (moved, acknowledged), and to addresses that are not the session's.
func plainTCP(lc net.ListenConfig) net.ListenConfig {
	lc.SetMultipathTCP(false)
	return lc
}

func isAddressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// inlineUrgent keeps TCP urgent data in the stream. Clients send the Telnet
// Synch in front of ABOR as urgent data (RFC 959 §4.1.3); the kernel would take
// its last byte out of the stream and leave half a Telnet command behind.
func inlineUrgent(conn *net.TCPConn) error {
	return onSocket(conn, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
	})
}

// acknowledgeAtOnce keeps the kernel from waiting for something to send along
// with an acknowledgement, until we next send something. A peer that writes twice
// in a row has its second small segment held back until the first is acknowledged
// (Nagle's algorithm), 40 ms later when we have nothing to say:
//
//   - a client's close_notify at the end of an upload;
//   - the end of a client's handshake, which GnuTLS writes in pieces;
//   - an upstream's 226 soon after its 150.
func acknowledgeAtOnce(conn *net.TCPConn) {
	_ = onSocket(conn, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}

// A handshakingConn is a control connection until its TLS handshake has ended.
type handshakingConn struct {
	*net.TCPConn
	ended bool
}

// Read implements net.Conn.
func (c *handshakingConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if !c.ended {
		acknowledgeAtOnce(c.TCPConn)
	}
	return n, err
}

// moved is how many bytes a connection's peer has acknowledged and we have
// received. Counted by the kernel, it moves with every segment, also in the
// middle of a large write or of a splice.
func moved(conn *net.TCPConn) uint64 {
	info := tcpInfo(conn)
	return info.Bytes_acked + info.Bytes_received
}

// acknowledged is how many bytes the peer's kernel has taken over.
func acknowledged(conn *net.TCPConn) uint64 { return tcpInfo(conn).Bytes_acked }

// TCP_ESTABLISHED and TCP_CLOSE of include/net/tcp_states.h.
const (
	tcpEstablished = 1
	tcpClose       = 7
)

// gone tells whether the peer has ended or reset its half of the connection,
// even when bytes before that end have not been read yet.
func gone(conn *net.TCPConn) bool {
	return tcpInfo(conn).State != tcpEstablished
}

// broken tells whether the peer has reset the connection, or has been given up.
func broken(conn *net.TCPConn) bool {
	return tcpInfo(conn).State == tcpClose
}

// tcpInfo is the kernel's view of a connection; of a closed one it is zero.
func tcpInfo(conn *net.TCPConn) unix.TCPInfo {
	var info unix.TCPInfo
	_ = onSocket(conn, func(fd int) error {
		got, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			info = *got
		}
		return err
	})
	return info
}

func onSocket(conn *net.TCPConn, do func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// reset closes a connection so that its peer sees it broken, never ended.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
