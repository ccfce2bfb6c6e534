package benchmarks

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// A subject is a proxy that is measured.
type subject struct {
	name      string
	address   netip.AddrPort
	user      string
	password  string
	authority string // the file of the authority that vouches for it
	drops     bool   // it may drop sessions that begin at once
	process   *machine.Process
}

// subjects starts both proxies in front of one server.
func subjects(b *testing.B) ([]*subject, *servers.Server) {
	b.Helper()
	server := servers.Start(b, servers.VSFTPD, servers.Options{})
	pki := machine.NewPKI(b)
	all := []*subject{startFTPSProxy(b, server, pki), startModProxy(b, server, pki)}
	for _, s := range all {
		s.user, s.password, s.authority = server.User, server.Password, pki.CA
		if err := s.process.Await(s.accepts); err != nil {
			b.Fatal(err)
		}
	}
	return all, server
}

func (s *subject) accepts() error {
	conn, err := net.Dial("tcp", s.address.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}

// startFTPSProxy builds the program as users get it, without the race detector,
// and starts it.
func startFTPSProxy(b *testing.B, server *servers.Server, pki machine.PKI) *subject {
	b.Helper()
	dir, ports := b.TempDir(), machine.Ports(b)
	binary := filepath.Join(dir, "ftpsproxy")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/ftpsproxy/ftpsproxy/cmd/ftpsproxy").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	s := &subject{name: "ftpsproxy", address: netip.AddrPortFrom(server.Addr.Addr(), ports.First)}
	config := filepath.Join(dir, "ftpsproxy.hcl")
	write(b, config, fmt.Sprintf(`
listener "ftp" {
  address     = %q
  upstream    = "real"
  certificate = "main"
  passive { ports = "%d-%d" }
}
upstream "real" { address = %q }
certificate "main" {
  files {
    cert = %q
    key  = %q
  }
}
storage { dir = %q }
log { level = "warn" }
`, s.address, ports.First+1, ports.Last, server.Addr, pki.Cert, pki.Key, filepath.Join(dir, "storage")))
	program := machine.Program{Path: binary, Root: "/"}
	// The benchmark's context ends before its cleanups run.
	s.process = machine.Start(b, s.name, program.Command(context.Background(), "run", "--config", config))
	return s
}

// startModProxy starts ProFTPD as a reverse proxy, with settings as close as it has
// them. Its processes keep their user: benchmarks measure, they do not defend.
func startModProxy(b *testing.B, server *servers.Server, pki machine.PKI) *subject {
	b.Helper()
	program := machine.Find(b, "proftpd-core+proftpd-mod-crypto+proftpd-mod-proxy", "proftpd")
	dir, ports := b.TempDir(), machine.Ports(b)
	s := &subject{name: "mod_proxy", drops: true, address: netip.AddrPortFrom(server.Addr.Addr(), ports.First)}
	config := filepath.Join(dir, "proftpd.conf")
	write(b, config, fmt.Sprintf(`ModulePath %[1]s
LoadModule mod_tls.c
LoadModule mod_proxy.c
ServerName "FTP"
ServerType standalone
DefaultAddress %[2]s
Port %[3]d
User root
Group root
ControlsEngine off
UseReverseDNS off
DelayEngine off
MaxInstances none
PidFile %[4]s/pid
ScoreboardFile %[4]s/scoreboard
SystemLog %[4]s/log
TransferLog none
WtmpLog off
PassivePorts %[5]d %[6]d
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile %[7]s
TLSECCertificateKeyFile %[8]s
TLSSessionTickets on
TLSRenegotiate none
ProxyEngine on
ProxyRole reverse
ProxyTables %[4]s/proxy
ProxyReverseServers ftp://%[9]s
ProxyTLSEngine off
`, filepath.Join(program.Root, "usr/lib/proftpd"), s.address.Addr(), s.address.Port(), dir,
		ports.First+1, ports.Last, pki.Cert, pki.Key, server.Addr))
	if err := os.Mkdir(filepath.Join(dir, "proxy"), 0o700); err != nil {
		b.Fatal(err)
	}
	s.process = machine.Start(b, s.name, program.Command(context.Background(), "--nodaemon", "--config", config))
	b.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(dir, "log")); b.Failed() && err == nil {
			b.Logf("own log of %s:\n%s", s.name, log)
		}
	})
	return s
}

func write(b *testing.B, path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// used is the CPU time that the proxy has used so far: that of every process of its
// group, and of those that have ended and that the group has waited for.
func (s *subject) used(b *testing.B) time.Duration {
	b.Helper()
	ticks := 0
	for _, pid := range s.group(b) {
		for _, field := range statFields(pid, 13, 17) { // utime, stime, cutime, cstime
			n, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			ticks += n
		}
	}
	const ticksPerSecond = 100 // Linux tells user space so on every architecture
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// memory is the proportional set size of the group in bytes.
func (s *subject) memory(b *testing.B) int {
	b.Helper()
	sum := 0
	for _, pid := range s.group(b) {
		text, err := os.ReadFile(filepath.Join("/proc", pid, "smaps_rollup"))
		if err != nil {
			continue // it has ended meanwhile
		}
		for line := range strings.Lines(string(text)) {
			var kib int
			if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kib); n == 1 {
				sum += kib << 10
			}
		}
	}
	return sum
}

// group lists the processes of the proxy's group.
func (s *subject) group(b *testing.B) []string {
	b.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		b.Fatal(err)
	}
	var pids []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if group, err := syscall.Getpgid(pid); err == nil && group == s.process.PID() {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// statFields returns fields of /proc/PID/stat, counted from 0; none when the process
// has ended.
func statFields(pid string, from, to int) []string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil
	}
	// The name, field 1, may hold blanks and brackets.
	_, rest, ok := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < to-2 {
		return nil
	}
	return fields[from-2 : to-2]
}
