package proxy

import (
	"context"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A REST holds for the next transfer (RFC 3659 §5.3). When that one never reaches
// the upstream, the REST must not hold for another: it is taken back.

// restarting is what the upstream knows of REST.
type restarting struct {
	pending *restart // nil: nothing that a transfer would begin behind
	// void: one that holds, and should not, is taken back in front of what could
	// use it.
	void bool
}

// A restart is a REST that the upstream has accepted, or has not answered.
type restart struct {
	former *restart // what holds should the upstream refuse this one
}

// onREST relays REST, and follows whether it is accepted.
func (s *session) onREST(c ftpparse.Command) error {
	if err := s.undoRestart(); err != nil {
		return err
	}
	r := &restart{former: s.upstream.restart.pending}
	s.upstream.restart.pending = r
	return s.ask(&exchange{command: c, onReply: func(ctx context.Context, e *exchange, reply ftpparse.Reply) error {
		switch reply.Class() {
		case ftpparse.Preliminary:
		case ftpparse.Transient, ftpparse.Permanent:
			s.upstream.restart.refused(r)
		default:
			r.former = nil
		}
		return s.relay(ctx, e, reply)
	}})
}

// refused forgets a REST. A transfer may have been sent meanwhile, or another REST.
func (y *restarting) refused(r *restart) {
	for p := &y.pending; *p != nil; p = &(*p).former {
		if *p == r {
			*p = r.former
			return
		}
	}
}

// dropRestart takes REST back, whose transfer the upstream never hears of. Between
// RNFR and RNTO nothing is said, since some upstreams then forget the RNFR: it is
// taken back later.
func (s *session) dropRestart() error {
	if s.upstream.restart.pending == nil {
		return nil
	}
	s.upstream.restart = restarting{void: true}
	if s.policing.owed {
		return nil
	}
	return s.undoRestart()
}

// undoRestart comes in front of what a void REST would hold for, and of another
// REST, which the upstream may refuse.
func (s *session) undoRestart() error {
	if !s.upstream.restart.void {
		return nil
	}
	s.upstream.restart.void = false
	return s.ask(&exchange{command: ftpparse.Command{Verb: "REST", Argument: "0", Space: true}, onReply: swallow})
}
