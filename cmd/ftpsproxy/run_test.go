package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

// clearConfig is a listener without TLS, which keeps the tests of everything
// else short.
func clearConfig(upstream, extra string) string {
	return `
listener "ftp" {
  address  = "127.0.0.1:0"
  upstream = "behind"
  greeting = "first"
  tls { mode = "off" }
}
upstream "behind" { address = "` + upstream + `" }
` + extra
}

// nobody is an upstream that no test contacts.
const nobody = "127.0.0.1:1"

func greeting(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestRunAnnouncesServesAndStops(t *testing.T) {
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "run", "--config", file(t, "f.hcl", clearConfig(nobody, "")))
			address := p.address("ftp")
			if got := greeting(t, address); got != "220 first" {
				t.Errorf("greeting %q", got)
			}
			p.signal(signal)
			r := p.wait()
			if r.status != 0 || r.stdout != "listening ftp "+address+"\n" {
				t.Errorf("status %d, standard output %q", r.status, r.stdout)
			}
			if !strings.Contains(r.stderr, `"msg":"listening","listener":"ftp","address":"`+address+`"`) {
				t.Errorf("the log does not hold the listener:\n%s", r.stderr)
			}
		})
	}
}

func TestWarningsAreShownAndItRuns(t *testing.T) {
	p := start(t, "run", "--config", file(t, "f.hcl", clearConfig(nobody, `upstream "spare" { address = "127.0.0.1:2" }`)))
	p.address("ftp")
	if r := p.stop(); !strings.Contains(r.stderr, "Warning: Unused upstream") {
		t.Errorf("no warning:\n%s", r.stderr)
	}
}

// Nobody may read what was printed at the start; the log is kept.
func TestUnverifiedUpstreamIsLoggedAtTheStartAndAtAReload(t *testing.T) {
	config := file(t, "f.hcl", strings.Replace(clearConfig(nobody, ""), `{ address = "`+nobody+`" }`, `{
  address = "`+nobody+`"
  tls {
    mode   = "explicit"
    verify = false
  }
}`, 1))
	p := start(t, "run", "--config", config)
	p.address("ftp")
	const warning = `"msg":"the upstream's certificate is not verified (verify = false)","upstream":"behind"`
	p.stderr.await(t, warning)
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, warning)
	p.stop()
}

// oneSentence: what stops the program at its start is said in one line, without
// a page of usage.
func oneSentence(t *testing.T, r result, words ...string) {
	t.Helper()
	if r.status != 1 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("status %d, standard output %q, want status 1 and one line:\n%s", r.status, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("%q is missing in: %s", word, r.stderr)
		}
	}
}

// taken returns an address at which somebody else listens.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestTakenPortIsOneSentence(t *testing.T) {
	address := taken(t)
	r := execute(t, "run", "--to", nobody, "--from", address, "--storage", t.TempDir())
	oneSentence(t, r, "ftp", address, "address already in use")
}

func TestUnreadableFilesAreOneSentence(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.hcl")
	for _, command := range []string{"run", "check"} {
		r := execute(t, command, "--config", missing)
		if r.status != 1 || !strings.Contains(r.stderr, missing) || strings.Count(strings.TrimSpace(r.stderr), "\n") != 0 {
			t.Errorf("%s: status %d, want status 1 and one line:\n%s", command, r.status, r.stderr)
		}
	}
	log := filepath.Join(t.TempDir(), "missing", "ftp.log")
	config := `
listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "behind"
  certificate = "main"
}
upstream "behind" { address = "127.0.0.1:1" }
certificate "main" {
  self_signed {}
}
storage { dir = "state" }
log { output = "` + log + `" }
`
	oneSentence(t, execute(t, "run", "--config", file(t, "f.hcl", config)), log)
}

func TestWrongFlagsAreOneSentence(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing to do":       {"run"},
		"both ways":           {"run", "--config", "f.hcl", "--to", nobody},
		"quick flag and file": {"run", "--config", "f.hcl", "--name", "ftp.example.com"},
		"bad upstream":        {"run", "--to", "10.0.0.5"},
		"unknown flag":        {"run", "--conf", "f.hcl"},
		"unknown command":     {"serve"},
		"unknown subcommand":  {"policy", "tset"},
		"no subcommand":       {"policy"},
		"stray argument":      {"version", "now"},
		"check without file":  {"check"},
	} {
		t.Run(name, func(t *testing.T) { oneSentence(t, execute(t, args...)) })
	}
}

func TestMistakesEndRunWithTheirDiagnostics(t *testing.T) {
	config := file(t, "f.hcl", strings.Replace(clearConfig(nobody, ""), `"off"`, `"offf"`, 1))
	r := execute(t, "run", "--config", config)
	if r.status != 1 || r.stdout != "" || !strings.Contains(r.stderr, config+" line 6") || !strings.Contains(r.stderr, `Did you mean "off"?`) {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
	if strings.Contains(r.stderr, "Usage") || strings.Contains(r.stderr, "\x1b") {
		t.Errorf("usage or colour in\n%s", r.stderr)
	}
}

func TestHangupReloadsACleanFile(t *testing.T) {
	path := file(t, "f.hcl", clearConfig(nobody, ""))
	p := start(t, "run", "--config", path)
	address := p.address("ftp")
	rewrite(t, path, strings.Replace(clearConfig(nobody, ""), "first", "second", 1))
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "configuration reloaded")
	if got := greeting(t, address); got != "220 second" {
		t.Errorf("greeting %q after the reload", got)
	}
	p.stop()
}

func TestHangupKeepsWhatWorks(t *testing.T) {
	for name, test := range map[string]struct{ config, want string }{
		"mistake in the file": {strings.Replace(clearConfig(nobody, ""), `"off"`, `"offf"`, 1), "Unknown value"},
		"listener moved":      {strings.Replace(clearConfig(nobody, ""), "127.0.0.1:0", "127.0.0.2:0", 1), "reload:"},
		"listener added": {clearConfig(nobody, `
listener "more" {
  address  = "127.0.0.1:0"
  upstream = "behind"
  tls { mode = "off" }
}`), "reload:"},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, "f.hcl", clearConfig(nobody, ""))
			p := start(t, "run", "--config", path)
			address := p.address("ftp")
			rewrite(t, path, strings.Replace(test.config, "first", "second", 1))
			p.signal(syscall.SIGHUP)
			p.stderr.await(t, test.want)
			p.stderr.await(t, "configuration not reloaded")
			if got := greeting(t, address); got != "220 first" {
				t.Errorf("greeting %q, want the one that worked", got)
			}
			p.stop()
		})
	}
}

// The log is one thing, what is served another: nobody may take the old policy for
// the one in force because a log file cannot be opened.
func TestHangupSaysThatOnlyTheLogStays(t *testing.T) {
	path := file(t, "f.hcl", clearConfig(nobody, ""))
	p := start(t, "run", "--config", path)
	address := p.address("ftp")
	for _, test := range []struct{ log, want string }{
		{`log { output = "/nowhere/ftp.log" }`, "the log cannot be written"},
		{`log { format = "console" }`, "the log format changes at the next start only"},
	} {
		rewrite(t, path, strings.Replace(clearConfig(nobody, test.log), "first", "second", 1))
		p.signal(syscall.SIGHUP)
		p.stderr.await(t, "configuration reloaded")
		p.stderr.await(t, test.want)
		p.stderr.await(t, "log not changed")
		if got := greeting(t, address); got != "220 second" {
			t.Errorf("greeting %q after the reload", got)
		}
	}
	p.stop()
}

func TestHangupReopensTheLogAlsoWithABrokenFile(t *testing.T) {
	log := filepath.Join(t.TempDir(), "ftp.log")
	config := clearConfig(nobody, `log { output = "`+log+`" }`)
	path := file(t, "f.hcl", config)
	p := start(t, "run", "--config", path)
	p.address("ftp")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	rewrite(t, path, "listener {")
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "Error:")
	p.stop()
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "configuration not reloaded") {
		t.Errorf("new log file: %v\n%s", err, text)
	}
}

// upload is a transfer that runs until the test ends it.
type upload struct {
	body  *io.PipeWriter
	ended chan error
	conn  *ftp.ServerConn
}

// startUpload returns when the file's first bytes are on their way.
func startUpload(t *testing.T, address, password string) upload {
	t.Helper()
	conn, err := ftp.Dial(address, ftp.DialWithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Login(demoUser, password); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	u := upload{body: w, ended: make(chan error, 1), conn: conn}
	go u.run(r)
	if _, err := io.WriteString(w, "begun "); err != nil {
		t.Fatal(err)
	}
	return u
}

func (u upload) run(r io.Reader) { u.ended <- u.conn.Stor("upload.txt", r) }

// awaitDrain returns when nobody is accepted any more.
func awaitDrain(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatal("the listener stays open")
}

// behind starts an upstream and the program in front of it, with an upload that
// runs.
func behind(t *testing.T) (*program, upload, string) {
	t.Helper()
	folder := t.TempDir()
	l, err := startDemoUpstream(folder, "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := start(t, "run", "--config", file(t, "f.hcl", clearConfig(l.Addr().String(), "")))
	address := p.address("ftp")
	u := startUpload(t, address, "secret")
	p.signal(syscall.SIGTERM)
	awaitDrain(t, address)
	return p, u, folder
}

func TestDrainLetsATransferFinish(t *testing.T) {
	p, u, folder := behind(t)
	if _, err := io.WriteString(u.body, "and ended"); err != nil {
		t.Fatal(err)
	}
	u.body.Close()
	if err := <-u.ended; err != nil {
		t.Errorf("upload: %v", err)
	}
	if r := p.wait(); r.status != 0 {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
	text, err := os.ReadFile(filepath.Join(folder, "upload.txt"))
	if err != nil || string(text) != "begun and ended" {
		t.Errorf("the upstream has %q (%v)", text, err)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	p, u, _ := behind(t)
	p.signal(syscall.SIGTERM)
	r := p.wait()
	if r.status != 1 || !strings.Contains(r.stderr, errCut.Error()) {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
	u.body.Close()
	if err := <-u.ended; err == nil {
		t.Error("an upload that was cut off is reported as complete")
	}
}

// shown returns the certificate that a new session is shown.
func shown(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "AUTH TLS\r\n"); err != nil {
		t.Fatal(err)
	}
	if reply, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(reply, "234") {
		t.Fatalf("AUTH TLS: %q, %v", reply, err)
	}
	// Nobody vouches for the certificates of these tests; what counts is which
	// one is shown.
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0]
}

func TestRunWithoutAFileShowsACertificateForTheName(t *testing.T) {
	storage := filepath.Join(t.TempDir(), "state")
	p := start(t, "run", "--to", nobody, "--from", "127.0.0.1:0", "--name", "ftp.example.com", "--storage", storage)
	if err := shown(t, p.address("ftp")).VerifyHostname("ftp.example.com"); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(storage)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("storage: %v, %v; want mode 0700", info, err)
	}
	p.stop()
}

// renew writes a new certificate and key as cert.pem and key.pem.
func renew(t *testing.T, dir string) {
	t.Helper()
	renewUntil(t, dir, time.Now().Add(24*time.Hour))
}

func renewUntil(t *testing.T, dir string, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"ftp.example.com"},
		NotBefore:    end.Add(-25 * time.Hour),
		NotAfter:     end,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	rewrite(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func TestRenewedCertificatesAreShownWithoutARestart(t *testing.T) {
	config := file(t, "f.hcl", `
listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "behind"
  certificate = "main"
}
upstream "behind" { address = "127.0.0.1:1" }
certificate "main" {
  files {
    cert = "cert.pem"
    key  = "key.pem"
  }
}
`)
	dir := filepath.Dir(config)
	renew(t, dir)
	p := start(t, "run", "--config", config)
	address := p.address("ftp")
	first := shown(t, address)

	rewrite(t, filepath.Join(dir, "key.pem"), "not a key")
	p.stderr.await(t, "certificate not replaced")
	if !shown(t, address).Equal(first) {
		t.Error("the certificate in use was given up for an unusable one")
	}

	renew(t, dir)
	p.stderr.await(t, "certificate replaced")
	if shown(t, address).Equal(first) {
		t.Error("the old certificate is still shown")
	}
	p.stop()
}
