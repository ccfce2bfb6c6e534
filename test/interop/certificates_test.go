package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/machine"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// TestACME follows a proxy whose authority is down when it starts, comes back,
// and is asked for another certificate by hand; and one that starts again.
func TestACME(t *testing.T) {
	t.Parallel()
	port := machine.Ports(t).First
	a := newAuthority(t, port, port)
	a.down.Store(true)
	server := servers.Start(t, servers.Pyftpdlib, servers.Options{})
	f := front{server: server, address: loopbacks()[0], storage: t.TempDir(), acme: fmt.Sprintf(`acme {
    names   = ["127.0.0.1", "ftp.example.com"]
    email   = "ops@example.com"
    ca      = %q
    ca_root = %q
    address = "127.0.0.1:%d"
  }`, a.directory, a.house.CA, port)}
	p := startProxy(t, f)
	p.awaitLog(t, `"certificate not obtained"`, 2)
	wantNoCertificateYet(t, p)

	a.down.Store(false)
	p.hangUp(t)
	p.awaitLog(t, `"certificate served"`, 2)
	p.awaitLog(t, "configuration reloaded", 1) // the listeners follow the order
	for _, client := range []clients.Client{clients.NewCurl(t), clients.NewLFTP(t), clients.NewFtplib(t)} {
		for _, way := range []clients.TLS{clients.Explicit, clients.Implicit} {
			target := p.target(way)
			target.CA = a.root
			doEverything(t, server, client, target)
			if client.Name() != "lftp" { // which would have to find the name in the DNS
				target.Host = "ftp.example.com"
				doOneThing(t, client, target)
			}
		}
	}
	wantNamesAndProtocols(t, p, a.root)

	before := shownCertificate(t, p.implicit.String())
	said, err := program(t).Command(t.Context(), "certificates", "obtain", "127.0.0.1", "--config", p.file).CombinedOutput()
	for _, step := range []string{"is taken: the process there has to answer", "placing an order", "proving control of 127.0.0.1 by http-01", "certificate received"} {
		if err != nil || !strings.Contains(string(said), step) {
			t.Errorf("obtain has no step %q: %v\n%s", step, err, said)
		}
	}
	p.hangUp(t)
	p.awaitLog(t, "configuration reloaded", 2)
	if bytes.Equal(before, shownCertificate(t, p.implicit.String())) {
		t.Error("the certificate that was obtained is not shown")
	}
	list, err := program(t).Command(t.Context(), "certificates", "--config", p.file).CombinedOutput()
	if err != nil || strings.Count(string(list), "acme 127.0.0.1, http-01") != 2 || !strings.Contains(string(list), "Pebble Intermediate") {
		t.Errorf("certificates: %v\n%s", err, list)
	}
	if n := a.orders.Load(); n != 3 {
		t.Errorf("%d orders, want one for each name and one by hand", n)
	}

	// Another start orders nothing and waits for nobody.
	a.down.Store(true)
	p.stop(t)
	again := startProxy(t, f)
	if target := again.target(clients.Explicit); true {
		target.CA = a.root
		doEverything(t, server, clients.NewLFTP(t), target)
	}
	if n := a.orders.Load(); n != 3 {
		t.Errorf("%d orders after another start", n)
	}
}

// doOneThing has the client list a folder, in a session of its own.
func doOneThing(t *testing.T, client clients.Client, target clients.Target) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sessionTime)
	defer cancel()
	if _, err := client.Run(ctx, target, []clients.Step{{Op: clients.NameList, Local: filepath.Join(t.TempDir(), "list")}}); err != nil {
		t.Error(err)
	}
}

// TestServerNameIndication has lftp, on GnuTLS, ask for a name.
func TestServerNameIndication(t *testing.T) {
	t.Parallel()
	server := servers.Start(t, servers.Pyftpdlib, servers.Options{})
	pki := machine.NewPKI(t)
	p := startProxy(t, front{server: server, address: loopbacks()[0], pki: &pki})
	for _, way := range []clients.TLS{clients.Explicit, clients.Implicit} {
		target := p.target(way)
		target.Host = "localhost"
		doOneThing(t, clients.NewLFTP(t), target)
	}
	p.settled(t)
}

// TestACMEOnTheImplicitListener has the implicit listener, to which port 443 is
// forwarded, answer tls-alpn-01 while it has no certificate.
func TestACMEOnTheImplicitListener(t *testing.T) {
	t.Parallel()
	port := machine.Ports(t).First
	a := newAuthority(t, port, port)
	server := servers.Start(t, servers.Pyftpdlib, servers.Options{})
	p := startProxy(t, front{server: server, address: loopbacks()[0], implicitPort: port, acme: fmt.Sprintf(`acme {
    names     = ["127.0.0.1"]
    ca        = %q
    ca_root   = %q
    challenge = "tls-alpn-01"
    address   = ""
  }`, a.directory, a.house.CA)})
	p.awaitLog(t, `"certificate served"`, 1)
	p.awaitLog(t, `"ACME challenge answered"`, 3)
	p.atRest(t) // at the start it was busy with its order
	target := p.target(clients.Implicit)
	target.CA = a.root
	doEverything(t, server, clients.NewLFTP(t), target)
	p.settled(t)
}

// wantNoCertificateYet: AUTH TLS is answered 431, and an implicit listener ends
// the handshake with an alert instead of a broken connection.
func wantNoCertificateYet(t *testing.T, p *proxy) {
	t.Helper()
	conn, err := net.Dial("tcp", p.explicit.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "AUTH TLS\r\nQUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(said), "\n431 ") {
		t.Errorf("AUTH TLS: %q, %v", said, err)
	}
	_, err = tls.Dial("tcp", p.implicit.String(), &tls.Config{InsecureSkipVerify: true})
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "remote error" {
		t.Errorf("implicit TLS: %v, want an alert", err)
	}
}

// wantNamesAndProtocols asks with openssl for names, for none, and for all the
// application protocols that clients offer.
func wantNamesAndProtocols(t *testing.T, p *proxy, root string) {
	t.Helper()
	openssl := machine.Find(t, "openssl", "openssl")
	for _, name := range [][]string{
		{"-servername", "ftp.example.com", "-verify_hostname", "ftp.example.com"},
		{"-servername", "other.example.com", "-verify_ip", "127.0.0.1"},
		{"-noservername", "-verify_ip", "127.0.0.1"},
	} {
		for _, protocol := range [][2]string{
			{"", "No ALPN negotiated"},
			{"ftp", "ALPN protocol: ftp"},
			{"x-filezilla-ftp,ftp", "ALPN protocol: ftp"},
			{"http/1.1", "No ALPN negotiated"},
		} {
			for _, way := range [][]string{{"-connect", p.explicit.String(), "-starttls", "ftp"}, {"-connect", p.implicit.String()}} {
				args := append(append([]string{"s_client", "-CAfile", root, "-verify_return_error"}, way...), name...)
				if protocol[0] != "" {
					args = append(args, "-alpn", protocol[0])
				}
				cmd := openssl.Command(t.Context(), args...)
				cmd.Stdin = strings.NewReader("QUIT\n")
				said, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(said), "Verify return code: 0 (ok)") || !strings.Contains(string(said), protocol[1]) {
					t.Errorf("%q: %v\n%s", args, err, said)
				}
			}
		}
	}
}

// TestClientCertificates has real clients log in with certificates, on listeners
// that want USER to be the name in it, and that take the name for the login.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	server := servers.Start(t, servers.VSFTPD, servers.Options{})
	pki := machine.NewPKI(t)
	house := machine.NewHouse(t)
	cert, key := house.Issue(t, server.User)
	stranger, strangerKey := machine.NewHouse(t).Issue(t, server.User)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(server.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for login, more := range map[string]string{
		"match": "", "only": fmt.Sprintf("login = \"only\"\n login_password = file(%q)", password),
	} {
		p := startProxy(t, front{server: server, address: loopbacks()[0], pki: &pki, tls: fmt.Sprintf("client_certificates {\n ca = %q\n %s\n }", house.CA, more)})
		for _, client := range []clients.Client{clients.NewCurl(t), clients.NewLFTP(t), clients.NewFtplib(t)} {
			for _, way := range []clients.TLS{clients.Explicit, clients.Implicit} {
				target := p.target(way)
				if login == "only" {
					target.User, target.Password = "whoever", "whatever"
				}
				for name, shown := range map[string][2]string{"none": {}, "a stranger's": {stranger, strangerKey}} {
					target.Cert, target.Key = shown[0], shown[1]
					ctx, cancel := context.WithTimeout(t.Context(), sessionTime)
					steps := []clients.Step{{Op: clients.NameList, Local: filepath.Join(t.TempDir(), "list")}}
					if said, err := client.Run(ctx, target, steps); err == nil {
						t.Errorf("%s, %s, %s: a client with certificate %s works\n%s", login, client.Name(), way, name, said)
					}
					cancel()
				}
				target.Cert, target.Key = cert, key
				doEverything(t, server, client, target)
				if login == "match" {
					target.User = "somebody-else"
					if said, err := client.Run(t.Context(), target, []clients.Step{{Op: clients.NameList, Local: filepath.Join(t.TempDir(), "list")}}); err == nil {
						t.Errorf("%s logs in as somebody else\n%s", client.Name(), said)
					}
				}
			}
		}
		p.settled(t)
	}
}

// TestCertificateReplacedDuringATransfer: the transfer goes on, and the next
// client is shown the new one.
func TestCertificateReplacedDuringATransfer(t *testing.T) {
	t.Parallel()
	server := servers.Start(t, servers.Pyftpdlib, servers.Options{})
	pki, renewed := machine.NewPKI(t), machine.NewPKI(t)
	p := startProxy(t, front{server: server, address: loopbacks()[0], pki: &pki})
	first := shownCertificate(t, p.implicit.String())

	content := noise(31, 4<<20)
	read, write := io.Pipe()
	ended := make(chan error, 1)
	target := p.target(clients.Explicit)
	// curl reads its authority at the start of the session.
	authority := filepath.Join(t.TempDir(), "ca.pem")
	copyFile(t, pki.CA, authority)
	target.CA = authority
	go func() { ended <- clients.NewCurl(t).UploadFrom(t.Context(), target, "up.bin", read) }()
	if _, err := write.Write(content[:1<<20]); err != nil {
		t.Fatal(err)
	}
	if err := p.process.Await(func() error {
		info, err := os.Stat(server.Path("up.bin"))
		if err == nil && info.Size() == 0 {
			err = errors.New("nothing has arrived")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// As certbot does: one file after the other.
	copyFile(t, renewed.Cert, pki.Cert)
	copyFile(t, renewed.Key, pki.Key)
	p.awaitLog(t, `"certificate replaced"`, 1)
	if bytes.Equal(first, shownCertificate(t, p.implicit.String())) {
		t.Error("the next client is shown the old certificate")
	}
	if _, err := write.Write(content[1<<20:]); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	wantContent(t, server.Path("up.bin"), content)
	p.settled(t)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
