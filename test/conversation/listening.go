package conversation

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// listen opens a listener on the given host.
func (l *leg) listen(host netip.Addr) error {
	if err := l.closeListener(); err != nil {
		return err
	}
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		return err
	}
	l.listener, l.here = ln, ln.Addr().(*net.TCPAddr).AddrPort()
	return nil
}

// listenNowhere leaves in here a port that refuses connections. A socket is bound
// to it and does not listen, so that the kernel gives the port to nobody else.
func (l *leg) listenNowhere(host netip.Addr) error {
	if err := l.closeListener(); err != nil {
		return err
	}
	fd, err := bind(host)
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	l.nowhere = os.NewFile(uintptr(fd), "bound socket")
	at, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		l.here = netip.AddrPortFrom(host, uint16(at.Port))
	case *unix.SockaddrInet6:
		l.here = netip.AddrPortFrom(host, uint16(at.Port))
	}
	return nil
}

// bind returns a TCP socket that is bound to a port of the kernel's choice.
func bind(host netip.Addr) (int, error) {
	family, at := unix.AF_INET, unix.Sockaddr(nil)
	if host.Is4() {
		at = &unix.SockaddrInet4{Addr: host.As4()}
	} else {
		family, at = unix.AF_INET6, &unix.SockaddrInet6{Addr: host.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, at); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// closeListener also makes sure that nobody is left waiting at it.
func (l *leg) closeListener() error {
	var err error
	if l.nowhere != nil {
		err = l.nowhere.Close()
		l.nowhere = nil
	}
	ln := l.listener
	if ln == nil {
		return err
	}
	l.listener = nil
	return errors.Join(err, nobodyWaits(ln), ln.Close())
}

// nobodyWaits wants the queue of a listener to be empty.
func nobodyWaits(ln *net.TCPListener) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var waiting error
	err = raw.Control(func(fd uintptr) {
		c, _, err := unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == nil {
			waiting = fmt.Errorf("somebody has dialled %s and was not expected", ln.Addr())
			_ = unix.Close(c)
		}
	})
	return errors.Join(err, waiting)
}
