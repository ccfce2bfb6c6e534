package policy

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A Request is the facts about one command. They are values: the policy asks
// nobody, and has no clock.
type Request struct {
	// Command is the command as the client gave it. The arguments of PASS and
	// ACCT are not looked at, and need not be there.
	Command ftpparse.Command

	// Directory is the working directory as the upstream reported it, "" when
	// that is not known.
	Directory string

	// RenameFrom is what RNFR named. It counts with RNTO only.
	RenameFrom Source

	// User is the name given by USER, whether or not it has logged in yet; when
	// the command is USER, the name in it.
	User string

	// Client is the client's address.
	Client netip.Addr

	Session Session
	TLS     TLS

	// TransferType is the argument of the last TYPE, "A" to begin with.
	TransferType string

	// Time is now.
	Time time.Time
}

// A Source is the argument of a RNFR and the working directory at that time.
// The zero value is a source that nobody knows.
type Source struct {
	Argument  string
	Directory string
}

// Session is what a Request says of the session.
type Session struct {
	Listener, Upstream string
	Host               string // from HOST, else from SNI
	LoggedIn           bool
	Commands           int // given so far
	Denied             int // of these, by the policy
}

// TLS is what a Request says of the client's TLS. The zero value is none.
type TLS struct {
	Active        bool
	Version       string // "1.2", "1.3"
	Cipher        string
	SNI           string
	Data          string // "private" or "clear": what PROT asked for
	SessionReused bool   // the last data connection resumed the control connection's session
	Certificate   Certificate
}

// A Certificate is the client's, verified. The zero value is none.
type Certificate struct {
	Subject, CN string
	Emails, DNS []string
	Serial      string
	Issuer      string
	SHA256      string // of the certificate, hexadecimal
}

// A Place is a line in a configuration file.
type Place struct {
	File string
	Line int
}

func (p Place) String() string { return p.File + ":" + strconv.Itoa(p.Line) }
