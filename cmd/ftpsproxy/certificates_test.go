package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ftpsproxy/ftpsproxy/configs"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// acmeConfig orders from an authority that does not exist and answers http-01 at
// the address.
func acmeConfig(address string) string {
	return strings.Replace(selfSignedConfig, "self_signed {}", `acme {
    names   = ["ftp.example.com"]
    ca      = "https://127.0.0.1:1/directory"
    address = "`+address+`"
  }`, 1)
}

func TestTakenChallengeAddressIsOneSentence(t *testing.T) {
	address := taken(t)
	r := execute(t, "run", "--config", file(t, "f.hcl", acmeConfig(address)))
	oneSentence(t, r, "http-01 cannot be answered at "+address, "in use")
}

// A new configuration whose challenge cannot be answered changes nothing, and
// what the old one has bound stays bound.
func TestHangupKeepsTheChallengeThatWorks(t *testing.T) {
	held := freeAddress(t)
	config := file(t, "f.hcl", acmeConfig(held))
	p := start(t, "run", "--config", config)
	p.address("ftp")
	p.stderr.await(t, "certificate not obtained")
	for _, address := range []string{taken(t), held} {
		rewrite(t, config, acmeConfig(address))
		p.signal(syscall.SIGHUP)
		if address == held {
			p.stderr.await(t, "configuration reloaded")
		} else {
			p.stderr.await(t, "configuration not reloaded")
		}
		conn, err := net.Dial("tcp", held)
		if err != nil {
			t.Fatal("nobody answers any more: ", err)
		}
		conn.Close()
	}

	// Nor does a configuration that is refused for its listeners leave anything.
	other := freeAddress(t)
	rewrite(t, config, strings.Replace(acmeConfig(other), `"127.0.0.1:0"`, `"127.0.0.2:0"`, 1))
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "a restart is needed")
	if conn, err := net.Dial("tcp", other); err == nil {
		conn.Close()
		t.Error("the refused configuration still answers challenges")
	}
	p.stop()
}

// One address or all of the machine: a reload is enough.
func TestHangupMovesTheChallenge(t *testing.T) {
	one := freeAddress(t)
	all := strings.Replace(one, "127.0.0.1", "0.0.0.0", 1)
	config := file(t, "f.hcl", acmeConfig(one))
	p := start(t, "run", "--config", config)
	p.address("ftp")
	for _, address := range []string{all, strings.TrimPrefix(all, "0.0.0.0"), one} {
		rewrite(t, config, acmeConfig(address))
		p.signal(syscall.SIGHUP)
		p.stderr.await(t, "configuration reloaded")
		conn, err := net.Dial("tcp", strings.Replace(one, "127.0.0.1", "127.0.0.2", 1))
		if err != nil {
			t.Fatalf("nobody answers for %s: %v", address, err)
		}
		conn.Close()
	}
	p.stop()
}

// freeAddress is one at which nobody listens: below the ports that the kernel gives
// away, and those of the other packages' tests.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 5_000+rand.IntN(5_000))
		ln, err := net.Listen("tcp", address)
		if err == nil {
			ln.Close()
			return address
		}
	}
	t.Fatal("no address is free")
	return ""
}

func TestCertificatesAreListedAndNothingWritten(t *testing.T) {
	config := file(t, "f.hcl", acmeConfig(":80"))
	r := execute(t, "certificates", "--config", config)
	if r.status != 0 || !strings.Contains(r.stdout, "ftp.example.com  acme 127.0.0.1, http-01  -") || !strings.Contains(r.stdout, "not obtained yet") {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	entries, err := os.ReadDir(filepath.Dir(config))
	if err != nil || len(entries) != 1 {
		t.Errorf("it left %v (%v)", entries, err)
	}
}

// Authorities choose what stands in a certificate; a terminal must not obey it.
func TestCertificatesAreListedLegibly(t *testing.T) {
	var b strings.Builder
	state := configs.CertificateState{
		Block: "main", Names: []string{"a\x1b[2J", "b"}, Source: "files /\x07.pem", Issuer: "CN=Zoë\nmain  forged\u009b1m", Note: "expired\t",
	}
	if err := writeStates(&b, []configs.CertificateState{state}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if want := "main         a?[2J, b  files /?.pem  -        CN=Zoë?main  forged?1m; expired?  -"; len(lines) != 3 || lines[1] != want {
		t.Errorf("%q", lines)
	}
}

func TestObtainSaysWhatItCannotDo(t *testing.T) {
	for name, test := range map[string]struct{ config, wanted, want string }{
		"unknown":      {acmeConfig("127.0.0.1:0"), "other.example.com", `"other.example.com" is neither a certificate block with acme nor a name in one; known are ftp.example.com, main`},
		"not by ACME":  {selfSignedConfig, "main", "no certificate of this configuration comes from an authority"},
		"no authority": {acmeConfig("127.0.0.1:0"), "main", "ftp.example.com: the authority 127.0.0.1 cannot be reached: "},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, "certificates", "obtain", test.wanted, "--config", file(t, "f.hcl", test.config))
			if r.status != 1 || !strings.Contains(r.stderr, test.want) {
				t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
			}
		})
	}
}

func TestEmailNeedsAName(t *testing.T) {
	r := execute(t, "run", "--to", nobody, "--email", "ops@example.com", "--storage", t.TempDir())
	oneSentence(t, r, "needs a name", "--name")
}

// Hundreds of names that wait do not fill the log.
func TestRemindersAreBounded(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("%d.example.com", i))
	}
	acme, err := tlsterm.NewACME(tlsterm.ACMEConfig{
		Names: names, Directory: "https://ca.example.com/directory", Address: ":80",
	}, tlsterm.ACMEEnvironment{Storage: tlsterm.FileStorage(t.TempDir()), Challenges: &tlsterm.Challenges{}})
	if err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zapcore.WarnLevel)
	o := orders{log: zap.New(core), running: []configs.Ordered{{Name: "main", ACME: acme}}}
	o.look(time.Now())
	lines := logged.All()
	if len(lines) != maxReminders+1 || lines[maxReminders].ContextMap()["certificates"] != int64(80) {
		t.Errorf("%d lines, the last %v", len(lines), lines[len(lines)-1].ContextMap())
	}
}

// Every minute, and not more often, the log says what is being waited for.
func TestWaitingIsRemindedOfEveryMinute(t *testing.T) {
	acme, err := tlsterm.NewACME(tlsterm.ACMEConfig{
		Names: []string{"ftp.example.com"}, Directory: "https://ca.example.com/directory", Address: ":80",
	}, tlsterm.ACMEEnvironment{Storage: tlsterm.FileStorage(t.TempDir()), Challenges: &tlsterm.Challenges{}})
	if err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zapcore.WarnLevel)
	start := time.Now()
	o := orders{log: zap.New(core), reminded: start, running: []configs.Ordered{{Name: "main", ACME: acme}}}
	for at, want := range []int{0, 0, 1, 1, 2} { // every half a minute
		o.look(start.Add(time.Duration(at) * reminder / 2))
		if n := logged.Len(); n != want {
			t.Errorf("after %d half minutes: %d lines, want %d", at, n, want)
		}
	}
	line := logged.All()[0]
	if state := line.ContextMap()["state"]; line.Message != "waiting for a certificate" || state != "a certificate for ftp.example.com from ca.example.com, proven by http-01" {
		t.Errorf("%s %v", line.Message, line.ContextMap())
	}
}
