package proxy

import (
	"context"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// An upstreamLink is what a session has of its upstream: nothing, a connection
// under way, or a control connection and what was learnt over it.
type upstreamLink struct {
	connected chan connection // nil unless connecting
	control   *upstreamControl
	farewell  *ftpparse.Reply // its 421
	lost      bool
	// translating: something that we ask in the client's name, or for a decision,
	// is unanswered (PASV, PORT, PROT, PWD, a login by certificate). It may have to be
	// asked again in another form, or decides what comes next: nothing follows it yet.
	translating bool
	restart     restarting
	// late: a transfer was given up without its final reply, which may still come
	// as long as no other transfer has begun.
	late            bool
	doubt           *doubt // nil: whose each reply was is known
	passive, active form
	// representation is the latest TYPE that it accepted; "": none, so that its
	// default is in force. REIN and AUTH end it with the connection, another
	// USER leaves it as it is (RFC 959 §4.1.1).
	representation string
	advised        bool // the operator was told why the upstream refuses data connections
	unasked        bool // the log has a reply that nobody had asked for
}

// form is what is known of PASV and EPSV, or of PORT and EPRT: the extended one is
// offered by FEAT, and which of them was refused when asked.
type form struct{ offered, refusedOld, refusedExtended bool }

// extended is the form to ask in: the one that was not refused, else the old one
// unless the other is offered.
func (f *form) extended() bool {
	if f.refusedOld != f.refusedExtended {
		return f.refusedOld
	}
	return f.offered && !f.refusedExtended
}

// refuse notes a refusal, and tells whether the other form is worth asking.
func (f *form) refuse(extended bool) bool {
	if extended {
		f.refusedExtended = true
		return !f.refusedOld
	}
	f.refusedOld = true
	return !f.refusedExtended
}

func (u *upstreamLink) form(active bool) *form {
	if active {
		return &u.active
	}
	return &u.passive
}

// connection is what connecting yields.
type connection struct {
	control  *upstreamControl
	greeting ftpparse.Reply
	err      error
}

// replies is nil, and so never ready, while there is nobody to hear.
func (u *upstreamLink) replies() <-chan replyOrError {
	if u.control == nil || u.lost {
		return nil
	}
	return u.control.replies
}

// part says goodbye to the upstream and forgets it.
func (u *upstreamLink) part() {
	if u.control != nil {
		u.control.part()
		u.control = nil
	}
}

// leaveUpstream ends what the session has with its upstream. It comes when
// nothing is outstanding but, at most, an ABOR whose reply need not come.
func (s *session) leaveUpstream() {
	s.dropTransfer()
	s.upstream.part()
	s.upstream = upstreamLink{}
	s.queue = nil
	s.policing.forget()
}

// discard closes a connection that came when nobody wanted it any more.
func (u *upstreamLink) discard() {
	select {
	case c := <-u.connected:
		if c.control != nil {
			c.control.close()
		}
	default:
	}
}

// connect starts to reach the upstream. It is first needed at USER, so that
// scanners and failed handshakes cost it nothing.
func (s *session) connect(ctx context.Context) error {
	if err := s.enter(phaseConnecting); err != nil {
		return err
	}
	result := make(chan connection, 1)
	s.upstream = upstreamLink{connected: result}
	private := s.private()
	s.work.Go(func() {
		var c connection
		c.control, c.greeting, c.err = s.listener.reach(ctx, private)
		result <- c
	})
	return nil
}

// onConnected takes the upstream into the session.
func (s *session) onConnected(_ context.Context, c connection) error {
	s.upstream.connected = nil
	if c.err != nil {
		return c.err
	}
	s.upstream.control = c.control
	go c.control.read(c.control.begin())
	if c.greeting.Class() != ftpparse.Completion {
		r := s.worded(ftpparse.Command{}, ftpparse.NewReply(421, c.greeting.Text()))
		s.upstream.farewell = &r
		return atSide(sideUpstream, "greeting", errGreeting)
	}
	s.log.Debug("upstream connected", logUpstream(s.listener.Upstream.Config().Name), logAddress(c.control.tcp.RemoteAddr()))
	if err := s.enter(phaseLogin); err != nil {
		return err
	}
	return s.repeatDeferred()
}
