package conversation_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/test/conversation"
)

// A wire joins each client to an upstream, byte for byte. It is the simplest
// thing that the player can be told the truth about, and lied to.
type wire struct {
	listener *net.TCPListener
	behind   netip.AddrPort
	roots    *x509.CertPool
	// meddle changes what the upstream says, if it is set.
	meddle func([]byte) []byte
	// keep leaves a socket open at the end of a session.
	keep bool
	// twice dials the upstream a second time.
	twice bool
	// stuck, if it is set, holds a goroutine until Stop.
	stuck chan struct{}
	logs  string
	mu    sync.Mutex
	kept  []io.Closer
	// stuckPump is the error of a pump that has met its deadline.
	stuckPump error
	open      sync.WaitGroup
}

// longest is how long one conversation over a wire may take. It is reached only
// when something is broken.
const longest = time.Minute

func (w *wire) start(_ conversation.Settings, behind conversation.Upstream) (conversation.Subject, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.listener, w.behind, w.roots = ln.(*net.TCPListener), behind.Addr, behind.Roots
	w.open.Go(w.serve)
	return w, nil
}

func (w *wire) Addr() netip.AddrPort  { return w.listener.Addr().(*net.TCPAddr).AddrPort() }
func (w *wire) Roots() *x509.CertPool { return w.roots }
func (w *wire) Log() string           { return w.logs }

func (w *wire) Reload(*policy.Policy) error { return errors.New("a wire has no policy") }

func (w *wire) Stop() error {
	err := w.listener.Close()
	if w.stuck != nil {
		close(w.stuck)
	}
	for _, c := range w.kept {
		err = errors.Join(err, c.Close())
	}
	w.open.Wait()
	return errors.Join(err, w.stuckPump)
}

func (w *wire) serve() {
	for {
		client, err := w.listener.AcceptTCP()
		if err != nil {
			return
		}
		w.join(client)
	}
}

func (w *wire) join(client *net.TCPConn) {
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.behind.String())
	if err != nil {
		_ = client.Close()
		return
	}
	up := conn.(*net.TCPConn)
	for _, c := range []*net.TCPConn{client, up} {
		_ = c.SetDeadline(time.Now().Add(longest))
	}
	if w.keep {
		w.leave(net.Listen("tcp", "127.0.0.1:0"))
	}
	if w.twice {
		w.leave(net.Dial("tcp", w.behind.String()))
	}
	if w.stuck != nil {
		w.open.Go(func() { <-w.stuck })
	}
	var both sync.WaitGroup
	both.Go(func() { w.pump(up, client, nil) })
	both.Go(func() { w.pump(client, up, w.meddle) })
	w.open.Go(func() {
		both.Wait()
		_ = client.Close()
		_ = up.Close()
	})
}

// leave keeps a socket that nobody closes before Stop.
func (w *wire) leave(c io.Closer, err error) {
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, c)
}

func (w *wire) pump(to, from *net.TCPConn, meddle func([]byte) []byte) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		w.note(err)
		b := buf[:n]
		if meddle != nil {
			b = meddle(b)
		}
		if _, werr := to.Write(b); errors.Is(err, io.EOF) || werr != nil {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			_ = to.SetLinger(0)
			_ = to.Close()
			return
		}
	}
}

// note keeps the error of a pump that has waited for a peer until its deadline: the
// player owes every peer an end.
func (w *wire) note(err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuckPump = fmt.Errorf("%w: %w", errPump, err)
}

var errPump = errors.New("a pump has waited to its deadline")

// opening connects both sides of a wire.
const opening = "C connects\nU is dialled\nU> 220 Hello.\nC< 220 Hello.\n"

// patience is as long for what must fail as for what must pass: a busy machine
// takes its time over the steps before the one that waits in vain.
const patience = 10 * time.Second

// play runs a script, on top of the opening, and returns what the player says.
func play(w *wire, script string) error { return playUnder(w, "", script) }

// playUnder is play with a line of directives.
func playUnder(w *wire, directives, script string) error {
	files := fstest.MapFS{"play.txt": {Data: []byte("What a wire does.\n" + directives + "\n" + opening + script)}}
	s, err := conversation.ParseFile(files, "play.txt")
	if err != nil {
		return err
	}
	return conversation.Player{Start: w.start, Patience: patience}.Play(s)
}

// A play is a script over a wire of its own, and what the player must say of it:
// "" is nothing.
type playing struct{ name, script, complaint string }

// playWrong plays what the player must complain of. Many of the scripts wait for
// something that does not come: they do so all at once.
func playWrong(t *testing.T, directives string, plays []playing) {
	t.Helper()
	results := make([]chan error, len(plays))
	for i, p := range plays {
		results[i] = make(chan error, 1)
		go func() { results[i] <- playUnder(&wire{}, directives, p.script) }()
	}
	for i, p := range plays {
		t.Run(p.name, func(t *testing.T) { complains(t, <-results[i], p.complaint) })
	}
}

// complains wants the player to have failed with this complaint, and the wire to
// have ended in time.
func complains(t *testing.T, err error, complaint string) {
	t.Helper()
	if err == nil {
		t.Fatal("the player has not noticed")
	}
	said, _, _ := strings.Cut(err.Error(), "\ntranscript")
	if !strings.Contains(said, complaint) || errors.Is(err, errPump) {
		t.Errorf("complaint %q does not contain %q", said, complaint)
	}
}

// What must pass, passes: otherwise the failures below would prove nothing.
func TestPlayerAcceptsWhatIsRight(t *testing.T) {
	for name, script := range map[string]string{
		"nothing more":     "",
		"command":          "C> NOOP\nU< NOOP\nU> 200 Fine.\nC< 200 *\n",
		"raw bytes":        "C>> NO\nC>> OP\\r\\nPWD\\r\\n\nU< NOOP\nU< PWD\n",
		"urgent":           "C!> a\nC> b\nU< b\n",
		"among":            "U>> 211-a\\r\\n B\\r\\n C\\r\\n211 End\\r\\n\nC<+  C\nC<+  B\nC<-  D\nC< 211 End\n",
		"client ends":      "C ends\nU hears the end\nC hears the end\n",
		"data":             "C listens\nC> PORT {address}\nU< PORT {address}\nUD dials\nCD accepts\nUD> hello\nUD ends\nCD< hello\nCD hears the end\n",
		"data by port":     "U listens\nU> 229 (|||{port}|)\nC< 229 (|||*|)\nU> 227 {address}\nC< 227 {address}\nCD dials\nUD accepts\nCD sends 300000 bytes\nUD receives 300000 bytes\nCD resets\nUD hears a reset\n",
		"repetition":       "C> {ab*3}\nU< ababab\n",
		"nothing to hear":  "C has nothing to hear\n",
		"eight-bit":        "C> \\xff\\xfe\\\\\nU< \\xff*\\\\\n",
		"dials in vain":    "U listens nowhere\nU> 227 {address}\nC< 227 {address}\nCD dials in vain\n",
		"second one":       "C ends\nU hears the end\nC hears the end\nC connects\nU is dialled\nU> 220 Again.\nC< 220 Again.\n",
		"closed":           "C listens\nC> {address}\nU< {address}\nUD dials\nCD accepts\nCD resets\nUD is closed\n",
		"upstream's ports": "U listens\nU> ({p1,p2})\nC< ({p1,p2})\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := play(&wire{}, script); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlayerRefusesWhatIsWrong(t *testing.T) {
	const data = "C listens\nC> {address}\nU< {address}\nUD dials\nCD accepts\n"
	playWrong(t, "", []playing{
		{"wrong reply", "U> 550 No.\nC< 200 *\n", `play.txt:8: C< 200 *: heard "550 No."`},
		{"missing reply", "C> NOOP\nU< NOOP\nC< 200 *\n", "play.txt:9: C< 200 *: heard nothing"},
		{"missing command", "U< NOOP\n", "play.txt:7: U< NOOP: heard nothing"},
		{"extra line upstream", "C>> NOOP\\r\\nDELE a\\r\\nPWD\\r\\n\nU< NOOP\nU< PWD\n", `heard "DELE a"`},
		{"unheard command", "C> NOOP\n", `U< QUIT: heard "NOOP"`},
		{"unheard reply", "U> 200 Fine.\n", `C< 221 *: heard "200 Fine."`},
		{"missing end", "C hears the end\n", "C hears the end: heard nothing"},
		{"line in place of the end", "U> 421 Bye.\nC hears the end\n", `heard "421 Bye.`},
		{"end in place of a line", "U ends\nC< 421 *\n", "C< 421 *: heard the end"},
		{"reset in place of the end", "U resets\nC hears the end\n", "heard a reset"},
		{"something to hear", "U>> 200 a\\r\\n200 b\\r\\n\nC< 200 a\nC has nothing to hear\n", `heard "200 b"`},
		{"half a line", "C>> NOOP\nC ends\nU< NOOP\n", `heard "NOOP" and then the end`},
		{"line without CR", "C>> NOOP\\n\nU< NOOP\n", "a line without CRLF"},
		{"case of a verb", "C> noop\nU< NOOP\n", `heard "noop"`},
		{"trailing blank", "C> NOOP\\x20\nU< NOOP\n", `heard "NOOP "`},
		{"line that must be among", "U>> 211-a\\r\\n211 End\\r\\n\nC<+  B\nC< 211 End\n", "line 8, C<+  B, does not hold"},
		{"line that must not be among", "U>> 211-a\\r\\n B\\r\\n211 End\\r\\n\nC<-  B\nC< 211 End\n", "line 8, C<-  B, does not hold"},
		{"among without an end", "C<+ 211\n", "has no C< after it"},
		{"wrong data", data + "UD> hello\nUD ends\nCD< help\n", "byte 3 differs"},
		{"data cut short", data + "UD> hel\nUD ends\nCD< hello\n", "received 3 of 5 bytes"},
		{"too much data", data + "UD> hello\nUD ends\nCD< hell\nCD hears the end\n", `received "o"`},
		{"reset in place of the data's end", data + "UD resets\nCD hears the end\n", "heard a reset"},
		{"end in place of the data's reset", data + "UD ends\nCD hears a reset\n", "heard a clean end"},
		{"data in place of closing", data + "UD> x\nCD is closed\n", `received "x"`},
		{"data connection left open", data, "a data connection is still open"},
		{"data unread at the end", data + "UD> x\nUD ends\nCD ends\n", `received "x"`},
		{"unexpected data connection", "C listens\nC> {address}\nU< {address}\nUD dials\nUD resets\n", "was not expected"},
		{"port that answers", "U listens\nU> {address}\nC< {address}\nCD dials in vain\n", "heard nothing"},
		{"no data connection", "C listens\nCD accepts\n", "no data connection came"},
		{"no handshake", "C starts TLS\n", "play.txt:7: C starts TLS: "},
		{"upstream not dialled", "C ends\nU hears the end\nC hears the end\nU is dialled\n", "nobody dialled"},
		{"upstream left in front of its door", "C ends\nU hears the end\nC hears the end\nC connects\nC ends\nC hears the end\n", "play.txt:12: C hears the end: heard nothing"},
		{"address that is none", "U> 227 (1,2,3,4,5,256)\nC< 227 ({address})\n", `heard "227 (1,2,3,4,5,256)"`},
	})
}

// Over a wire the client's TLS and the upstream's meet, on data connections.
func TestPlayerServesTLS(t *testing.T) {
	const (
		directives = "upstream: tls=explicit\nclient: sni=upstream.example.com\n"
		data       = "C listens\nC> {address}\nU< {address}\nUD dials\nCD accepts\n"
		shake      = "CD starts TLS\nUD starts TLS\n"
		again      = "UD ends\nCD hears the end\n" + data
	)
	for _, p := range []playing{
		{"a file down", data + shake + "UD> hello\nUD ends\nCD< hello\nCD hears the end\n", ""},
		{"a file up", data + shake + "CD> hello\nCD ends\nUD< hello\nUD hears the end\n", ""},
		{"who starts first", data + "UD starts TLS\nCD starts TLS\nUD is in TLS\nCD is in TLS\nUD ends\nCD hears the end\n", ""},
		{"resumption", data + shake + "UD has not resumed TLS\nUD> x\nCD< x\n" + again + shake + "UD resumed TLS\nUD ends\nCD hears the end\n", ""},
		{"no resumption", data + shake + "UD> x\nCD< x\n" + again + "CD starts TLS\nUD starts TLS anew\nUD has not resumed TLS\nUD ends\nCD hears the end\n", ""},
		{"an alert", data + shake + "UD> x\nUD breaks TLS\nCD< x\nCD is closed\n", ""},
		{"somebody else", data + "CD starts TLS\nUD starts TLS as somebody else\nCD fails TLS\nUD is closed\n", ""},
	} {
		t.Run(p.name, func(t *testing.T) {
			if err := playUnder(&wire{}, directives, p.script); err != nil {
				t.Error(err)
			}
		})
	}
	playWrong(t, directives, []playing{
		{"resumption that is missing", data + shake + "UD resumed TLS\n", "UD resumed TLS: the handshake was a full one"},
		{"resumption too much", data + shake + "UD> x\nCD< x\n" + again + shake + "UD has not resumed TLS\n", "UD has not resumed TLS: the session was resumed"},
		{"a missing close_notify", data + shake + "UD> hello\nUD cuts off\nCD< hello\nCD hears the end\n", "heard a FIN without close_notify"},
		{"an alert in place of the end", data + shake + "UD> x\nUD breaks TLS\nCD< x\nCD hears the end\n", "bad record MAC"},
		{"clear text", data + "CD> hello\nUD starts TLS\nUD is in TLS\n", "first record does not look like a TLS handshake"},
		{"no hello", data + "UD starts TLS\nUD is in TLS\n", "deadline exceeded"},
		{"no handshake", data + "UD is in TLS\n", "no handshake has started"},
		{"clear text to U", "C> NOOP\nU starts TLS\n", "first record does not look like a TLS handshake"},
		{"handshake that was to fail", data + shake + "UD fails TLS\n", "the handshake has succeeded"},
	})
}

// Without the directive there is no TLS to speak of.
func TestPlayerWithoutTLS(t *testing.T) {
	complains(t, play(&wire{}, "U starts TLS\n"), "the upstream has no TLS")
}

func TestPlayerFindsLeftovers(t *testing.T) {
	for _, c := range []struct {
		name, complaint string
		wire            *wire
		script          string
	}{
		{"listening port", "descriptors are left after the session", &wire{keep: true}, ""},
		{"goroutine", "goroutines are left after the session", &wire{stuck: make(chan struct{})}, ""},
		{"password in the log", "the log holds the argument of PASS", &wire{logs: "he said hunter2"}, "C> PASS hunter2\nU< PASS hunter2\n"},
		{"missing line in the log", "L<+ *refused*, does not hold", &wire{logs: "all is well"}, "L<+ *refused*\n"},
		{"line in the log too much", "L<- *well*, does not hold", &wire{logs: "one\nall is well\n"}, "L<- *well*\n"},
		{"second upstream connection", "was not expected", &wire{twice: true}, ""},
		{"reply that is tampered with", `heard "200 OK"`, &wire{meddle: func(b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "550 No", "200 OK"))
		}}, "U> 550 No\nC< 550 No\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			complains(t, play(c.wire, c.script), c.complaint)
		})
	}
}

func TestFailureShowsTheTranscript(t *testing.T) {
	err := play(&wire{logs: "what was logged"}, "C> NOOP\nU< NOOP\nU> 550 No.\nU> 200 And more.\nC< 200 *\n")
	if err == nil {
		t.Fatal("the player has not noticed")
	}
	for _, want := range []string{
		"What a wire does.", "play.txt:7  C> NOOP", `U heard "NOOP"`, `C heard "550 No."`,
		`left unheard by the client: "200 And more.\r\n"`, "what was logged",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%s", want, err)
		}
	}
}

func TestParserRefusesSlips(t *testing.T) {
	for _, c := range []struct{ name, text, complaint string }{
		{"unknown phrase", "C jumps", `C cannot do "jumps"`},
		{"phrase of the other side", "U connects", "U cannot do"},
		{"phrase of the other side's leg", "CD starts TLS as somebody else", "CD cannot do"},
		{"unknown actor", "D> NOOP", "looks like a step"},
		{"small letter", "c> NOOP", "looks like a step"},
		{"blank before the sign", "C > NOOP", `C cannot do "> NOOP"`},
		{"no blank after the sign", "C>NOOP", "looks like a step"},
		{"indented", " C> NOOP", "looks like a step"},
		{"unknown escape", `C> \q`, "unknown escape"},
		{"lone backslash", `C> \`, "lone backslash"},
		{"unknown placeholder", "C> {where}", "unknown placeholder"},
		{"open brace", "C> {port", "no closing brace"},
		{"trailing blank", "C> NOOP ", "blanks at the end"},
		{"unknown steps", "logon", `no steps are called "logon"`},
		{"stranger speaks", "S> hello", "S knows no >"},
		{"log speaks", "L> hello", "L knows no >"},
		{"lines on a data connection", "CD>> hello", "CD knows no >>"},
		{"unknown directive", "listner: control=allow", "unknown directive"},
		{"unknown setting", "listener: contrl=allow", "unknown setting"},
		{"unknown value", "listener: control=maybe", "unknown value"},
		{"directive without a blank", "listener:control=allow", "looks like a step or a directive"},
		{"directive too late", "C connects\nlimits: line=100", "directive after the first step"},
		{"no steps", "Just prose.", "no steps"},
		{"bad number", "limits: line=many", "invalid syntax"},
		{"bad count", "CD sends many bytes", "CD cannot do"},
		{"unknown policy", "policy: lax", `no policy is called "lax"`},
		{"policy too late", "C connects\npolicy: wrong", "directive after the first step"},
		{"policy with a mistake", "policy: wrong", "Did you mean"},
		{"policy with a rule without effect", "P takes policy idle", "never"},
		{"proxy speaks", "P> hello", "looks like a step"},
		{"proxy jumps", "P jumps", `P cannot do "jumps"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{
				"slip.txt":           {Data: []byte("A slip.\n\n" + c.text + "\n")},
				"policies/wrong.hcl": {Data: []byte("policy \"wrong\" {\n  rule \"a\" {\n    commands = [\"STRO\"]\n    action = \"deny\"\n  }\n}\n")},
				"policies/idle.hcl":  {Data: []byte("policy \"idle\" {\n  rule \"a\" {\n    action = \"deny\"\n  }\n  rule \"b\" {\n    action = \"allow\"\n  }\n}\n")},
			}
			_, err := conversation.ParseFile(files, "slip.txt")
			if err == nil {
				t.Fatal("the parser has not noticed")
			}
			if !strings.Contains(err.Error(), c.complaint) {
				t.Errorf("complaint %q does not contain %q", err, c.complaint)
			}
		})
	}
}

func TestParserKeepsPlaces(t *testing.T) {
	files := fstest.MapFS{
		"a.txt":           {Data: []byte("A rule\nof two lines.\n\nlimits: line=128\nhello\nC> x\n")},
		"steps/hello.txt": {Data: []byte("A comment.\n\nC< 220 *\n")},
	}
	s, err := conversation.ParseFile(files, "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "a" || s.About != "A rule of two lines." || s.Settings.Limits.Line != 128 {
		t.Errorf("got %q, %q, line=%d", s.Name, s.About, s.Settings.Limits.Line)
	}
	if len(s.Steps) != 2 {
		t.Fatalf("got %d steps", len(s.Steps))
	}
	for i, want := range []conversation.Step{
		{File: "steps/hello.txt", Line: 3, Actor: "C", Action: "<", Argument: "220 *"},
		{File: "a.txt", Line: 6, Actor: "C", Action: ">", Argument: "x"},
	} {
		if s.Steps[i] != want {
			t.Errorf("step %d is %+v, expected %+v", i, s.Steps[i], want)
		}
	}
}

// Every fragment is used, by a conversation or by another fragment: an unused one
// is never played.
func TestEveryFragmentIsUsed(t *testing.T) {
	all := textOf(t, "testdata") + textOf(t, "testdata/steps")
	entries, err := os.ReadDir("testdata/steps")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".txt")
		if !strings.Contains(all, "\n"+name+"\n") {
			t.Errorf("no conversation uses %s", name)
		}
	}
}

// textOf is what stands in the files of a folder.
func textOf(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		b, err := os.ReadFile(folder + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// Every policy is used by a conversation.
func TestEveryPolicyIsUsed(t *testing.T) {
	all := textOf(t, "testdata") + textOf(t, "testdata/steps")
	entries, err := os.ReadDir("testdata/policies")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".hcl")
		if !strings.Contains(all, "policy: "+name+"\n") && !strings.Contains(all, "P takes policy "+name+"\n") {
			t.Errorf("no conversation uses %s", name)
		}
	}
}
