package proxy

import (
	"context"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// Commands wait for what came before them. While a file moves they may wait long,
// and the one that ends the waiting may be behind them: ABOR. So during a transfer
// the client is read further, within bounds, and ABOR goes ahead.

// A backlog holds the lines that the client's reader has posted and that have not
// been dispatched, in their order.
type backlog struct {
	lines  []*line
	parked bool // the reader has posted a line and waits to be resumed
}

// maxBacklog bounds what is read of a client while its commands wait: some five
// hundred short ones. The rest stays in the socket, and holds the client up.
const maxBacklog = 64 << 10

// lineCost is what a line costs besides its argument.
const lineCost = 128

// An early is what became of an ABOR that went ahead: its reply is the client's
// when its turn has come.
type early struct {
	exchange *exchange
	reply    ftpparse.Reply // Code 0: the transfer's was meant for both
}

func (b *backlog) head() *line {
	if len(b.lines) == 0 {
		return nil
	}
	return b.lines[0]
}

func (b *backlog) take() *line {
	l := b.lines[0]
	b.lines[0] = nil
	if b.lines = b.lines[1:]; len(b.lines) == 0 {
		b.lines = nil // an idle session keeps no room for lines
	}
	return l
}

// putBack makes a line the next one again.
func (b *backlog) putBack(l *line) { b.lines = append([]*line{l}, b.lines...) }

// readable tells whether another line may be read behind those that wait. AUTH,
// CCC and REIN change the connection under the reader, and what comes behind QUIT
// does not count.
func (b *backlog) readable() bool {
	cost := 0
	for _, l := range b.lines {
		cost += lineCost + len(l.command.Argument)
	}
	return cost < maxBacklog && !isBarrier(b.lines[len(b.lines)-1].command.Verb)
}

// aborted tells that an ABOR has gone ahead of all that waits in front of it.
func (b *backlog) aborted() bool {
	for _, l := range b.lines {
		if l.early != nil {
			return true
		}
	}
	return false
}

// readOn resumes the client's reader: for the next command, or, as long as there
// is a transfer to abort, for what is behind a command that waits.
func (s *session) readOn() {
	c := s.client
	if !c.parked || s.phase == phaseClosing || s.work.quitting {
		return
	}
	if len(c.lines) > 0 && (!s.abortable() || !c.readable()) {
		return
	}
	c.parked = false
	c.resume <- struct{}{}
}

// abortable tells that there is a transfer that ABOR would end.
func (s *session) abortable() bool { return s.transfer != nil && s.transfer.owner.started }

// canHear tells that the upstream has heard of the transfer, and hears on.
func (s *session) canHear() bool { return s.running() && !s.upstream.lost }

// hurry sends an ABOR ahead of the commands that wait in front of it. The policy
// decides about it as ever; one that it denies is answered in its turn.
func (s *session) hurry() error {
	if !s.abortable() || s.transfer.owner.aborted || s.queue.aborting() {
		return nil
	}
	for _, l := range s.client.lines {
		if l.err != nil || l.command.Verb != "ABOR" || l.early != nil || l.denied {
			continue
		}
		if !s.foresee(l) {
			l.denied = true
			continue
		}
		return s.sendAhead(l)
	}
	return nil
}

// foresee decides about an ABOR before its turn. If the upstream is not to hear it
// now, the decision is made again, and counted, when the turn has come.
func (s *session) foresee(l *line) bool {
	p := s.policing.current()
	if p == nil {
		return true
	}
	d := s.decide(p, s.request(l.command))
	if d.Passes() && s.canHear() {
		s.policing.commands++
		s.logDecision(l.command, d)
	}
	return d.Passes()
}

// sendAhead gives the upstream an ABOR whose turn has not come, and ends the
// transfer. The reply waits for the turn. If the upstream has not heard of the
// transfer yet, or hears nothing any more, ABOR keeps its turn.
func (s *session) sendAhead(l *line) error {
	if !s.canHear() {
		s.transfer.owner.aborted = true
		s.transfer.abandon(errAborted)
		return nil
	}
	l.early = &early{}
	l.early.exchange = &exchange{command: l.command, onReply: l.early.onReply(s)}
	return s.sendABOR(l.early.exchange)
}

// onReply keeps the reply to an ABOR that went ahead.
func (y *early) onReply(s *session) func(context.Context, *exchange, ftpparse.Reply) error {
	return func(_ context.Context, e *exchange, r ftpparse.Reply) error {
		if r.Class() != ftpparse.Preliminary {
			y.reply = s.worded(e.command, r)
			e.swallow()
		}
		return nil
	}
}

// mustWait tells whether a command must wait for what came before it.
func (s *session) mustWait(l *line) bool {
	if s.phase == phaseConnecting || s.upstream.translating || s.upstream.lost || len(s.queue) >= maxOutstanding || s.work.quitting {
		return true
	}
	verb := l.command.Verb
	if s.queue.aborting() || s.unsettled(verb) || s.upstream.doubt != nil || s.upstream.late && !s.queue.idle() {
		return true
	}
	switch {
	case l.early != nil:
		return l.early.exchange.awaits()
	case verb != "ABOR" && s.queue.busy():
		return true
	case isBarrier(verb):
		return !s.queue.idle() || s.running()
	case logsIn(verb):
		return s.queue.awaitsPassword()
	case opensLeg(verb), verb == "REST": // an ABOR that goes ahead must not part REST from its transfer
		return s.running()
	case movesFile(verb):
		return s.running() || s.transfer != nil && s.transfer.owner.opening()
	}
	return false
}

// logsIn lists the commands of a login. None follows a password before its reply:
// failed ones are counted, and pipelined guesses would all reach the upstream.
func logsIn(verb string) bool { return verb == "USER" || verb == "PASS" || verb == "ACCT" }

// isBarrier lists the commands that change what all others mean. They wait
// until everything before them has been answered; a running transfer finishes
// first (QUIT: RFC 959 §4.1.1).
func isBarrier(verb string) bool {
	switch verb {
	case "AUTH", "CCC", "QUIT", "REIN":
		return true
	}
	return false
}
