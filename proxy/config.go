package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Config is all that a Server needs to know.
type Config struct {
	Listeners []ListenerConfig
	Limits    Limits
}

// Validate reports every mistake at once, joined, each naming its listener.
func (c Config) Validate() error {
	var errs []error
	if len(c.Listeners) == 0 {
		errs = append(errs, errors.New("no listener"))
	}
	for _, l := range c.Listeners {
		if err := l.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("listener %q: %w", l.Name, err))
		}
	}
	if err := c.Limits.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("limits: %w", err))
	}
	return errors.Join(errs...)
}

// ListenerConfig describes one address at which clients are accepted.
type ListenerConfig struct {
	// Name appears in logs and in the line that announces the listener.
	Name string
	// Address is what net.Listen takes: ":21", "192.0.2.1:990", "[::1]:0".
	Address string
	// Greeting is the text of our 220: one line, no product, no version.
	Greeting string
	TLS      TLSConfig
	Passive  PassiveConfig
	Active   ActiveConfig
	// Upstream serves every session of this listener.
	Upstream *upstream.Upstream
	// Policy decides about commands. Nil: everything that the proxy understands
	// is allowed.
	Policy *policy.Policy
}

// DefaultListener is a listener with every optional setting at its documented
// default; Name, Address, Upstream and TLS.Terminator are the caller's to set.
func DefaultListener() ListenerConfig {
	return ListenerConfig{
		Greeting: "FTP service ready",
		TLS: TLSConfig{
			Mode:       TLSExplicit,
			Control:    Require,
			Data:       Require,
			Truncation: TruncationLog,
		},
		Passive: PassiveConfig{Ports: PortRange{First: 50000, Last: 50999}},
		Active:  ActiveConfig{Enabled: true},
	}
}

// Validate reports what is missing or contradicts itself.
func (l ListenerConfig) Validate() error {
	switch {
	case l.Name == "":
		return errors.New("name is empty")
	case l.Address == "":
		return errors.New("address is empty")
	case l.Upstream == nil:
		return errors.New("upstream is missing")
	case l.TLS.Mode != TLSOff && l.TLS.Terminator == nil:
		return errors.New("a certificate is needed unless tls mode is off")
	}
	if err := l.TLS.Clients.validate(); err != nil {
		return err
	}
	for _, r := range l.Greeting {
		if isLineBreaking(r) {
			return fmt.Errorf("greeting holds a control character %q", r)
		}
	}
	return l.Passive.Ports.Validate()
}

// TLSMode says when TLS starts on a control connection.
type TLSMode int

// The modes; the zero value is explicit TLS.
const (
	TLSExplicit TLSMode = iota // AUTH TLS, RFC 4217
	TLSImplicit                // TLS from the first byte
	TLSOff                     // clear text only
)

// Requirement says whether a protection is demanded or left to the client.
type Requirement int

// The zero value demands.
const (
	Require Requirement = iota
	Allow
)

// Truncation says what an upload means that ended with a bare FIN instead of
// TLS's close_notify.
type Truncation int

// The zero value fails such an upload.
const (
	TruncationFail  Truncation = iota // the upload is broken: 426, and the upstream leg is reset
	TruncationLog                     // accepted, and logged
	TruncationAllow                   // accepted
)

// TLSConfig is a listener's TLS towards its clients.
type TLSConfig struct {
	Mode TLSMode
	// Control Require: USER before TLS is answered 530.
	Control Requirement
	// Data Require: a transfer under PROT C is answered 521.
	Data       Requirement
	Truncation Truncation
	// AllowCCC lets a client go back to clear text on its control connection.
	AllowCCC bool
	// Clients says what clients' certificates have to do with logins; nil:
	// nothing.
	Clients *ClientLogin
	// Terminator holds certificates, versions, session_reuse and the authorities
	// of client certificates. Nil only with TLSOff.
	Terminator *tlsterm.Terminator
}

// PortRange is an inclusive range of TCP ports. The zero value lets the kernel
// choose.
type PortRange struct{ First, Last uint16 }

// Validate refuses reversed and privileged ranges.
func (r PortRange) Validate() error {
	if r == (PortRange{}) {
		return nil
	}
	if r.First > r.Last {
		return fmt.Errorf("passive ports %d-%d run backwards", r.First, r.Last)
	}
	if r.First < 1024 {
		return fmt.Errorf("passive ports must be 1024 or higher, not %d", r.First)
	}
	return nil
}

// PassiveConfig says where clients open data connections to.
type PassiveConfig struct {
	Ports PortRange
	// Advertise is written into 227. "" and "auto": the address at which the
	// client reached us; else an IP address, or a host name that is looked up
	// again every minute.
	Advertise string
	// Networks names another address for clients of these networks; the most
	// specific one counts.
	Networks map[netip.Prefix]netip.Addr
}

// ActiveConfig says how clients' PORT and EPRT are served.
type ActiveConfig struct {
	// Enabled false: PORT and EPRT are answered 502.
	Enabled bool
	// Bind is the local address to dial clients from; the zero value is the
	// address at which the client reached us.
	Bind netip.Addr
}

// Limits bound what a session may cost. Every duration must be positive.
type Limits struct {
	// Sessions at once over all listeners, and per client address (0: no limit).
	Sessions          int
	SessionsPerClient int
	// LoginTimeout runs from accept to a successful login, TLS included.
	LoginTimeout time.Duration
	// IdleTimeout is silence on the control connection while no transfer runs.
	IdleTimeout time.Duration
	// StallTimeout ends a transfer that moves no byte, and bounds the wait for
	// the upstream's word after the last one.
	StallTimeout time.Duration
	// DataTimeout runs from 227 or PORT to an open data connection, and again
	// for its handshake.
	DataTimeout time.Duration
	// ReplyTimeout is the upstream's time to answer a command.
	ReplyTimeout time.Duration
	// Line is the longest command line in bytes; a longer one is answered 500
	// and skipped.
	Line int
	// ReplyLine is the longest line of an upstream's reply in bytes.
	ReplyLine int
	// LoginFailures, of the whole session, end it with 421.
	LoginFailures int
	// DrainTimeout is how long transfers may go on after SIGTERM.
	DrainTimeout time.Duration
}

// DefaultLimits are those of the configuration file's documentation.
func DefaultLimits() Limits {
	return Limits{
		Sessions:      10000,
		LoginTimeout:  60 * time.Second,
		IdleTimeout:   10 * time.Minute,
		StallTimeout:  60 * time.Second,
		DataTimeout:   30 * time.Second,
		ReplyTimeout:  60 * time.Second,
		Line:          4096,
		ReplyLine:     65536,
		LoginFailures: 3,
		DrainTimeout:  30 * time.Second,
	}
}

// Validate names each limit that is out of range.
func (l Limits) Validate() error {
	var errs []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"login_timeout", l.LoginTimeout},
		{"idle_timeout", l.IdleTimeout},
		{"stall_timeout", l.StallTimeout},
		{"data_timeout", l.DataTimeout},
		{"reply_timeout", l.ReplyTimeout},
	} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s must be positive, not %s", d.name, d.value))
		}
	}
	if l.DrainTimeout < 0 {
		errs = append(errs, fmt.Errorf("drain_timeout must not be negative, not %s", l.DrainTimeout))
	}
	for _, n := range []struct {
		name       string
		value, min int
	}{
		{"sessions", l.Sessions, 1},
		{"sessions_per_client", l.SessionsPerClient, 0},
		{"line", l.Line, 64},
		{"reply_line", l.ReplyLine, 512},
		{"login_failures", l.LoginFailures, 1},
	} {
		if n.value < n.min {
			errs = append(errs, fmt.Errorf("%s must be at least %d, not %d", n.name, n.min, n.value))
		}
	}
	return errors.Join(errs...)
}
