package interop

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// An exercise is one session of a client in which it does all that it can, in a
// folder of the server that is the exercise's own.
type exercise struct {
	t      *testing.T
	server *servers.Server
	client clients.Client
	target clients.Target
	folder string // on the server
	local  string // on the client's side
	steps  []clients.Step
	checks []func()
}

// sessionTime bounds a session. It is only ever reached when something hangs: curl may
// pause for a second in front of each of a thousand data connections.
const sessionTime = 10 * time.Minute

// names are those that programs stumble over.
func names() []string {
	return []string{"name with  blanks", "naïve 日本語 ünï", "-dash", "--help"}
}

// doEverything runs the exercise and checks each file where it ended.
func doEverything(t *testing.T, server *servers.Server, client clients.Client, target clients.Target) {
	t.Helper()
	e := &exercise{t: t, server: server, client: client, target: target, local: t.TempDir()}
	// Without a blank: Pure-FTPd takes LIST's argument for a list of patterns.
	e.folder = fmt.Sprintf("%s-%x", client.Name(), rand.Uint64())
	server.Mkdir(t, e.folder)
	e.uploads()
	e.downloads()
	e.refusals()
	e.changes()
	e.listings()
	e.run()
}

// run does what is planned, and the checks.
func (e *exercise) run() {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), sessionTime)
	defer cancel()
	said, err := e.client.Run(ctx, e.target, e.steps)
	if err != nil {
		e.t.Fatal(err)
	}
	wentThisWay(e.t, e.target, said)
	e.brokeOff(said)
	for _, check := range e.checks {
		check()
	}
}

// brokeOff checks that a download was broken off by ABOR if one was to be. The
// libraries do not show it, and one does not say it.
func (e *exercise) brokeOff(said string) {
	planned := slices.ContainsFunc(e.steps, func(s clients.Step) bool { return s.Op == clients.Abort })
	shows := slices.Contains([]string{"curl", "lftp", "openssl"}, e.client.Name())
	if planned && shows && !strings.Contains(said, "ABOR") {
		e.t.Errorf("ABOR was not sent:\n%s", said)
	}
}

// wentThisWay checks that the session was held as the target says: a client with
// a wrong setting would do all its work on another way.
func wentThisWay(t *testing.T, target clients.Target, said string) {
	t.Helper()
	// Each client has its own mark before a command; a FEAT list has blanks.
	spoken := func(command string) bool {
		return regexp.MustCompile(`(?m)^(> |---> |\*cmd\* ')?(` + command + `)\b`).MatchString(said)
	}
	if got, want := spoken("AUTH (TLS|SSL)"), target.TLS == clients.Explicit; got != want {
		t.Errorf("AUTH was sent: %t, want %t", got, want)
	}
	if got, want := spoken("PROT P"), target.TLS != clients.Plain && !target.Clear; got != want {
		t.Errorf("PROT P was sent: %t, want %t", got, want)
	}
	if got, want := spoken("EPSV|PASV"), !target.Active; got != want {
		t.Errorf("EPSV or PASV was sent: %t, want %t", got, want)
	}
	if got, want := spoken("EPRT|PORT"), target.Active; got != want {
		t.Errorf("EPRT or PORT was sent: %t, want %t", got, want)
	}
	if t.Failed() {
		t.Log(said)
	}
}

// uploads plans all that goes to the server.
func (e *exercise) uploads() {
	whole, tail := noise(1, 300_007), noise(2, 70_001)
	e.upload("up.bin", whole)
	e.upload("empty.bin", nil)
	for i, name := range names() {
		e.upload(name, noise(uint64(10+i), 1000))
	}
	// A dash as the first byte of the argument: not in the exercise's folder.
	dash := "-" + e.folder
	e.step(clients.Step{Op: clients.Upload, Local: e.write("dash", tail), Remote: dash})
	e.wantFile(e.server.Path(dash), tail)

	e.server.Put(e.t, e.remote("append.bin"), string(whole))
	if e.step(clients.Step{Op: clients.Append, Local: e.write("tail", tail), Remote: e.remote("append.bin")}) {
		e.wantFile(e.server.Path(e.remote("append.bin")), append(bytes.Clone(whole), tail...))
	}
	const had = 123_457
	e.server.Put(e.t, e.remote("resumed.bin"), string(whole[:had]))
	if e.step(clients.Step{Op: clients.ResumeUpload, Local: e.write("whole", whole), Remote: e.remote("resumed.bin"), Offset: had}) {
		e.wantFile(e.server.Path(e.remote("resumed.bin")), whole)
	}
}

func (e *exercise) upload(name string, content []byte) {
	e.step(clients.Step{Op: clients.Upload, Local: e.write("upload of "+name, content), Remote: e.remote(name)})
	e.wantFile(e.server.Path(e.remote(name)), content)
}

// downloads plans all that comes from the server.
func (e *exercise) downloads() {
	whole := noise(3, 300_011)
	e.download("down.bin", whole)
	e.download("nothing.bin", nil)
	for i, name := range names() {
		e.download("get "+name, noise(uint64(20+i), 1000))
	}
	const had = 200_003
	local := e.write("resumed download", whole[:had])
	if e.step(clients.Step{Op: clients.ResumeDownload, Local: local, Remote: e.remote("down.bin"), Offset: had}) {
		e.wantFile(local, whole)
	}
}

func (e *exercise) download(name string, content []byte) {
	e.server.Put(e.t, e.remote(name), string(content))
	local := filepath.Join(e.local, "download of "+name)
	e.step(clients.Step{Op: clients.Download, Local: local, Remote: e.remote(name)})
	e.wantFile(local, content)
}

// refusals plans what must not succeed, and must leave the session in step: the
// steps that follow would get the wrong replies.
func (e *exercise) refusals() {
	e.step(clients.Step{Op: clients.Refused, Local: filepath.Join(e.local, "missing"), Remote: e.remote("missing")})
	// More than the buffers between server and client can take in.
	e.server.Put(e.t, e.remote("long.bin"), "")
	if err := os.Truncate(e.server.Path(e.remote("long.bin")), 64<<20); err != nil {
		e.t.Fatal(err)
	}
	e.step(clients.Step{Op: clients.Abort, Local: filepath.Join(e.local, "beginning"), Remote: e.remote("long.bin")})
	e.download("after abort.bin", noise(6, 50_021))
}

// changes plans all that needs no data connection.
func (e *exercise) changes() {
	content := noise(4, 100)
	for _, name := range []string{"old name", "doomed"} {
		e.server.Put(e.t, e.remote(name), string(content))
	}
	e.server.Mkdir(e.t, e.remote("doomed folder"))
	if e.step(clients.Step{Op: clients.Rename, Remote: e.remote("old name"), To: e.remote("new name")}) {
		e.wantFile(e.server.Path(e.remote("new name")), content)
		e.wantNothing("old name")
	}
	if e.step(clients.Step{Op: clients.Delete, Remote: e.remote("doomed")}) {
		e.wantNothing("doomed")
	}
	if e.step(clients.Step{Op: clients.Rmdir, Remote: e.remote("doomed folder")}) {
		e.wantNothing("doomed folder")
	}
	if e.step(clients.Step{Op: clients.Mkdir, Remote: e.remote("made folder")}) {
		e.checks = append(e.checks, func() {
			if info, err := os.Stat(e.server.Path(e.remote("made folder"))); err != nil || !info.IsDir() {
				e.t.Errorf("after mkdir: %v", err)
			}
		})
	}
}

// listings plans a listing of each kind of a folder whose entries are known.
func (e *exercise) listings() {
	e.server.Mkdir(e.t, e.remote("list"))
	e.server.Mkdir(e.t, e.remote("list/folder"))
	e.server.Mkdir(e.t, e.remote("void"))
	e.server.Put(e.t, e.remote("list/one file"), "1")
	e.server.Put(e.t, e.remote("list/zwölf.txt"), "12")
	for _, op := range []clients.Op{clients.List, clients.NameList, clients.MachineList} {
		local := filepath.Join(e.local, "listing by "+string(op))
		if e.step(clients.Step{Op: op, Local: local, Remote: e.remote("list")}) {
			e.wantListed(local, "folder", "one file", "zwölf.txt")
		}
	}
	// A listing of nothing is a transfer of nothing.
	e.step(clients.Step{Op: clients.List, Local: filepath.Join(e.local, "void"), Remote: e.remote("void")})
}

// step plans a step unless the client or the server cannot do it.
func (e *exercise) step(s clients.Step) bool {
	if clients.CannotDo(e.client, e.target, s.Op) != "" || e.serverCannot(s.Op) != "" {
		return false
	}
	e.steps = append(e.steps, s)
	return true
}

func (e *exercise) remote(name string) string { return e.folder + "/" + name }

// write creates a file on the client's side.
func (e *exercise) write(name string, content []byte) string {
	e.t.Helper()
	path := filepath.Join(e.local, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		e.t.Fatal(err)
	}
	return path
}

func (e *exercise) wantFile(path string, want []byte) {
	e.checks = append(e.checks, func() { wantContent(e.t, path, want) })
}

func (e *exercise) wantNothing(name string) {
	e.checks = append(e.checks, func() {
		if _, err := os.Lstat(e.server.Path(e.remote(name))); !os.IsNotExist(err) {
			e.t.Errorf("%q is still there (%v)", name, err)
		}
	})
}

func (e *exercise) wantListed(path string, names ...string) {
	e.checks = append(e.checks, func() {
		got, err := os.ReadFile(path)
		if err != nil {
			e.t.Error(err)
		}
		for _, name := range names {
			if !strings.Contains(string(got), name) {
				e.t.Errorf("%s lacks %q:\n%s", filepath.Base(path), name, got)
			}
		}
	})
}

// noise is n bytes, the same for the same seed, in which every byte occurs that
// a text mode or a Telnet layer would touch.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}
