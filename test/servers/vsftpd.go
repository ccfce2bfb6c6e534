package servers

import (
	"fmt"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// startVSFTPD configures vsftpd without PAM and without an account: its user is
// the anonymous one, who here may write, but only after the password in the list
// of accepted "e-mail addresses". It acts on files as whoever runs the test, and
// is not confined: its anonymous user is confined only where he may not write.
func (s *Server) startVSFTPD(t testing.TB) {
	t.Helper()
	s.User = "anonymous"
	listen := "listen=YES\nlisten_address=" + s.Addr.Addr().String()
	if s.Addr.Addr().Is6() {
		listen = "listen=NO\nlisten_ipv6=YES\nlisten_address6=" + s.Addr.Addr().String()
	}
	config := s.write(t, "vsftpd.conf", fmt.Sprintf(`%s
listen_port=%d
background=NO
run_as_launching_user=YES
ftp_username=nobody
seccomp_sandbox=NO
isolate_network=NO
isolate=NO
max_per_ip=0
max_clients=0
anonymous_enable=YES
local_enable=NO
secure_email_list_enable=YES
email_password_file=%s
anon_root=%s
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
pasv_min_port=%d
pasv_max_port=%d
connect_from_port_20=NO
log_ftp_protocol=YES
xferlog_enable=YES
vsftpd_log_file=%s
%s`, listen, s.Addr.Port(), s.write(t, "passwords", s.Password+"\n"), s.Root,
		s.passive.First, s.passive.Last, s.file("log"), s.vsftpdTLS()))
	s.start(t, machine.Find(t, "vsftpd", "vsftpd"), config)
}

// vsftpdTLS is the part of the configuration about TLS. Its user is an anonymous
// one for vsftpd, and its own choice of ciphers is one that OpenSSL has dropped.
func (s *Server) vsftpdTLS() string {
	if s.TLS == nil {
		return ""
	}
	return fmt.Sprintf(`ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=%s
implicit_ssl=%s
require_ssl_reuse=%s
rsa_cert_file=%s
rsa_private_key_file=%s
ssl_ciphers=HIGH
debug_ssl=YES
`, yes(!s.TLS.ClearData), yes(s.TLS.Implicit), yes(s.TLS.Reuse), s.TLS.Cert, s.TLS.Key)
}
