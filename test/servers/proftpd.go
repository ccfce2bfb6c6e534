package servers

import (
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
	program := machine.Find(t, "proftpd-core", "proftpd")
	users := fmt.Sprintf("%s:%s:%d:%d::%s:/bin/sh\n", s.User, s.hash(t), s.uid, s.gid, s.Root)
	name, group := account(t, s.uid, s.gid)
	confine := ""
	if s.asRoot() {
		confine = "DefaultRoot ~" // chroot, which only root may
	}
	config := s.write(t, "proftpd.conf", fmt.Sprintf(`ModulePath %s
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
AuthUserFile %s
RequireValidShell off
UseReverseDNS off
DelayEngine off
MaxInstances none
PidFile %s
ScoreboardFile %s
SystemLog %s
TransferLog none
WtmpLog off
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
PassivePorts %d %d
Umask 022
`, filepath.Join(program.Root, "usr/lib/proftpd"), s.Addr.Addr(), s.Addr.Port(), name, group, confine,
		s.write(t, "users", users), s.file("pid"), s.file("scoreboard"), s.file("log"),
		s.passive.First, s.passive.Last))
	s.start(t, program, "--nodaemon", "--config", config)
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
