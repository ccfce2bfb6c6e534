package proxy

import (
	"bytes"
	"slices"
	"strings"
)

// Quirks are what an upstream does otherwise than most, all along.
type quirks byte

const (
	quirkRefusesNOOP quirks = 1 << iota // a NOOP of the proxy's own, that is
	quirkWith503                        // and not with 500
	quirkLast                           // the final reply that it owed comes in front of the next
	quirkKinds
)

func (q quirks) has(other quirks) bool { return q&other != 0 }

// greet says what the script wants, and tells how this upstream is.
func (v *fuzzVisit) greet() {
	greeting := []string{"220 hello", "120 soon\r\n220 hello", "220-hello\r\n220-\r\n220 hello", "421 full", "530 no"}
	n := v.upstream.pick(32)
	v.quirks = quirks(n) % quirkKinds
	v.write(greeting[max(0, n-27)], false)
}

// hear notes a command, and whether it came together with others in the middle of a
// transfer: servers there are that answer all of them with one reply.
func (v *fuzzVisit) hear(line string) {
	v.upstream.note(line)
	if !v.isRunning() {
		return
	}
	behind, _ := v.reader.Peek(v.reader.Buffered())
	for other := range bytes.Lines(behind) {
		verb, _, _ := strings.Cut(strings.TrimSpace(string(other)), " ")
		if !slices.Contains([]string{"ABOR", "QUIT", "OPTS", "CLNT", "LANG"}, verb) {
			v.upstream.mu.Lock()
			v.upstream.together = line + " and " + verb
			v.upstream.mu.Unlock()
		}
	}
}

// tellLast says the final reply to a transfer that has ended with a second 1yz.
func (v *fuzzVisit) tellLast(verb, argument string) {
	if v.last != "" && (verb != "NOOP" && verb != "PWD" || argument != "") {
		v.reply(v.last)
		v.last = ""
	}
}

// answerOwn answers what the proxy asks for itself, and tells whether it was that.
func (v *fuzzVisit) answerOwn(verb, argument string) bool {
	switch {
	case argument != "":
		return false
	case verb == "PWD":
		v.reply("257 \"/\"" + ownTag)
	case verb == "NOOP" && v.quirks.has(quirkRefusesNOOP):
		v.reply(map[bool]string{false: "500", true: "503"}[v.quirks.has(quirkWith503)] + ownTag)
	case verb == "NOOP":
		v.reply("200 still here") // every server knows it (RFC 959 §5.1)
	default:
		return false
	}
	return true
}

// mumble ends a transfer that broke with a second 1yz. If ABOR has broken it, it
// does so when it says nothing to ABOR, either.
func (v *fuzzVisit) mumble(tag string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running = false
	switch {
	case v.aborted && !v.silent:
		v.out.WriteString(v.afterABOR + tag + "\r\n")
	default:
		v.out.WriteString("150" + tag + "\r\n")
		if v.quirks.has(quirkLast) && !v.aborted {
			v.last = "426" + tag
		}
	}
	_, _ = v.out.WriteTo(v.conn)
}

// burst says more than an upstream is sent at once, and then ABOR.
func (c *fuzzClient) burst(s *script) {
	for range []int{2, 5, 70}[s.pick(3)] {
		c.say("NOOP")
	}
	c.sayLine("ABOR")
}
