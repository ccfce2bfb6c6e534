package clients

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// TLS is how a session is protected.
type TLS string

// The ways to protect a session. Explicit and implicit are with PROT P unless
// the target says otherwise.
const (
	Plain    TLS = "plain"
	Explicit TLS = "explicit"
	Implicit TLS = "implicit"
)

// A Target is a server, or the proxy before it, and how to speak with it.
type Target struct {
	Addr netip.AddrPort
	// Host is the name to ask for in TLS; empty: the address, and so none. curl and
	// ftplib connect to Addr all the same, others look the name up.
	Host     string
	User     string
	Password string
	TLS      TLS
	// Clear asks for PROT C: data connections without TLS in a session with it.
	Clear bool
	// Active opens data connections by PORT or EPRT instead of PASV or EPSV.
	Active bool
	// Version is the one TLS version to speak, as crypto/tls numbers it; 0: any.
	Version uint16
	// CA is a PEM file with the certificate to trust.
	CA string
	// Cert and Key are PEM files of the client's own certificate; empty: none.
	Cert, Key string
}

// Op is one thing that a client is asked to do.
type Op string

// The operations. Local is a file of this machine, Remote a path as the server
// sees it, relative to where a login starts.
const (
	List           Op = "LIST"            // LIST Remote, a folder, into Local
	NameList       Op = "NLST"            // the same by NLST
	MachineList    Op = "MLSD"            // the same by MLSD
	Upload         Op = "upload"          // Local to Remote
	Download       Op = "download"        // Remote to Local
	Append         Op = "append"          // Local to the end of Remote
	ResumeUpload   Op = "resume upload"   // Local from Offset on to Remote, which has the bytes before
	ResumeDownload Op = "resume download" // Remote from Offset on to Local, which has the bytes before
	Rename         Op = "rename"          // Remote to the name To
	Delete         Op = "delete"
	Mkdir          Op = "mkdir"
	Rmdir          Op = "rmdir"
	Refused        Op = "refused" // download of Remote, which is not there, into Local; must be answered 550
	Abort          Op = "abort"   // download of Remote, broken off after its first bytes
)

// firstBytes is how much of a download is read before it is broken off.
const firstBytes = 1000

// Ops lists every operation.
func Ops() []Op {
	return []Op{
		List, NameList, MachineList, Upload, Download, Append,
		ResumeUpload, ResumeDownload, Rename, Delete, Mkdir, Rmdir, Refused, Abort,
	}
}

// A Step is one operation on its names.
type Step struct {
	Op     Op
	Local  string
	Remote string
	To     string
	Offset int64
	// Code is what a refused step must be answered; 550 when it is 0.
	Code int
}

// A Client is a program or library that speaks FTP.
type Client interface {
	Name() string
	// Version is the client's, as far as it matters to the table of limits.
	Version() string
	// Run does the steps in one session and returns what the client has said,
	// with the conversation in it, and an error, with the same, when a step has
	// failed as far as the client can tell.
	Run(ctx context.Context, target Target, steps []Step) (said string, err error)
}

// A Streamer is a client that moves a file without storing it.
type Streamer interface {
	Client
	UploadFrom(ctx context.Context, target Target, remote string, from io.Reader) error
	DownloadTo(ctx context.Context, target Target, remote string, to io.Writer) error
}

// All returns every client, skipping the test when a program is missing.
func All(t testing.TB) []Client {
	t.Helper()
	return []Client{NewCurl(t), NewLFTP(t), NewTNFTP(t), NewFtplib(t), NewJlaffaye(), NewOpenSSL(t)}
}

// refusal is how the reply that a refused step must get looks in the words of any
// client.
func (s Step) refusal() *regexp.Regexp {
	code := s.Code
	if code == 0 {
		code = 550
	}
	return regexp.MustCompile(fmt.Sprintf(`\b%d\b`, code))
}

// failed is the outcome of a step that ended with err.
func (s Step) failed(err error) error {
	switch {
	case s.Op == Refused && err == nil:
		return fmt.Errorf("%s %q was not refused", s.Op, s.Remote)
	case s.Op == Refused && s.refusal().MatchString(err.Error()):
		return nil
	case err != nil:
		return fmt.Errorf("%s %q: %w", s.Op, s.Remote, err)
	}
	return nil
}

func (t Target) host() string {
	if t.Host != "" {
		return t.Host
	}
	return t.Addr.Addr().String()
}

func (t Target) port() string { return fmt.Sprint(t.Addr.Port()) }

// program is what the clients that are programs have in common.
type program struct {
	name    string
	version string
	machine.Program
}

// Name is the client's name.
func (p program) Name() string { return p.name }

// Version is the client's version, empty where nothing depends on it.
func (p program) Version() string { return p.version }

// run runs the program and returns what it printed.
func (p program) run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := p.Command(ctx, args...)
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	return string(out), p.explain(err, string(out))
}

func (p program) explain(err error, said string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", p.name, err, said)
}

// stream runs the program with its standard input and output connected, and
// collects what it says on standard error.
func (p program) stream(cmd *exec.Cmd) error {
	var said strings.Builder
	cmd.Stderr = &said
	err := cmd.Run()
	return p.explain(err, said.String())
}

// hostPort is the address as in a URL.
func (t Target) hostPort() string { return net.JoinHostPort(t.host(), t.port()) }
