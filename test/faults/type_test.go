package faults

import (
	"slices"
	"testing"
)

// The log says in which TYPE a file was carried: the latest that the upstream has
// accepted on this connection (RFC 959 §4.1.2), ASCII until then.
func TestTYPEIsLogged(t *testing.T) {
	r := newRig(t, allowClear)
	refuses := func(v *visit, _ string) { v.reply("504 no") }
	c := r.clear()
	c.downloads(10)
	c.do(200, "TYPE I")
	c.downloads(10)
	c.uploads(10)
	r.upstream.on("TYPE", refuses)
	c.do(504, "TYPE L 36")
	r.upstream.behave()
	c.downloads(10)
	c.do(200, "TYPE a n")
	c.downloads(10)
	c.say("TYPE L 8", "USER berta") // another user, the same connection
	c.hear(200)
	c.hear(331)
	c.do(230, "PASS secret")
	c.downloads(10)

	c.do(220, "REIN")
	c.login()
	c.downloads(10)
	c.do(200, "TYPE I")
	c.secure()
	c.protect()
	c.login()
	c.downloads(10)
	want := []string{"A", "I", "I", "I", "A N", "L 8", "A", "A"}
	if got := r.loggedTypes(); !slices.Equal(got, want) {
		t.Errorf("the log has %q instead of %q", got, want)
	}
	r.recoversAfter(c)
}

// TYPE may come while a file moves, and is for the next.
func TestTYPEDuringATransferIsForTheNext(t *testing.T) {
	r := newRig(t)
	c := r.session()
	c.do(200, "TYPE I")
	l := c.transfer("STOR a")
	c.do(200, "TYPE A")
	l.send(bulk(10))
	l.end()
	c.hear(226)
	c.uploads(10)
	if got := r.loggedTypes(); !slices.Equal(got, []string{"I", "A"}) {
		t.Errorf("the log has %q", got)
	}
	r.recoversAfter(c)
}

// loggedTypes are those of all transfers so far, in order.
func (r *rig) loggedTypes() []string {
	r.t.Helper()
	var types []string
	for _, entry := range r.log.FilterMessage("transfer").All() {
		name, ok := entry.ContextMap()["type"].(string)
		if !ok {
			r.t.Errorf("a transfer without its type: %v", entry.ContextMap())
		}
		types = append(types, name)
	}
	return types
}
