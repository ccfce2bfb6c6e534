package servers

import (
	"crypto/tls"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// startProFTPD configures ProFTPD with a user of its own (AuthUserFile).
func (s *Server) startProFTPD(t testing.TB) {
	t.Helper()
	program := machine.Find(t, "proftpd-core+proftpd-mod-crypto", "proftpd")
	users := fmt.Sprintf("%s:%s:%d:%d::%s:/bin/sh\n", s.User, s.hash(t), s.uid, s.gid, s.Root)
	name, group := account(t, s.uid, s.gid)
	confine := ""
	if s.asRoot() {
		confine = "DefaultRoot ~" // chroot, which only root may
	}
	config := s.write(t, "proftpd.conf", fmt.Sprintf(`ModulePath %q
ServerName "FTP"
ServerType standalone
DefaultAddress %s
Port %d
UseIPv6 on
User %s
Group %s
%s
ControlsEngine off
AuthOrder mod_auth_file.c
AuthUserFile %q
RequireValidShell off
UseReverseDNS off
DelayEngine off
MaxInstances none
PidFile %q
ScoreboardFile %q
SystemLog %q
TransferLog %q
WtmpLog off
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
PassivePorts %d %d
Umask 022
%s`, filepath.Join(program.Root, "usr/lib/proftpd"), s.Addr.Addr(), s.Addr.Port(), name, group, confine,
		s.write(t, "users", users), s.file("pid"), s.file("scoreboard"), s.file("log"), s.file("xferlog"),
		s.passive.First, s.passive.Last, s.proftpdTLS()))
	s.start(t, program, "--nodaemon", "--config", config)
}

// proftpdTLS is the part of the configuration about TLS.
func (s *Server) proftpdTLS() string {
	if s.TLS == nil {
		return ""
	}
	required, versions, options := "on", "TLSv1.2 TLSv1.3", ""
	if s.TLS.ClearData {
		required = "ctrl"
	}
	if s.TLS.Max == tls.VersionTLS12 {
		versions = "TLSv1.2"
	}
	if s.TLS.Implicit {
		options += " UseImplicitSSL"
	}
	if !s.TLS.Reuse {
		options += " NoSessionReuseRequired"
	}
	if options != "" {
		options = "TLSOptions" + options
	}
	return fmt.Sprintf(`LoadModule mod_tls.c
TLSEngine on
TLSRequired %s
TLSProtocol %s
TLSECCertificateFile %q
TLSECCertificateKeyFile %q
TLSSessionTickets %s
TLSVerifyClient off
TLSRenegotiate none
TLSLog %q
%s
`, required, versions, s.TLS.Cert, s.TLS.Key, on(!s.TLS.NoTickets), s.file("tlslog"), options)
}

// account names the user and the group of these numbers: ProFTPD's configuration
// takes no numbers.
func account(t testing.TB, uid, gid int) (name, group string) {
	t.Helper()
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(strconv.Itoa(gid))
	if err != nil {
		t.Fatal(err)
	}
	return u.Username, g.Name
}
