package proxy

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// The session's half of a transfer: which commands start one, and what the
// client hears of its end.

func (s *session) newTransfer() *transfer {
	limits := s.listener.limits
	return newTransfer(s.security.binding, transferLimits{
		data: limits.DataTimeout, stall: limits.StallTimeout, lingering: s.work.lingering,
	})
}

// running tells that a transfer command is with the upstream.
func (s *session) running() bool { return s.transfer != nil && s.transfer.owner.sent != nil }

// settled tells that the running transfer's final reply is due. One that is over
// for the upstream, though it has said nothing final, is not due any more.
func (s *session) settled() bool {
	return s.transfer != nil && s.transfer.settled.Load() && !s.transfer.owner.mumbled
}

// transferEvents is nil, and so never ready, without a transfer.
func (s *session) transferEvents() <-chan eventKind {
	if s.transfer == nil {
		return nil
	}
	return s.transfer.events
}

// dropTransfer ends a prepared transfer and returns its port.
func (s *session) dropTransfer() {
	if s.transfer != nil {
		s.transfer.close()
		s.transferIsOver()
	}
}

// transferIsOver forgets the transfer, whose legs have ended or never began.
func (s *session) transferIsOver() {
	s.transfer = nil
	s.policing.quota.end()
}

// onTransferCommand comes twice: first the legs that we dial are opened, then
// the command goes upstream.
func (s *session) onTransferCommand(ctx context.Context, l *line, d ftpparse.Direction) error {
	t := s.transfer
	tls := s.listener.TLS
	switch {
	case t == nil:
		return s.refuseTransfer(replyNoOpening)
	case t.owner.ended:
		s.log.Info("transfer not opened", logCommand(l.command), logError(t.outcome.err))
		if t.owner.aborted {
			return s.refuseTransfer(replyAborted)
		}
		return s.refuseTransfer(openFailure(t.outcome.err))
	case t.owner.open:
		if err := s.undoRestart(); err != nil {
			return err
		}
		s.upstream.restart.pending = nil
		t.owner.sent = &exchange{command: l.command, transfer: t, onReply: s.onTransferReply}
		return s.ask(t.owner.sent)
	case tls.Mode != TLSOff && tls.Data == Require && !s.private():
		return s.refuseTransfer(replyWrongLevel)
	}
	s.work.Add(1)
	t.start(ctx, spec{
		command: l.command, upload: d == ftpparse.Upload, private: s.private(),
		required:   tls.Terminator != nil && tls.Terminator.RequiresResumption(),
		bounds:     s.policing.quota.begin(d == ftpparse.Upload),
		truncation: tls.Truncation, ended: s.controlEnded(), origin: s.upstream.control.dataOrigin(),
	}, s.work.Done)
	s.client.putBack(l)
	return nil
}

// controlEnded tells, for use by the transfer's goroutine, whether a side has
// ended its control connection. A client that said QUIT may.
func (s *session) controlEnded() func(side) bool {
	client, up, leaving := s.client.tcp, s.upstream.control.tcp, &s.work.leaving
	return func(which side) bool {
		if which == sideUpstream {
			return gone(up)
		}
		return gone(client) && !leaving.Load()
	}
}

// refuseTransfer answers a transfer command that the upstream never hears. A
// REST that was meant for it must not apply to the next one.
func (s *session) refuseTransfer(r ftpparse.Reply) error {
	s.dropTransfer()
	if err := s.dropRestart(); err != nil {
		return err
	}
	s.answer(r)
	return nil
}

// onTransferReply takes the upstream's replies to a transfer command.
func (s *session) onTransferReply(ctx context.Context, e *exchange, r ftpparse.Reply) error {
	t := e.transfer
	if e.stage == stageSent {
		t.owner.representation = s.upstream.representation
	}
	if r.Class() == ftpparse.Preliminary {
		if e.stage == stagePreliminary && t.failure.Load() != nil {
			// With it Pure-FTPd ends a download that broke off, and says nothing final.
			t.owner.mumbled = true
			return nil
		}
		s.upstream.late = false // one transfer after the other
		acknowledgeAtOnce(s.upstream.control.tcp)
		t.begin()
		return s.relay(ctx, e, r)
	}
	class := r.Class()
	switch {
	case t.owner.began && class != ftpparse.Completion && !t.opened.Load() && t.spec.origin == nil:
		// The client would come for nothing. (Under TLS the upstream's leg fails
		// by itself, and its failure says more than this reply.)
		t.abandon(errRefused)
	case t.owner.began:
	case class == ftpparse.Completion:
		t.implied.Store(true)
		t.begin()
	default:
		t.abandon(errRefused)
	}
	// The upstream's 226 is held back: relayed at once it can overtake the last
	// bytes of the file, and a client that trusts it would close too early.
	e.stage, e.answer = stageHeld, s.worded(e.command, r)
	t.conclude(class == ftpparse.Completion)
	s.settle()
	return nil
}

// onTransferEvent takes what the transfer's goroutine reports.
func (s *session) onTransferEvent(kind eventKind) error {
	t := s.transfer
	switch kind {
	case eventExpired:
		if !t.owner.started {
			s.log.Info("data connection not opened in time")
			s.dropTransfer()
		}
	case eventOpen:
		t.owner.open = true
	case eventUnannounced:
		return s.client.say(replyOpening)
	case eventEnded:
		t.owner.ended = true
		if t.owner.sent != nil {
			t.owner.sent.since = time.Now()
			s.settle()
		}
	}
	return nil
}

// settle ends the running transfer once its legs have ended and the upstream's
// final reply is here.
func (s *session) settle() {
	t := s.transfer
	e := t.owner.sent
	if !t.owner.ended || e.stage != stageHeld {
		return
	}
	r := closingReply(t.outcome, e.answer)
	s.logTransfer(t, r)
	e.conclude(r)
	s.transferIsOver()
	s.clock.heard()
}

func (s *session) logTransfer(t *transfer, r ftpparse.Reply) {
	fields := []zap.Field{
		logUser(s.account.user), logCommand(t.spec.command), logCode(r.Code), logType(t.owner.representation),
		logBytes(t.outcome.bytes), logAfter(time.Since(t.owner.at).Round(time.Millisecond)),
	}
	if t.outcome.truncated && t.spec.upload && t.spec.truncation == TruncationLog {
		s.log.Warn("upload ended without close_notify", logCommand(t.spec.command))
	}
	s.adviseOnReuse(t)
	if t.outcome.err != nil {
		s.log.Warn("transfer failed", append(fields, logError(t.outcome.err))...)
		return
	}
	s.log.Info("transfer", fields...)
}

// onTYPE relays TYPE and remembers what the upstream accepts, for the log: a file
// that was carried in ASCII differs from its original, and somebody may ask why.
func (s *session) onTYPE(c ftpparse.Command) error {
	return s.ask(&exchange{command: c, onReply: func(ctx context.Context, e *exchange, r ftpparse.Reply) error {
		if r.Class() == ftpparse.Completion {
			s.upstream.representation = c.Argument
		}
		return s.relay(ctx, e, r)
	}})
}

// adviseOnReuse tells the operator, once a session, of an upstream that refuses
// data connections because they do not resume the control connection's TLS
// session. vsftpd answers 522 then; ProFTPD 425, which has other causes too.
func (s *session) adviseOnReuse(t *transfer) {
	code := t.owner.sent.answer.Code
	if t.spec.origin == nil || !t.owner.began || s.upstream.advised {
		return
	}
	switch resumable := t.spec.origin.Resumable(); {
	case !resumable && (code == 522 || code == 425):
		s.log.Warn("the upstream refused a data connection, and it gave no TLS session ticket to resume. "+
			"If it insists on session reuse, let it speak TLS 1.3, or give tickets in TLS 1.2, or not insist: "+
			"sessions known by ID alone cannot be resumed", logCode(code))
	case code == 522:
		s.log.Warn("the upstream refused the TLS of a data connection, although there was a ticket to resume", logCode(code))
	default:
		return
	}
	s.upstream.advised = true
}

// sendABOR relays ABOR at once and breaks the legs off. Upstreams that stop by
// themselves are not kept from it; those that read ABOR only after the file
// (vsftpd) see the broken leg first. The replies are relayed as they come.
func (s *session) sendABOR(e *exchange) error {
	if s.running() {
		s.transfer.owner.aborted = true
		if s.transfer.owner.sent.awaits() {
			e.aborts = s.transfer.owner.sent
		}
		defer s.transfer.abandon(errAborted)
	}
	return s.ask(e)
}
