package faults

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// policyOf compiles the inside of a policy that allows everything else.
func policyOf(t testing.TB, inside string) *policy.Policy {
	t.Helper()
	text := "policy \"p\" {\n  default = \"allow\"\n" + inside + "\n}\n"
	file, diags := hclsyntax.ParseConfig([]byte(text), "policy.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := file.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "policy", LabelNames: []string{"name"}}}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, diags := policy.Compile(content.Blocks[0], time.LoadLocation)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return p
}

// governed is a proxy whose listener has a policy.
func governed(t testing.TB, inside string) func(*settings) {
	return func(s *settings) { s.listener.Policy = policyOf(t, inside) }
}

// govern reloads the policy alone; "" takes it away.
func (r *rig) govern(inside string) {
	r.t.Helper()
	r.settings.listener.Policy = nil
	if inside != "" {
		r.settings.listener.Policy = policyOf(r.t, inside)
	}
	err := r.server.Reload(proxy.Config{Listeners: []proxy.ListenerConfig{r.settings.listener}, Limits: r.settings.limits})
	if err != nil {
		r.t.Fatal(err)
	}
}

// arrives is a client that has done everything up to USER.
func (r *rig) arrives() *client {
	r.t.Helper()
	c := r.dial()
	c.secure()
	c.protect()
	return c
}

// isUser logs in as somebody, and tells whether there was room.
func (c *client) isUser(name string) bool {
	c.t.Helper()
	c.do(331, "USER "+name)
	c.say("PASS secret")
	if c.hearOneOf(230, 421) == 230 {
		return true
	}
	c.hearEnd()
	return false
}

func (r *rig) wantRoom(name string, room bool) *client {
	r.t.Helper()
	c := r.arrives()
	if c.isUser(name) != room {
		r.t.Fatalf("%s is let in: %v", name, !room)
	}
	return c
}

const twoAnnas = `
  limit "annas" {
    users    = ["anna"]
    sessions = 2
  }`

func TestPolicyLimitsSessions(t *testing.T) {
	r := newRig(t, governed(t, twoAnnas))
	first := r.wantRoom("anna", true)
	second := r.wantRoom("anna", true)
	for range 3 {
		r.wantRoom("anna", false)
	}
	r.wantRoom("bert", true)
	first.do(221, "QUIT")
	first.hearEnd()
	eventually(t, func() bool { return r.arrives().isUser("anna") })
	second.inStep()
	if n := r.logged("session ended"); n < 4 {
		t.Errorf("%d sessions have ended", n)
	}
	r.govern("")
	r.recoversAfter(second)
}

// Without a password nobody is counted: neither whoever just connects, nor who
// names a partner, nor who guesses.
func TestStrangersUseUpNobodysSessions(t *testing.T) {
	r := newRig(t, governed(t, twoAnnas+"\n  limit \"all\" {\n    sessions = 2\n  }"))
	r.upstream.on("PASS", func(v *visit, argument string) {
		if argument == "guess" {
			v.reply("530 wrong")
			return
		}
		v.reply("230 logged in")
	})
	for range 3 {
		r.dial()
		r.arrives().do(331, "USER anna")
		guesser := r.arrives()
		guesser.do(331, "USER anna")
		guesser.do(530, "PASS guess")
	}
	// Somebody else's login, and then a name without its password: still somebody
	// else, also when a reload has everybody counted anew.
	other := r.wantRoom("bert", true)
	other.do(331, "USER anna")
	r.govern(twoAnnas)
	other.inStep()
	r.wantRoom("anna", true)
	r.wantRoom("anna", true)
	r.wantRoom("anna", false)
}

// A second login changes the limits that apply, and so does the end of one.
func TestSessionsFollowTheUser(t *testing.T) {
	r := newRig(t, governed(t, "  limit \"anna\" {\n    users    = [\"anna\"]\n    sessions = 1\n  }\n  limit \"bert\" {\n    users    = [\"bert\"]\n    sessions = 1\n  }"))
	c := r.wantRoom("anna", true)
	if !c.isUser("anna") {
		t.Fatal("a session is in its own way")
	}
	if !c.isUser("bert") {
		t.Fatal("bert is not let in")
	}
	r.wantRoom("bert", false)
	anna := r.wantRoom("anna", true)
	if c.isUser("anna") {
		t.Error("a second login gets round the limit")
	}
	eventually(t, func() bool { return r.arrives().isUser("bert") })
	anna.reinitialise() // and goes on
	r.wantRoom("anna", true)
	anna.do(200, "NOOP")
	anna.do(221, "QUIT")
	anna.hearEnd()
}

func TestReloadChangesTheNumberOfSessions(t *testing.T) {
	r := newRig(t)
	first, second := r.wantRoom("anna", true), r.wantRoom("anna", true)
	r.govern("  limit \"annas\" {\n    sessions = 1\n  }")
	first.inStep() // those who are there stay
	second.inStep()
	r.wantRoom("anna", false)
	second.do(221, "QUIT")
	second.hearEnd()
	r.wantRoom("anna", false)
	r.govern(twoAnnas)
	first.inStep()
	r.wantRoom("anna", true)
	r.wantRoom("anna", false)
	r.govern("  mode = \"monitor\"\n" + twoAnnas) // which limits nobody
	r.wantRoom("anna", true)
	first.inStep()
}

const slowly = `
  limit "slow" {
    users     = ["anna"]
    rate_up   = "1KiB"
    rate_down = "1KiB"
  }`

// Three bursts take two seconds, in which no byte moves for one; that is no stall.
func TestRateIsNoStall(t *testing.T) {
	for name, clear := range map[string]bool{"private": false, "clear": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, allowClear, governed(t, slowly), func(s *settings) { s.limits.StallTimeout = short })
			c := r.open(clear)
			c.uploads(3 << 10)
			if u := <-r.upstream.uploads; u.err != nil || string(u.data) != string(bulk(3<<10)) {
				t.Errorf("%d bytes, %v", len(u.data), u.err)
			}
			c.downloads(3 << 10)
			r.govern("")
			r.recoversAfter(c)
		})
	}
}

// Of a byte per second the first 1,024 come at once; the rest would take hours.
const trickle = `
  limit "trickle" {
    users     = ["anna"]
    rate_up   = "1B"
    rate_down = "1B"
  }`

func TestABORWhileARateWaits(t *testing.T) {
	for name, command := range map[string]string{"download": "RETR 30000000", "upload": "STOR a"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, governed(t, trickle))
			c := r.session()
			l := c.transfer(command)
			if name == "upload" {
				l.send(bulk(60_000))
			} else {
				l.receive(bulk(1024))
			}
			c.inStep() // commands pass meanwhile
			c.say("ABOR")
			c.hear(426)
			c.hear(226)
			l.hearBroken()
			r.govern("")
			r.recoversAfter(c)
		})
	}
}

// What one session has used up another does not get; somebody else does.
func TestRateIsShared(t *testing.T) {
	r := newRig(t, governed(t, trickle), func(s *settings) { s.ports = 4 })
	first, second := r.session(), r.session()
	first.downloads(1024)
	r.nothingComes(second, r.wantRoom("bert", true))
	// Up and down are two accounts.
	second.uploads(1000)
	r.govern("")
	r.recoversAfter(first)
}

func TestTransferSize(t *testing.T) {
	for name, clear := range map[string]bool{"private": false, "clear": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, allowClear, governed(t, "  limit \"size\" {\n    transfer_size = \"10KiB\"\n  }"))
			c := r.open(clear)
			c.uploads(10 << 10)
			if u := <-r.upstream.uploads; u.err != nil || len(u.data) != 10<<10 {
				t.Errorf("%d bytes, %v", len(u.data), u.err)
			}
			c.downloads(10 << 10)

			l := c.transfer("STOR large")
			l.send(bulk(10<<10 + 1)) // its end would come too late, perhaps
			c.hear(552)
			u := <-r.upstream.uploads
			wantReset(t, u.err)
			if len(u.data) > 10<<10 {
				t.Errorf("%d bytes have reached the upstream", len(u.data))
			}
			c.inStep()

			l = c.transfer("RETR 10241")
			if n, err := io.Copy(io.Discard, l); n > 10<<10 || err == nil || isTimeout(err) {
				t.Errorf("%d bytes came, then %v", n, err)
			}
			c.hear(552)
			r.govern("")
			r.recoversAfter(c)
		})
	}
}

// Too many commands wait; none is refused, lost or overtaken.
func TestCommandsPerSecond(t *testing.T) {
	r := newRig(t)
	c := r.session()
	r.govern("  limit \"pace\" {\n    commands_per_second = 2\n  }")
	var lines []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		lines = append(lines, "SIZE "+name)
	}
	c.say(lines...)
	for range lines {
		c.hear(200)
	}
	var heard []string
	for _, line := range r.upstream.commands() {
		if strings.HasPrefix(line, "SIZE") {
			heard = append(heard, line)
		}
	}
	if strings.Join(heard, ";") != strings.Join(lines, ";") {
		t.Errorf("the upstream heard %q", heard)
	}
	r.govern("")
	r.recoversAfter(c)
}
