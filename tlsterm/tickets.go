package tlsterm

import (
	"bytes"
	"crypto/rand"
)

// maxEarned bounds the tickets a session's data connections have earned. A
// client keeps the last few; the control connection's is kept beside them.
const maxEarned = 64

// A handle is what the peer gets as its session ticket. It is a random name
// for a state that never leaves the process. TLS 1.2 shows it to everybody on
// the path; it is worth nothing without the secret in that state.
type handle [32]byte

func newHandle() handle {
	var h handle
	rand.Read(h[:]) // never fails, see crypto/rand
	return h
}

// tickets are the resumable states of one session, and of no other. The zero
// value is empty. It is not safe for concurrent use.
type tickets struct {
	states map[handle][]byte
	earned []handle // those of data connections, oldest first
}

// pin keeps the state of the control connection until wipe.
func (t *tickets) pin(h handle, state []byte) {
	if t.states == nil {
		t.states = make(map[handle][]byte)
	}
	t.states[h] = state
}

// earn keeps the state of a data connection; when there are too many, the
// oldest such state is forgotten.
func (t *tickets) earn(h handle, state []byte) {
	if len(t.earned) == maxEarned {
		clear(t.states[t.earned[0]])
		delete(t.states, t.earned[0])
		t.earned = append(t.earned[:0], t.earned[1:]...)
	}
	t.pin(h, state)
	t.earned = append(t.earned, h)
}

// find returns a copy of the state that identity names, or nil. A copy, because
// a parsed session shares memory with what it was parsed from, and wipe in the
// middle of a handshake would make its secret all zeros.
func (t *tickets) find(identity []byte) []byte {
	if len(identity) != len(handle{}) {
		return nil
	}
	return bytes.Clone(t.states[handle(identity)])
}

// wipe overwrites and forgets all states.
func (t *tickets) wipe() {
	for _, state := range t.states {
		clear(state)
	}
	*t = tickets{}
}
