package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// DataMode says how the proxy opens the upstream's leg of a transfer.
type DataMode int

// The zero value is passive: the proxy dials.
const (
	DataPassive DataMode = iota // PASV or EPSV: the proxy dials
	DataActive                  // PORT or EPRT: the upstream dials
	DataMatch                   // as the client opened its own leg
)

// TLSMode says when TLS starts on the control connection to the upstream.
type TLSMode int

// The zero value is clear text. There is no falling back from one to another.
const (
	TLSOff TLSMode = iota
	TLSExplicit
	TLSImplicit
)

// DataProtection says how data connections to a TLS upstream are protected.
type DataProtection int

// The zero value is PROT P.
const (
	DataPrivate DataProtection = iota // PROT P
	DataClear                         // PROT C
	DataSame                          // the level of the client's own leg
)

// TLSConfig is TLS towards the upstream.
type TLSConfig struct {
	Mode TLSMode
	Data DataProtection
	// Originator holds names, roots, pins and versions. Nil only with TLSOff.
	Originator *tlsterm.Originator
}

// Config describes one upstream.
type Config struct {
	// Name appears in logs.
	Name string
	// Address is host:port. A host name is looked up for every session.
	Address        string
	ConnectTimeout time.Duration
	DataMode       DataMode
	// BelieveReply true dials the address in a 227 instead of the control
	// connection's peer: only for upstreams that really serve data elsewhere.
	BelieveReply bool
	// Source is the local address to dial from; the zero value lets the kernel
	// choose.
	Source netip.Addr
	TLS    TLSConfig
}

// Default is Config with every optional setting at its documented default.
func Default() Config {
	return Config{ConnectTimeout: 5 * time.Second}
}

// Validate reports what is missing or malformed.
func (c Config) Validate() error {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("address %q is not host:port", c.Address)
	}
	if host == "" {
		return fmt.Errorf("address %q has no host", c.Address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("address %q has no port between 1 and 65535", c.Address)
	}
	if c.ConnectTimeout <= 0 {
		return errors.New("connect_timeout must be positive")
	}
	if c.TLS.Mode != TLSOff && c.TLS.Originator == nil {
		return errors.New("TLS settings are missing")
	}
	return nil
}

// An Upstream is one server, or one day several, behind the proxy. It is safe
// for use by several sessions.
type Upstream struct{ config Config }

// New checks the configuration and makes no connection.
func New(c Config) (*Upstream, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Upstream{config: c}, nil
}

// Config returns what New was given.
func (u *Upstream) Config() Config { return u.config }

// keepAlive finds peers that vanished while a long transfer keeps the control
// connection silent (RFC 1123 §4.1.3.2 asks servers for no less).
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 6}

// Dial opens a control connection. It is the caller's to close.
func (u *Upstream) Dial(ctx context.Context) (*net.TCPConn, error) {
	return u.dial(ctx, net.Dialer{KeepAliveConfig: keepAlive}, u.config.Address)
}

// DialData opens a data connection to the given address, from the same source
// as the control connection. It is the caller's to close.
func (u *Upstream) DialData(ctx context.Context, addr netip.AddrPort) (*net.TCPConn, error) {
	return u.dial(ctx, net.Dialer{KeepAlive: -1}, addr.String()) // bytes or a timer end it
}

func (u *Upstream) dial(ctx context.Context, d net.Dialer, address string) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, u.config.ConnectTimeout)
	defer cancel()
	if u.config.Source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(u.config.Source, 0))
	}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}
