package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/configs"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// authority returns the directory of an authority that gets as far as asking for
// a challenge, and the file with its root.
func authority(t *testing.T) (directory, root string) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	validation := va.New(quiet, 0, 0, false, nobody, store)
	front := wfe.New(quiet, store, validation, issuer, nil, false, false, 0, 0)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	root = filepath.Join(t.TempDir(), "root.pem")
	rewrite(t, root, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return server.URL + wfe.DirectoryPath, root
}

// A program that never puts a record into the zone, and never takes one out,
// keeps neither a new configuration nor the end.
func TestHungSolverDelaysNoSignal(t *testing.T) {
	directory, root := authority(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	config := file(t, "f.hcl", strings.Replace(selfSignedConfig, "self_signed {}", fmt.Sprintf(`acme {
    names     = ["ftp.localhost"]
    ca        = %q
    ca_root   = %q
    challenge = "dns-01"
    dns {
      exec { command = ["/bin/sh", "-c", "exec 3>\"$0\"; sleep 1000 & echo \"$1\" >&3; wait", %q] }
    }
  }`, directory, root, pipe), 1))
	p := start(t, "run", "--config", config)
	held, err := os.OpenFile(pipe, os.O_RDWR, 0) // it has no end between two programs
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	expect := func(action string) {
		t.Helper()
		line := make([]byte, len(action))
		if _, err := io.ReadFull(held, line); err != nil || string(line) != action {
			t.Fatalf("the program was asked for %q, %v; want %q", line, err, action)
		}
	}
	expect("present\n")
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "configuration reloaded")
	expect("cleanup\n")
	expect("present\n") // of the new configuration
	p.signal(syscall.SIGTERM)
	expect("cleanup\n")
	if r := p.wait(); r.status != 0 || strings.Count(r.stderr, "the program has been told to stop") != 2 {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
}

// A reload while sessions drain orders nothing any more.
func TestNothingIsOrderedWhileDraining(t *testing.T) {
	acme, err := tlsterm.NewACME(tlsterm.ACMEConfig{
		Names: []string{"ftp.localhost"}, Directory: "https://127.0.0.1:1/directory", Address: "127.0.0.1:0",
	}, tlsterm.ACMEEnvironment{Storage: tlsterm.FileStorage(t.TempDir()), Challenges: &tlsterm.Challenges{}})
	if err != nil {
		t.Fatal(err)
	}
	built := configs.Built{ACME: []configs.Ordered{{Name: "main", ACME: acme}}}
	o := orders{log: zap.NewNop()}
	o.stop()
	if err := o.prepare(t.Context(), built); err != nil {
		t.Fatal(err)
	}
	o.follow(t.Context(), built.ACME)
	if len(o.running) != 0 {
		t.Error("it goes on ordering")
	}
	o.end()
}
