package conversation_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/conversation"
)

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

// A playing is a script over a wire of its own, and what the player must say of it:
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

// asNeighbour makes the test binary play another program, which speaks to whoever
// dials it.
const asNeighbour = "CONVERSATION_TEST_NEIGHBOUR"

// A port that is another program's by now is none of the proxy's.
func TestPlayerKnowsAnotherProgramsPort(t *testing.T) {
	if os.Getenv(asNeighbour) != "" {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("port %d\n", ln.Addr().(*net.TCPAddr).Port)
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("hello"))
		_, _ = io.ReadAll(os.Stdin)
		return
	}
	neighbour := exec.Command(os.Args[0], "-test.run", "^TestPlayerKnowsAnotherProgramsPort$")
	neighbour.Env = append(os.Environ(), asNeighbour+"=yes")
	in, err := neighbour.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := neighbour.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := neighbour.Start(); err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Fscanf(out, "port %d\n", &port); err != nil {
		t.Error(err)
	}
	if err := play(&wire{}, fmt.Sprintf("U> 229 (|||%d|)\nC< 229 (|||{port}|)\nCD dials in vain\n", port)); err != nil {
		t.Error(err)
	}
	_ = in.Close()
	_, _ = io.ReadAll(out)
	if err := neighbour.Wait(); err != nil {
		t.Error(err)
	}
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
