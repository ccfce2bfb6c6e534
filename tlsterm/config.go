package tlsterm

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// Reuse says what is asked of the TLS of data connections: must it resume the
// TLS session of the control connection, as proof that both belong to the same
// client?
type Reuse int

const (
	// ReusePrefer lets data connections resume and counts those that do
	// ([Binding.Resumed]). One that does not is accepted all the same.
	ReusePrefer Reuse = iota
	// ReuseRequire refuses a data connection that did not resume, with
	// [ErrNotResumed]. Clients that resume by session ID only, such as OpenSSL
	// over TLS 1.2 without tickets, cannot satisfy it.
	ReuseRequire
	// ReuseOff issues no ticket and resumes nothing.
	ReuseOff
)

// String returns the word the setting is known by, for messages.
func (r Reuse) String() string {
	switch r {
	case ReusePrefer:
		return "prefer"
	case ReuseRequire:
		return "require"
	case ReuseOff:
		return "off"
	default:
		return fmt.Sprintf("Reuse(%d)", int(r))
	}
}

// Config is what an operator chooses about terminated TLS. Start from
// [Default]: the zero value is refused by [Config.Validate].
type Config struct {
	// MinVersion is the oldest version a client may speak: tls.VersionTLS12 or
	// tls.VersionTLS13. Older ones are forbidden by RFC 8996 and not offered.
	MinVersion uint16

	// Reuse says whether data connections have to resume the session.
	Reuse Reuse

	// AllowHTTP11 accepts a hello whose only application protocol is
	// "http/1.1". curl sent that on FTP connections for years. False is the
	// stricter defence against HTTPS requests that are diverted to this port
	// (ALPACA); such a request can never log in, since each of its lines is an
	// unknown command.
	AllowHTTP11 bool

	// AnswerChallenges answers the challenge tls-alpn-01 (RFC 8737) on control
	// connections, for the listener's own certificates. It is for implicit
	// listeners to which port 443 is forwarded; nobody asks elsewhere.
	AnswerChallenges bool

	// Clients asks clients for a certificate; nil: they are not asked.
	Clients *ClientCertificates
}

// Default returns the settings that work with the clients in the wild.
func Default() Config {
	return Config{MinVersion: tls.VersionTLS12, Reuse: ReusePrefer, AllowHTTP11: true}
}

// Validate says, in one sentence, what is wrong with c.
func (c Config) Validate() error {
	if c.MinVersion != tls.VersionTLS12 && c.MinVersion != tls.VersionTLS13 {
		return fmt.Errorf("TLS version %s cannot be the minimum: it must be TLS 1.2 or TLS 1.3",
			tls.VersionName(c.MinVersion))
	}
	if c.Reuse < ReusePrefer || c.Reuse > ReuseOff {
		return fmt.Errorf("%v is no session reuse: it must be prefer, require or off", c.Reuse)
	}
	if c.Clients != nil && c.Clients.Authorities == nil {
		return errors.New("clients are asked for certificates, but no authority is trusted to issue them")
	}
	return nil
}
