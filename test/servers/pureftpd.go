package servers

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// startPureFTPd configures Pure-FTPd with a virtual user (puredb). It confines
// its users with chroot always, so it needs root.
func (s *Server) startPureFTPd(t testing.TB) {
	t.Helper()
	program := machine.Find(t, "pure-ftpd", "pure-ftpd")
	if !s.asRoot() {
		t.Skip("Pure-FTPd runs as root only")
	}
	// The format of pure-pw's file: crypt's, and ten limits that are not set.
	users := fmt.Sprintf("%s:%s:%d:%d::%s/./::::::::::::\n", s.User, s.hash(t), s.uid, s.gid, s.Root)
	database := s.file("users.pdb")
	compile := machine.Find(t, "pure-ftpd", "pure-pw").Command(t.Context(), "mkdb", database, "-f", s.write(t, "users", users))
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("pure-pw: %v\n%s", err, out)
	}
	host, port, err := net.SplitHostPort(s.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--bind", host + "," + port,
		"--login", "puredb:" + database,
		"--chrooteveryone", "--noanonymous", "--dontresolve",
		"--passiveportrange", fmt.Sprintf("%d:%d", s.passive.First, s.passive.Last),
		"--limitrecursion", "5000:5", // more entries in a listing than any test makes
		"--maxclientsnumber", strconv.Itoa(500), "--maxclientsperip", strconv.Itoa(500),
		"--altlog", "clf:" + s.file("log"), // nothing else is logged but by syslog
		"--pidfile", s.file("pid"),
	}
	s.start(t, program, append(args, s.pureftpdTLS()...)...)
}

// pureftpdTLS are the arguments about TLS: level 2 refuses logins in clear text,
// 3 clear data connections too.
func (s *Server) pureftpdTLS() []string {
	switch {
	case s.TLS == nil:
		return nil
	case s.TLS.ClearData:
		return []string{"--tls=2", "--certfile=" + s.TLS.Cert + "," + s.TLS.Key}
	default:
		return []string{"--tls=3", "--certfile=" + s.TLS.Cert + "," + s.TLS.Key}
	}
}
