package servers

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// startPyftpdlib runs the small script that sets pyftpdlib up. The script gives
// root away as soon as it has its port.
func (s *Server) startPyftpdlib(t testing.TB) {
	t.Helper()
	module := machine.FindModule(t, "python3-pyftpdlib", "pyftpdlib")
	python := machine.Find(t, "python3", "python3")
	script := filepath.Join(machine.Repository(t), "test/servers/testdata/pyftpdlib_server.py")
	args := []string{
		"-W", "ignore::DeprecationWarning", script,
		"--modules", module,
		"--address", s.Addr.Addr().String(), "--port", strconv.Itoa(int(s.Addr.Port())),
		"--first", strconv.Itoa(int(s.passive.First)), "--last", strconv.Itoa(int(s.passive.Last)),
		"--root", s.Root, "--user", s.User, "--password-file", s.write(t, "password", s.Password),
		"--uid", strconv.Itoa(s.uid), "--gid", strconv.Itoa(s.gid),
	}
	s.start(t, python, append(args, s.pyftpdlibTLS(t)...)...)
}

// pyftpdlibTLS are the arguments about TLS, which needs one more module.
func (s *Server) pyftpdlibTLS(t testing.TB) []string {
	t.Helper()
	if s.TLS == nil {
		return nil
	}
	args := []string{
		"--modules", machine.FindModule(t, "python3-openssl", "OpenSSL"),
		"--cert", s.TLS.Cert, "--key", s.TLS.Key,
	}
	if s.TLS.Implicit {
		args = append(args, "--implicit")
	}
	if s.TLS.ClearData {
		args = append(args, "--clear-data")
	}
	return args
}
