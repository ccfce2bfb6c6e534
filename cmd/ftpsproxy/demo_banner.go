package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// announce prints what runs, and lines to copy that verify the certificate.
func (d *demo) announce(bound []proxy.Bound) error {
	if err := printListeners(bound); err != nil {
		return err
	}
	where := map[string]string{}
	for _, l := range bound {
		where[l.Name] = d.reachable(l.Addr)
	}
	_, err := fmt.Print(d.banner(where["explicit"], where["implicit"]))
	return err
}

// reachable is host:port as a client on this machine writes it. The name is one
// that the certificate is valid for.
func (d *demo) reachable(addr net.Addr) string {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String()
	}
	host := ap.Addr().Unmap()
	if host.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", ap.Port())
	}
	return netip.AddrPortFrom(host, ap.Port()).String()
}

func (d *demo) banner(explicit, implicit string) string {
	login := demoUser + ":" + d.password
	curl := fmt.Sprintf("curl --cacert %s --user %s", d.caFile, login)
	lftp := fmt.Sprintf("lftp -e 'set ssl:ca-file %s; set ftp:ssl-force true; set ftp:ssl-protect-data true' -u %s", d.caFile, strings.Replace(login, ":", ",", 1))
	lines := []string{
		"",
		"An FTP server of the demo's own serves " + d.folder + " behind these listeners.",
		"User " + demoUser + ", password " + d.password + ". Upload, list, download over explicit TLS:",
		"",
		"  echo hello | " + curl + " --ssl-reqd -T - ftp://" + explicit + "/hello.txt",
		"  " + curl + " --ssl-reqd ftp://" + explicit + "/",
		"  " + curl + " --ssl-reqd ftp://" + explicit + "/hello.txt",
		"",
		"The same over implicit TLS:",
		"",
		"  " + curl + " ftps://" + implicit + "/",
		"",
		"With lftp:",
		"",
		"  " + lftp + " ftp://" + explicit,
		"  " + lftp + " ftps://" + implicit,
		"",
		"Stop with Ctrl-C.",
		"",
	}
	return strings.Join(lines, "\n")
}
