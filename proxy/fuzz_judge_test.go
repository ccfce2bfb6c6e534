package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// An awaited command has not had its final reply yet.
type awaited struct {
	command ftpparse.Command
	number  int // as the upstream knows it; -1: none
	kind    awaitedKind
	mayMiss bool // ABOR behind a transfer may share its reply
	begun   bool // its 1yz was heard
	aborted bool // ABOR was said after it
	policed bool // a policy may have denied it
}

type awaitedKind int

const (
	kindLocal   awaitedKind = iota // answered or translated by the proxy
	kindRelayed                    // answered by the upstream, with its number
	kindMoves
	kindABOR
)

// expected are the commands that want a reply, in order. Behind QUIT nothing does.
func expected(said []string) []*awaited {
	var all []*awaited
	alone, moved := true, false // without an upstream; with a transfer before
	for _, line := range said {
		c, err := ftpparse.ParseCommand([]byte(line))
		a := &awaited{command: c, number: numberOf(c.Argument)}
		all = append(all, a)
		if err != nil {
			continue
		}
		if c.Verb == "USER" {
			alone = false
		}
		switch {
		case c.Verb == "ABOR":
			a.kind, a.mayMiss = kindABOR, moved
			for _, before := range all {
				before.aborted = true
			}
		case isOurs(c.Verb), alone:
		case movesFile(c.Verb):
			a.kind, moved = kindMoves, true
		default:
			a.kind = kindRelayed
		}
		switch c.Verb {
		case "REIN":
			alone = true
		case "QUIT":
			return all
		}
	}
	return all
}

// isOurs lists the commands whose replies are the proxy's own, or translated.
func isOurs(verb string) bool {
	switch verb {
	case "AUTH", "PBSZ", "PROT", "HOST", "CCC", "ADAT", "MIC", "CONF", "ENC", "SSCN", "CPSV", "LPRT", "LPSV", "ESTA", "ESTP",
		"REIN", "FEAT", "PASV", "EPSV", "PORT", "EPRT", "QUIT":
		return true
	}
	_, known := ftpparse.Lookup(verb)
	return !known
}

// fits tells whether r can be the final reply to the command.
func (a *awaited) fits(r ftpparse.Reply) bool {
	number := numberOf(r.Text())
	if a.policed && !a.begun && a.kind != kindABOR && isRefusal(r) { // no law here denies ABOR
		return true
	}
	ofABOR := strings.HasPrefix(r.Text(), "ABOR") || strings.HasPrefix(r.Text(), "No transfer to abort")
	switch a.kind {
	case kindABOR:
		return ofABOR
	case kindRelayed:
		return number == a.number && !ofABOR
	case kindMoves:
		own := number == -1 && slices.Contains([]int{425, 426, 451, 521, 522, 530}, r.Code)
		return (number == a.number || own) && !ofABOR
	default:
		return number == -1 && !ofABOR
	}
}

// judge checks what both sides remember of a session.
func (p *played) judge(t *testing.T) {
	t.Helper()
	heard, want := p.client.heard, expected(p.client.said)
	if p.reign != nil {
		for _, a := range want {
			a.policed = true
		}
		p.judgePolicing(t)
	}
	if len(heard) == 0 {
		return // the greeting was not awaited
	}
	if heard[0].Code != 220 {
		p.fail(t, "the greeting is a %d", heard[0].Code)
	}
	heard = heard[1:]
	farewell := len(heard) > 0 && heard[len(heard)-1].Code == 421
	if farewell {
		heard = heard[:len(heard)-1]
	}
	if i := slices.IndexFunc(heard, func(r ftpparse.Reply) bool { return r.Code == 421 }); i >= 0 {
		p.fail(t, "something was said after the farewell")
	}
	quit := len(want) > 0 && want[len(want)-1].command.Verb == "QUIT"
	hungUp := p.ways.has(wayReset) || p.ways.has(wayHangUp)
	if !farewell && !quit && !hungUp {
		p.fail(t, "the session ended without a word")
	}
	whole := quit && !farewell && !hungUp
	if p.ways.has(wayHostile) {
		p.count(t, heard, want, whole)
		return
	}
	if together := p.upstream.together; together != "" {
		p.fail(t, "in the middle of a transfer the upstream was sent at once %s", together)
	}
	rest := p.match(t, heard, want)
	if i := slices.IndexFunc(rest, func(a *awaited) bool { return !a.mayMiss }); whole && i >= 0 {
		p.fail(t, "%s has no reply", rest[i].command.Verb)
	}
	p.compareUploads(t)
}

// match gives every reply to its command and returns those without one.
func (p *played) match(t *testing.T, heard []ftpparse.Reply, rest []*awaited) []*awaited {
	t.Helper()
	for _, r := range heard {
		if r.Class() == ftpparse.Preliminary {
			p.preliminary(t, r, rest)
			continue
		}
		i := 0
		for ; i < len(rest) && !rest[i].fits(r); i++ {
			if a := rest[i]; !a.mayMiss && (a.kind != kindMoves || !a.begun) {
				break
			}
		}
		if i == len(rest) || !rest[i].fits(r) {
			p.fail(t, "%q answers nothing, or not in its turn", r.Lines)
		}
		a := rest[i]
		rest = slices.Delete(rest, i, i+1)
		if a.kind == kindMoves && r.Class() == ftpparse.Completion && !a.aborted && a.number >= 0 {
			if fault := wantFile(p.client.files[a.number], p.upstream.files[a.number]); fault != "" {
				p.fail(t, "%s #%d %s", a.command.Verb, a.number, fault)
			}
		}
	}
	return rest
}

// mayBegin tells whether a preliminary reply without a number may be its own.
func (a *awaited) mayBegin() bool {
	return !a.begun && (a.kind == kindMoves || a.kind == kindRelayed && a.number < 0)
}

func (p *played) preliminary(t *testing.T, r ftpparse.Reply, rest []*awaited) {
	t.Helper()
	number := numberOf(r.Text())
	i := slices.IndexFunc(rest, func(a *awaited) bool { return a.number == number && !a.begun && a.kind != kindABOR })
	if number == -1 {
		i = slices.IndexFunc(rest, func(a *awaited) bool { return a.mayBegin() })
	}
	if i < 0 {
		p.fail(t, "%q begins nothing", r.Lines)
	}
	// The proxy's own 150 comes when the final reply is there: nothing overtakes.
	rest[i].begun = number >= 0 || rest[i].number < 0
}

// count is what can be wanted when nobody knows whose a reply is.
func (p *played) count(t *testing.T, heard []ftpparse.Reply, want []*awaited, whole bool) {
	t.Helper()
	finals, mayMiss := 0, 0
	for _, r := range heard {
		if r.Class() != ftpparse.Preliminary {
			finals++
		}
	}
	for _, a := range want {
		if a.mayMiss {
			mayMiss++
		}
	}
	if finals > len(want) || whole && finals < len(want)-mayMiss {
		p.fail(t, "%d final replies to %d commands", finals, len(want))
	}
}

// compareUploads wants every upload that ended cleanly at the upstream to be one
// that the client ended, and the same.
func (p *played) compareUploads(t *testing.T) {
	t.Helper()
	for number, up := range p.upstream.files {
		if number < 0 || !up.upload || !up.clean || up.lies {
			continue
		}
		if down := p.client.files[number]; down == nil || !down.clean || !slices.Equal(down.data, up.data) {
			p.fail(t, "upload #%d broke, and ended cleanly at the upstream", number)
		}
	}
}

// fail shows the conversation.
func (p *played) fail(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Fatalf(format+"\n%v", append(args, p)...)
}

// String shows the conversation, each side's part by itself.
func (p *played) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "ways %#x\n", p.ways)
	for _, line := range p.client.said {
		fmt.Fprintf(&text, "C> %q\n", line)
	}
	for _, r := range p.client.heard {
		fmt.Fprintf(&text, "C< %q\n", r.Lines)
	}
	for _, line := range p.upstream.heard {
		fmt.Fprintf(&text, "U< %q\n", line)
	}
	for _, n := range slices.Sorted(maps.Keys(p.client.files)) {
		fmt.Fprintf(&text, "file #%d: client %v, upstream %v\n", n, p.client.files[n], p.upstream.files[n])
	}
	return text.String()
}
