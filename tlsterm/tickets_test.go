package tlsterm

import (
	"bytes"
	"testing"
)

func TestTicketsAreBounded(t *testing.T) {
	var ts tickets
	pinned := newHandle()
	ts.pin(pinned, []byte("control"))
	var handles []handle
	states := make(map[handle][]byte)
	for range maxEarned + 3 {
		h := newHandle()
		handles = append(handles, h)
		states[h] = []byte("data")
		ts.earn(h, states[h])
	}
	if n := len(ts.states); n != maxEarned+1 {
		t.Errorf("%d states are kept, want %d and the control connection's", n, maxEarned)
	}
	for i, h := range handles {
		if kept := ts.find(h[:]) != nil; kept != (i >= 3) {
			t.Errorf("state %d of %d is kept: %v", i, len(handles), kept)
		}
	}
	if got := ts.find(pinned[:]); string(got) != "control" {
		t.Errorf("the control connection's state is %q", got)
	}
	if !bytes.Equal(states[handles[0]], make([]byte, 4)) {
		t.Error("a state that was forgotten is still in memory")
	}
}

func TestWipedTicketsAreOverwritten(t *testing.T) {
	var ts tickets
	h := newHandle()
	state := []byte("secret")
	ts.pin(h, state)
	found := ts.find(h[:])
	ts.wipe()
	if ts.find(h[:]) != nil || len(ts.states) != 0 {
		t.Error("still there")
	}
	if !bytes.Equal(state, make([]byte, len(state))) {
		t.Error("not overwritten")
	}
	// A handshake that has found the state goes on with what it found.
	if string(found) != "secret" {
		t.Errorf("what was found became %q", found)
	}
}

func TestTicketsFindOnlyWholeHandles(t *testing.T) {
	var ts tickets
	h := newHandle()
	ts.pin(h, []byte("state"))
	for _, identity := range [][]byte{nil, {}, h[:31], append(h[:], 0), bytes.Repeat([]byte{0}, 32)} {
		if ts.find(identity) != nil {
			t.Errorf("%x was found", identity)
		}
	}
}
