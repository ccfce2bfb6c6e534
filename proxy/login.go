package proxy

import (
	"context"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// An account is who the client says it is, and what it asked for before the
// upstream was there.
type account struct {
	user     string
	claimed  string // the argument of the latest USER that the upstream did not refuse
	host     string // the argument of HOST
	loggedIn bool
	failures int // failed logins of the whole session
	// deferred holds the latest OPTS UTF8, CLNT and LANG; repeat, those which
	// the upstream refused before login.
	deferred []ftpparse.Command
	repeat   []ftpparse.Command
	epsvAll  bool // EPSV ALL was said
}

// onUSER relays USER; the first one connects to the upstream and waits.
func (s *session) onUSER(ctx context.Context, l *line) error {
	name, certified, ok := s.loginName(l.command.Argument)
	if !ok {
		s.refuseLogin(l.command.Argument)
		return nil
	}
	if s.upstream.control == nil {
		s.client.putBack(l)
		return s.connect(ctx)
	}
	if certified {
		return s.logInCertified(name)
	}
	return s.ask(&exchange{command: l.command, onReply: s.onLoginReply})
}

// onLoginReply follows the login through the replies to USER, PASS and ACCT.
func (s *session) onLoginReply(ctx context.Context, e *exchange, r ftpparse.Reply) error {
	class, claimed := r.Class(), s.account.claimed
	if e.command.Verb == "USER" && class != ftpparse.Preliminary {
		claimed = e.command.Argument
		if class == ftpparse.Completion || class == ftpparse.Intermediate {
			s.account.claimed = claimed // a name that is refused leaves the one before it
		}
	}
	switch {
	case class == ftpparse.Preliminary:
	case r.Code == 230, r.Code == 232, r.Code == 202 && e.command.Verb != "USER":
		if err := s.loggedIn(); err != nil {
			return err
		}
	case class == ftpparse.Intermediate:
		if err := s.loginGoesOn(); err != nil {
			return err
		}
	case s.phase == phaseLogin:
		s.log.Info("login failed", logUser(claimed), logCode(r.Code))
		s.countFailure()
	}
	return s.relay(ctx, e, r)
}

// countFailure counts a failed login. The last one that is allowed ends the session
// once it has been answered. Nothing takes one back: REIN, or a login with an account
// of one's own, would else buy a guesser tries.
func (s *session) countFailure() {
	s.account.failures++
	if s.account.failures >= s.listener.limits.LoginFailures {
		s.work.ending = errLoginFailures
	}
}

func (s *session) loggedIn() error {
	s.account.user = s.account.claimed
	s.log.Info("logged in", logUser(s.account.user))
	s.account.loggedIn = true
	if err := s.enlist(); err != nil {
		return err
	}
	if s.phase == phaseReady {
		return nil
	}
	if err := s.enter(phaseReady); err != nil {
		return err
	}
	for _, c := range s.account.repeat {
		if !s.mayRepeat(c) {
			continue
		}
		if err := s.ask(&exchange{command: c, onReply: swallow}); err != nil {
			return err
		}
	}
	s.account.repeat = nil
	return nil
}

// mayRepeat asks the policy again about a command that was given before the
// login: what a stranger may say, this user may not.
func (s *session) mayRepeat(c ftpparse.Command) bool {
	p := s.policing.current()
	return p == nil || p.Decide(s.request(c)).Passes()
}

// loginGoesOn: the upstream wants PASS or ACCT. A user who was logged in no
// longer is.
func (s *session) loginGoesOn() error {
	if s.phase == phaseLogin {
		return nil
	}
	return s.enter(phaseLogin)
}

// onREIN starts the session again: the user, TLS, PROT, HOST and the upstream
// are forgotten (RFC 959 §4.1.1, RFC 4217 §11). An implicit listener stays
// private, since it is so from its first byte.
func (s *session) onREIN(ctx context.Context) error {
	s.leaveUpstream()
	s.logOut(account{})
	if s.phase != phaseOpen {
		if err := s.enter(phaseOpen); err != nil {
			return err
		}
	}
	s.answer(ftpparse.NewReply(220, s.listener.Greeting))
	if err := s.flush(); err != nil {
		return err
	}
	defer s.reenlist() // SNI has gone with TLS
	defer s.security.restart(s.listener.TLS.Mode)
	if s.client.tls == nil {
		s.security.forget() // CCC left the data connections private
		return nil
	}
	if s.listener.TLS.Mode == TLSImplicit {
		return nil
	}
	defer s.security.forget()
	return s.unsecure(ctx)
}

// logOut forgets the user. Failed logins stay counted, and the time for a login
// begins anew only for those who had logged in: else REIN would buy a guesser
// tries, and a silent client time.
func (s *session) logOut(next account) {
	if s.account.loggedIn {
		s.clock.login = s.clock.spoken
	}
	next.failures = s.account.failures
	s.account = next
	s.reenlist()
}

// onQUIT comes when everything before it is answered.
func (s *session) onQUIT(ctx context.Context, c ftpparse.Command) error {
	s.work.quitting = true
	if s.upstream.control == nil {
		s.answer(replyGoodbye)
		s.work.ending = errQuit
		return nil
	}
	s.upstream.control.farewelled = true
	return s.ask(&exchange{command: c, onReply: func(_ context.Context, e *exchange, r ftpparse.Reply) error {
		if r.Class() == ftpparse.Preliminary {
			return nil
		}
		e.conclude(s.worded(e.command, r))
		s.work.ending = errQuit
		return nil
	}})
}

// postpone answers a command that the upstream cannot hear yet, and keeps it for
// later. One of each kind is kept.
func (s *session) postpone(c ftpparse.Command) {
	for i, d := range s.account.deferred {
		if d.Verb == c.Verb {
			s.account.deferred[i] = c
			return
		}
	}
	s.account.deferred = append(s.account.deferred, c)
}

// repeatDeferred says to the upstream what the client said before it was there.
// Some upstreams want it before USER, others refuse it until after login.
func (s *session) repeatDeferred() error {
	for _, c := range s.account.deferred {
		if !s.mayRepeat(c) {
			continue
		}
		err := s.ask(&exchange{command: c, onReply: func(ctx context.Context, e *exchange, r ftpparse.Reply) error {
			if c := r.Class(); c == ftpparse.Transient || c == ftpparse.Permanent {
				s.account.repeat = append(s.account.repeat, e.command)
			}
			return swallow(ctx, e, r)
		}})
		if err != nil {
			return err
		}
	}
	s.account.deferred = nil
	return nil
}
