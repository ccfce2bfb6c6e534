package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// A session is one client from accept to close. Its goroutine, run, owns every
// field: readers and transfers post to it, only it decides, writes and changes.
type session struct {
	listener *settings
	log      *zap.Logger
	phase    phase

	client   *clientControl
	upstream upstreamLink
	queue    exchanges
	transfer *transfer // prepared or running; nil: none

	security security
	account  account
	policing policing
	clock    clock
	work     work
}

// work is what the session started and must await.
type work struct {
	sync.WaitGroup
	lingering chan struct{}
	ending    error // the session ends with this once the running transfer has
	malformed int
	quitting  bool            // QUIT is being answered: nothing after it counts
	leaving   atomic.Bool     // QUIT was read, it may still wait: the client may end its half
	drain     <-chan struct{} // closed when the proxy stops
	draining  bool
}

// maxOutstanding bounds how far a client may pipeline before we stop reading.
const maxOutstanding = 64

// run is the whole story of a session.
func (s *session) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer s.end(cancel)
	defer s.contain()
	err := s.open(ctx)
	for s.phase != phaseClosing && err == nil {
		select {
		case l := <-s.client.posts:
			err = s.onLine(ctx, l)
		case c := <-s.upstream.connected:
			err = s.onConnected(ctx, c)
		case r := <-s.upstream.replies():
			err = s.onReply(ctx, r)
		case e := <-s.transferEvents():
			err = s.onTransferEvent(e)
		case <-s.clock.timer.C:
			err = s.onTimer()
		case <-s.work.drain:
			err = s.onDrain()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err == nil {
			err = s.proceed(ctx)
		}
	}
	s.sayFarewell(err)
}

// open greets; on an implicit listener TLS comes before the first word.
func (s *session) open(ctx context.Context) error {
	if s.listener.TLS.Mode == TLSImplicit {
		if err := s.secure(ctx); err != nil {
			return err
		}
		s.security.level = ftpparse.ProtectionPrivate // unless PROT says otherwise: many clients assume it
	}
	if err := s.enter(phaseOpen); err != nil {
		return err
	}
	s.reenlist()
	go s.client.read(s.client.begin())
	if err := s.client.say(ftpparse.NewReply(220, s.listener.Greeting)); err != nil {
		return err
	}
	s.clock.heard()
	return s.proceed(ctx)
}

// contain keeps a mistake of ours within the session in which it shows: the others
// go on. A logger for development lets it end the program.
func (s *session) contain() {
	v := recover()
	if v == nil {
		return
	}
	s.log.DPanic("session panicked", logError(fmt.Errorf("%s: %v", s.phase, v)), zap.Stack("stack"))
	s.sayFarewell(fmt.Errorf("%w: %v", errPanic, v))
}

// end closes both control connections and awaits every goroutine.
func (s *session) end(cancel context.CancelCauseFunc) {
	s.phase = phaseClosing
	if s.transfer != nil {
		s.transfer.close()
		s.transfer.abandon(errSessionOver)
	}
	s.upstream.part()
	cancel(errSessionOver)
	s.client.part()
	s.clock.timer.Stop()
	s.work.Wait()
	s.upstream.discard()
	s.security.forget()
	s.policing.quota.leave()
}

// onLine takes a line from the client. proceed dispatches it.
func (s *session) onLine(_ context.Context, l line) error {
	if l.err != nil && !ftpparse.Recoverable(l.err) {
		return atSide(sideClient, "read command", l.err)
	}
	s.clock.heard()
	if l.err == nil && l.command.Verb == "QUIT" {
		s.work.leaving.Store(true)
	}
	s.client.parked = true
	s.client.lines = append(s.client.lines, &l)
	return nil
}

// proceed sends what may be sent, and dispatches the client's next command when
// nothing keeps it back.
func (s *session) proceed(ctx context.Context) error {
	for {
		if err := s.flush(); err != nil {
			return err
		}
		if s.work.ending != nil && !s.running() {
			return s.work.ending
		}
		l := s.client.head()
		if s.phase == phaseClosing || l == nil || s.mustWait(l) || s.paced(l) {
			break
		}
		if err := s.dispatchLine(ctx, s.client.take()); err != nil {
			return err
		}
	}
	if err := s.hurry(); err != nil {
		return err
	}
	s.readOn()
	s.clock.arm(s)
	return nil
}

// dispatchLine answers what is not a command, or needs nothing more, and dispatches
// the rest.
func (s *session) dispatchLine(ctx context.Context, l *line) error {
	if l.err == nil {
		s.work.malformed = 0
		if ce := s.log.Check(zap.DebugLevel, "command"); ce != nil {
			ce.Write(logCommand(l.command))
		}
		switch {
		case l.early != nil && l.early.reply.Code != 0:
			s.answer(l.early.reply)
		case l.early != nil:
		case movesFile(l.command.Verb) && s.client.aborted():
			return s.refuseTransfer(replyAborted)
		default:
			return s.dispatch(ctx, l)
		}
		return nil
	}
	s.work.malformed++
	if s.work.malformed > maxMalformed {
		return errMalformed
	}
	s.log.Info("malformed command", logError(l.err))
	s.answer(malformedReply(l.err))
	return nil
}

// flush writes the answers whose turn has come.
func (s *session) flush() error {
	for e := s.queue.next(); e != nil; e = s.queue.next() {
		if e.answer.Code == 0 {
			continue
		}
		if err := s.client.say(e.answer); err != nil {
			return err
		}
	}
	return s.askForTheEnd()
}

func swallow(_ context.Context, e *exchange, r ftpparse.Reply) error {
	if r.Class() != ftpparse.Preliminary {
		e.swallow()
	}
	return nil
}

// answer queues a reply of our own in its turn.
func (s *session) answer(r ftpparse.Reply) {
	e := &exchange{}
	e.conclude(r)
	s.queue.push(e)
}

// ask sends a command to the upstream and queues its exchange.
func (s *session) ask(e *exchange) error {
	s.queue.push(e)
	e.since, e.heard = time.Now(), false
	return s.upstream.control.send(e.command)
}

// resend asks again, in other words. Its turn among the upstream's replies is now
// the last: something of ours, or an ABOR, may have been sent meanwhile.
func (s *session) resend(e *exchange) error {
	s.queue.remove(e)
	return s.ask(e)
}

// onReply gives a reply to the exchange it answers.
func (s *session) onReply(ctx context.Context, r replyOrError) error {
	if r.err != nil {
		return s.onUpstreamLost(atSide(sideUpstream, "read reply", r.err))
	}
	if r.reply.Code == 421 {
		last := s.worded(ftpparse.Command{}, r.reply)
		s.upstream.farewell = &last
		return s.onUpstreamLost(atSide(sideUpstream, "session", errUpstreamEnds))
	}
	if r.reply.Class() == ftpparse.Protected {
		return s.onUpstreamLost(atSide(sideUpstream, "read reply", fmt.Errorf("%w (%d)", errProtected, r.reply.Code)))
	}
	if err := s.resolve(ctx, r.reply); err != nil {
		return err
	}
	if kept, err := s.withhold(r.reply); kept || err != nil {
		return err
	}
	e := s.queue.match(r.reply.Code, s.settled())
	if e == nil {
		s.logUnasked("reply to no command", r.reply.Code)
		return nil
	}
	return s.give(ctx, e, r.reply)
}

// give hands a reply to the exchange that it answers.
func (s *session) give(ctx context.Context, e *exchange, r ftpparse.Reply) error {
	s.queue.grant(e, r)
	if e.onReply != nil {
		return e.onReply(ctx, e, r)
	}
	return s.relay(ctx, e, r)
}

// relay passes a reply on. At most one preliminary reply per command is
// believed.
func (s *session) relay(_ context.Context, e *exchange, r ftpparse.Reply) error {
	r = s.worded(e.command, r)
	if r.Class() != ftpparse.Preliminary {
		e.conclude(r)
		return nil
	}
	if e.stage == stagePreliminary {
		s.logUnasked("second preliminary reply", r.Code)
		return nil
	}
	e.stage = stagePreliminary
	return s.client.say(r)
}

// logUnasked logs what an upstream says too much. Only the first is a warning: the
// log must not be the upstream's to fill.
func (s *session) logUnasked(what string, code int) {
	if s.upstream.unasked {
		s.log.Debug(what, logCode(code))
		return
	}
	s.upstream.unasked = true
	s.log.Warn(what, logCode(code))
}

// onUpstreamLost takes the end of the control connection or an unsolicited 421,
// which retires everything. Only a transfer whose final reply is here already
// is still carried to its end.
func (s *session) onUpstreamLost(err error) error {
	s.upstream.lost = true
	s.upstream.control.farewelled = true
	switch {
	case s.work.quitting:
		s.upstream.farewell = nil
		_ = s.client.say(replyGoodbye)
		return errQuit
	case s.finalIsHere():
		s.queue.retire()
		s.work.ending = err
		return nil
	default:
		return err
	}
}

// finalIsHere tells that a transfer still runs whose final reply has come.
func (s *session) finalIsHere() bool {
	return s.running() && s.transfer.owner.sent != nil && s.transfer.owner.sent.stage == stageHeld
}

// onDrain ends the session, after the running transfer if there is one.
func (s *session) onDrain() error {
	s.work.drain, s.work.draining = nil, true
	if s.running() {
		s.work.ending = errDraining
		return nil
	}
	return errDraining
}

// sayFarewell is the one place where a session's end is put into words.
func (s *session) sayFarewell(err error) {
	r, ok := farewell(err)
	if s.upstream.farewell != nil {
		r, ok = *s.upstream.farewell, true
	}
	if ok && !s.client.mute {
		_ = s.client.say(r)
	}
	fields := []zap.Field{logUser(s.account.user), logAfter(time.Since(s.clock.accepted).Round(time.Millisecond))}
	if errors.Is(err, tlsterm.ErrChallenge) {
		s.log.Info("ACME challenge answered")
		return
	}
	if errors.Is(err, errQuit) || errors.Is(err, io.EOF) && sideOf(err) == sideClient {
		s.log.Info("session ended", fields...)
		return
	}
	s.log.Warn("session ended", append(fields, logError(fmt.Errorf("%s: %w", s.phase, err)))...)
}
