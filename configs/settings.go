package configs

import (
	"crypto/tls"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"go.uber.org/zap/zapcore"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// DefaultStorage is where certificates of authorities and self-signed ones are kept
// when the file does not say otherwise.
const DefaultStorage = "/var/lib/ftpsproxy"

// Settings are what a configuration says, with every default filled in. Nothing
// has been opened yet; Build does that.
type Settings struct {
	Listeners    []Listener
	Upstreams    []Upstream
	Certificates []Certificate
	Policies     []Policy
	Limits       proxy.Limits
	// Storage is the folder for what must outlive the process, created with
	// mode 0700 when first needed.
	Storage string
	Log     Log

	sources sources
}

// Listener is one listener block.
type Listener struct {
	// Config lacks Upstream and TLS.Terminator, which Build fills in.
	Config       proxy.ListenerConfig
	TLS          tlsterm.Config
	Upstream     Ref
	Certificates []Ref
	Policy       Ref // none: everything that the proxy understands is allowed
	// Clients are asked for certificates; nil: they are not.
	Clients *ClientCertificates

	at            hcl.Range
	addressAt     hcl.Range
	certificateAt hcl.Range
}

// Upstream is one upstream block.
type Upstream struct {
	// Config lacks TLS.Originator, which Build fills in.
	Config upstream.Config
	TLS    UpstreamTLS

	at     hcl.Range
	flawed bool
}

// UpstreamTLS says whom the proxy takes for its upstream, and as whom it goes.
type UpstreamTLS struct {
	// ServerName must be in the upstream's certificate; "": the host of its
	// address.
	ServerName string
	// CA is a PEM file with the authorities that may vouch for it; "": the
	// system's.
	CA string
	// Certificate names the certificate block that is shown to the upstream.
	Certificate Ref
	// Verify false accepts any certificate that Pins allow.
	Verify bool
	// Pins are the keys of which one must be in the upstream's chain.
	Pins []tlsterm.Pin
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16

	at       hcl.Range // of the block
	verifyAt hcl.Range
	caAt     hcl.Range
}

// Certificate is one certificate block: exactly one of Files, SelfSigned and ACME
// is set.
type Certificate struct {
	Name       string
	Files      *Files
	SelfSigned *SelfSigned
	ACME       *ACME

	at     hcl.Range
	flawed bool
}

// Files names a PEM certificate chain and its key.
type Files struct {
	Cert, Key string
}

// SelfSigned lists the host names and IP addresses that a certificate of our
// own making is valid for.
type SelfSigned struct {
	Names []string
}

// Ref mentions another block by name.
type Ref struct {
	Name string

	at hcl.Range
}

// Log says what is logged, how and where.
type Log struct {
	Level  zapcore.Level
	Format LogFormat
	// Output is "stderr", "stdout" or the path of a file, which is reopened on
	// SIGHUP.
	Output string
}

// LogFormat is the shape of a log line.
type LogFormat int

// The zero value is for programs.
const (
	LogJSON    LogFormat = iota
	LogConsole           // for people
)

// defaultSettings is what an empty file means.
func defaultSettings() *Settings {
	return &Settings{
		Limits:  proxy.DefaultLimits(),
		Storage: DefaultStorage,
		Log:     Log{Level: zapcore.InfoLevel, Format: LogJSON, Output: "stderr"},
		sources: sources{},
	}
}

func defaultListener(name string) Listener {
	l := Listener{Config: proxy.DefaultListener(), TLS: tlsterm.Default()}
	l.Config.Name = name
	return l
}

func defaultUpstream(name string) Upstream {
	c := upstream.Default()
	c.Name = name
	return Upstream{Config: c, TLS: UpstreamTLS{Verify: true, MinVersion: tls.VersionTLS12}}
}

// selfSignedDir is where the named certificate's key and certificate are kept:
// a folder each, so that two blocks never overwrite each other.
func (s *Settings) selfSignedDir(name string) string {
	return filepath.Join(s.Storage, "self-signed", name)
}
