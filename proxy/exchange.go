package proxy

import (
	"context"
	"slices"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// stage is how far an exchange has come.
type stage int

const (
	stageSent        stage = iota // the upstream has the command
	stagePreliminary              // 1yz was relayed, the final reply is awaited
	stageHeld                     // the final reply is here, the transfer's legs are not finished
	stageAnswered                 // answer may go to the client in its turn
)

// An exchange is one command and what becomes of its reply.
type exchange struct {
	command ftpparse.Command
	// onReply takes the upstream's replies; nil relays them.
	onReply func(context.Context, *exchange, ftpparse.Reply) error
	// transfer is not nil when the command moves a file or a listing.
	transfer *transfer
	// aborts is the exchange that this ABOR meant to end.
	aborts *exchange

	stage  stage
	answer ftpparse.Reply // Code 0: nothing goes to the client
	since  time.Time      // when the upstream's time to answer began
	heard  bool           // a preliminary reply has come
}

// awaits tells whether the upstream owes a reply.
func (e *exchange) awaits() bool { return e.stage <= stagePreliminary }

// overtakable is a transfer under way: the upstream may answer later commands
// before it, and so may we.
func (e *exchange) overtakable() bool {
	return e.transfer != nil && e.stage == stagePreliminary
}

// optional is an ABOR after whose sending its transfer got a final reply: some
// servers answer both with that one reply, others send a second.
func (e *exchange) optional() bool {
	return e.aborts != nil && e.stage == stageSent && (!e.aborts.awaits() || e.aborts.mumbled())
}

// mumbled is a transfer of which the upstream has perhaps said its last word,
// though it was no final reply.
func (e *exchange) mumbled() bool {
	return e.transfer != nil && e.stage == stagePreliminary && e.transfer.owner.mumbled
}

// finalSince is when a transfer's final reply became due: its legs have ended, and
// the receiver takes no more of the file.
func (e *exchange) finalSince() time.Time {
	if taken := time.Unix(0, e.transfer.taken.Load()); taken.After(e.since) {
		return taken
	}
	return e.since
}

// conclude makes r the answer.
func (e *exchange) conclude(r ftpparse.Reply) {
	e.stage, e.answer = stageAnswered, r
}

// swallow concludes without a word to the client.
func (e *exchange) swallow() { e.conclude(ftpparse.Reply{}) }

// exchanges is the queue of outstanding exchanges in the order of the client's
// commands.
type exchanges []*exchange

func (q *exchanges) push(e *exchange) { *q = append(*q, e) }

func (q *exchanges) remove(e *exchange) {
	*q = slices.DeleteFunc(*q, func(other *exchange) bool { return other == e })
}

// idle tells whether nothing is outstanding that somebody must wait for.
func (q exchanges) idle() bool {
	for _, e := range q {
		if !e.optional() {
			return false
		}
	}
	return true
}

// match finds the exchange that a final or preliminary reply answers, first in
// first out, with two exceptions that servers in the wild demand:
//
//   - a command sent during a transfer may be answered before it;
//   - an optional ABOR is forgotten when the reply cannot be its own.
//
// settled tells that the transfer's data connection to the upstream has come to
// its end, so that the transfer's final reply is due. Nil: nobody waits for it.
func (q exchanges) match(code int, settled bool) *exchange {
	var running *exchange
	for i, e := range q {
		switch {
		case !e.awaits():
		case running != nil && running.mumbled() && e.aborts == running && code == 225:
			return e // the transfer has had its last word
		case running != nil && !answersLater(code, e.command.Verb, settled):
			return running
		case running == nil && e.overtakable():
			running = e
		case e.optional() && code < 200:
		case e.optional() && !answersABOR(code) && q[i+1:].first() != nil:
			e.swallow()
		default:
			return e
		}
	}
	return running
}

// answersABOR lists what servers say to ABOR: the codes of RFC 959 §5.4, and
// refusals of all kinds.
func answersABOR(code int) bool { return code == 225 || code == 226 || code >= 400 }

// endsBroken lists what an upstream says of a transfer whose data connection it
// has lost, and seldom to another command.
func endsBroken(code int) bool { return code == 226 || code == 426 || code == 451 }

// first is the first exchange to which the upstream owes a reply, or may.
func (q exchanges) first() *exchange {
	for _, e := range q {
		if e.awaits() {
			return e
		}
	}
	return nil
}

// sharers are a mumbled transfer and its ABOR, with NOOP asked behind them, when 226
// may be the end of the one or the reply to the other.
func (q exchanges) sharers(code int) (transfer, abor *exchange) {
	for _, e := range q {
		switch {
		case code != 226:
		case !e.awaits():
		case abor != nil:
			return transfer, abor
		case transfer == nil && e.mumbled():
			transfer = e
		case transfer != nil && e.aborts == transfer:
			abor = e
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// rivals are an optional ABOR and what the proxy has asked behind it, when the
// code may be the one's refusal or the other's.
func (q exchanges) rivals(code int, settled bool) (abor, behind *exchange) {
	if code < 400 || endsBroken(code) {
		return nil, nil
	}
	for _, e := range q {
		switch {
		case !e.awaits():
		case abor != nil:
			return abor, e
		case e.overtakable() && answersLater(code, "ABOR", settled):
		case e.optional():
			abor = e
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// answersLater tells whether a reply that arrives during a transfer belongs to
// the command sent after it. The code decides where it can (RFC 959 §5.4);
// where both commands may be answered by it, the data connection does: while it
// still runs, the transfer's final reply is not due.
func answersLater(code int, verb string, settled bool) bool {
	switch {
	case code < 200:
		return false
	case code == 225, code == 226, code == 425, code == 426, code == 451, code == 452, code == 551, code == 552:
		return false
	case code == 250:
		return !settled && completesWith250(verb)
	case code < 400, code >= 500 && code <= 504:
		return true
	default:
		return !settled
	}
}

func completesWith250(verb string) bool {
	switch verb {
	case "CWD", "XCWD", "CDUP", "XCUP", "DELE", "RMD", "XRMD", "RNTO", "MLST", "SITE", "SMNT", "RMDA":
		return true
	}
	return false
}

// grant gives the upstream its full time again when it has answered e: by a final
// reply for all that stands behind it, since it answers one by one; by a
// preliminary one for e, and only once, else an upstream could put off its answer
// for ever. A transfer under way has a time of its own, which commands given
// meanwhile do not extend.
func (q exchanges) grant(e *exchange, r ftpparse.Reply) {
	now := time.Now()
	if r.Class() == ftpparse.Preliminary {
		if !e.heard {
			e.heard, e.since = true, now
		}
		return
	}
	for _, other := range q {
		if other.awaits() && !other.overtakable() {
			other.since = now
		}
	}
}

// retire gives up what the upstream will not answer any more.
func (q exchanges) retire() {
	for _, e := range q {
		if e.awaits() {
			e.swallow()
		}
	}
}

// next removes and returns the first exchange whose answer may go to the client
// now, or nil. Order is that of the commands, but a transfer under way lets
// answers pass; one whose final reply is held back does not, since the upstream
// said that first.
func (q *exchanges) next() *exchange {
	for i, e := range *q {
		if e.stage == stageAnswered {
			*q = append((*q)[:i], (*q)[i+1:]...)
			return e
		}
		if !e.overtakable() || e.mumbled() {
			return nil
		}
	}
	return nil
}

// aborting tells that ABOR has ended a transfer and has no reply yet. Whether it
// shares the transfer's cannot be known from what follows: 502 may be what an
// upstream says to ABOR, and to FEAT. So nothing follows until it is known.
func (q exchanges) aborting() bool {
	for _, e := range q {
		if e.aborts != nil && e.awaits() {
			return true
		}
	}
	return false
}

// awaitsPassword tells that the reply to a password is outstanding.
func (q exchanges) awaitsPassword() bool {
	return slices.ContainsFunc(q, func(e *exchange) bool {
		return e.awaits() && (e.command.Verb == "PASS" || e.command.Verb == "ACCT")
	})
}

// busy tells that a transfer is with the upstream, and a command behind it has no
// reply yet. Another would wait there just as long, or have no reply of its own:
// Pure-FTPd refuses all that it reads together with one 500.
func (q exchanges) busy() bool {
	moving := false
	for _, e := range q {
		switch {
		case !e.awaits():
		case moving:
			return true
		default:
			moving = e.transfer != nil
		}
	}
	return false
}

// uncertain tells that nothing is outstanding but what the upstream may have
// answered already, by its own lights: a transfer that is over, with or without a
// final reply, and the ABOR that was to end it.
func (q exchanges) uncertain() (transfer, abor bool) {
	for _, e := range q {
		switch {
		case e.optional():
			abor = true
		case e.mumbled():
			transfer = true
		case e.awaits():
			return false, false
		}
	}
	return transfer, abor
}
