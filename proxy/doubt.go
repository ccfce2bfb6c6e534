package proxy

import (
	"context"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// Whether a reply is still to come cannot always be known: an ABOR may share the
// transfer's, and a transfer may end without one. A question that the upstream
// certainly answers, sent behind, settles that: what else comes, comes before.
// Where a reply may be somebody's last word or the answer to what stands behind,
// it is withheld until a second question has told. No clock is asked: a reply
// given to the wrong command would shift all that follow.

// A doubt is a reply that may belong to either of two.
type doubt struct {
	reply ftpparse.Reply
	// maybe need not have a reply; nil: a transfer that was given up.
	maybe *exchange
	// certain stands behind it, and has one.
	certain *exchange
	// tells is the code that only the question has, which was sent last.
	tells int
}

// askForTheEnd asks NOOP when the upstream may have nothing more to say. For the end
// of a transfer the client waits in any case; for ABOR's reply when it has said
// something more.
func (s *session) askForTheEnd() error {
	transfer, abor := s.queue.uncertain()
	if !transfer && (!abor || s.client.head() == nil) {
		return nil
	}
	return s.ask(&exchange{command: ftpparse.Command{Verb: "NOOP"}, onReply: func(ctx context.Context, e *exchange, r ftpparse.Reply) error {
		if r.Class() != ftpparse.Preliminary {
			s.giveUp()
		}
		return swallow(ctx, e, r)
	}})
}

// giveUp ends a transfer of which the upstream has nothing more to say.
func (s *session) giveUp() {
	if !s.running() || !s.transfer.owner.sent.mumbled() {
		return
	}
	e := s.transfer.owner.sent
	e.stage, e.answer = stageHeld, replyBroken
	s.transfer.conclude(false)
	s.upstream.late = true // it may have answered NOOP while it was still at the file
	s.settle()
}

// withhold keeps a reply back that may be that of two, and asks whose it was. Kept
// is also one that nobody waits for any more.
func (s *session) withhold(r ftpparse.Reply) (kept bool, err error) {
	d := &doubt{reply: r}
	if d.maybe, d.certain = s.queue.sharers(r.Code); d.certain != nil {
		d.tells = 200 // askForTheEnd has asked
		s.upstream.doubt = d
		return true, nil
	}
	if d.maybe, d.certain = s.queue.rivals(r.Code, s.settled()); d.certain == nil {
		if !s.upstream.late || !endsBroken(r.Code) {
			return false, nil
		}
		d.certain = s.queue.first()
		// REST, RNFR and QUIT are not answered so, and what follows them must follow at once.
		if d.certain == nil || s.upstream.restart.pending != nil || s.policing.owed || s.work.quitting {
			s.dropLate(r)
			return true, nil
		}
	}
	question := "PWD"
	d.tells = 257
	switch canonical(d.certain.command.Verb) {
	case "PWD", "MKD":
		question, d.tells = "NOOP", 200
	}
	s.upstream.doubt = d
	return true, s.ask(&exchange{command: ftpparse.Command{Verb: question}, onReply: swallow})
}

// resolve tells, by the next reply, whose the one withheld was. If the question is
// answered already, there was one reply in front of it: that to the command which
// has one in any case.
func (s *session) resolve(ctx context.Context, next ftpparse.Reply) error {
	d := s.upstream.doubt
	if d == nil || next.Class() == ftpparse.Preliminary && d.certain.transfer == nil {
		return nil
	}
	s.upstream.doubt = nil
	switch {
	case next.Code == d.tells:
		if d.maybe != nil && !d.maybe.mumbled() { // else giveUp has a word for it
			d.maybe.swallow()
		}
		return s.give(ctx, d.certain, d.reply)
	case d.maybe != nil:
		return s.give(ctx, d.maybe, d.reply)
	default:
		s.dropLate(d.reply)
		return nil
	}
}

// dropLate takes the final reply to a transfer that was given up.
func (s *session) dropLate(r ftpparse.Reply) {
	s.upstream.late = false
	s.log.Info("late reply to a transfer", logCode(r.Code))
}
