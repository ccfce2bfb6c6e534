package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// security is the session's FTP security layer (RFC 2228, RFC 4217), which ends
// here: none of its commands is relayed.
type security struct {
	binding    *tlsterm.Binding           // nil when the listener has no TLS
	newest     func() *tlsterm.Terminator // has the certificates in force now; may return nil
	negotiated bool                       // PBSZ was said
	level      ftpparse.ProtectionLevel
	facts      policy.TLS // about the control connection, for the policy
	// cleared: CCC ended TLS on the control connection; data connections keep
	// their level, and AUTH, PBSZ and PROT have had their time.
	cleared bool
}

// forget wipes what ties data connections to the session.
func (y *security) forget() {
	y.facts = policy.TLS{}
	if y.binding != nil {
		y.binding.Reset()
	}
}

// restart goes back to where the listener's sessions begin.
func (y *security) restart(mode TLSMode) {
	y.negotiated, y.cleared, y.level = false, false, ftpparse.ProtectionClear
	if mode == TLSImplicit {
		y.level = ftpparse.ProtectionPrivate
	}
}

// secure makes the control connection private. On failure nothing may be said
// any more: TLS was agreed on, so clear text must not follow.
func (s *session) secure(ctx context.Context) error {
	deadline := s.clock.login.Add(s.listener.limits.LoginTimeout)
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, errLoginTimeout)
	defer cancel()
	tcp := &handshakingConn{TCPConn: s.client.tcp}
	conn, err := s.security.binding.Control(ctx, tcp)
	tcp.ended = true
	if err != nil {
		s.client.mute = true
		return atSide(sideClient, "handshake", err)
	}
	s.client.use(conn, conn)
	s.security.facts = tlsFacts(conn.ConnectionState(), s.security.binding.Client())
	s.security.facts.SNI = s.client.sni() // in the one spelling that rules are about
	return nil
}

// unsecure ends TLS and goes on in clear text.
func (s *session) unsecure(ctx context.Context) error {
	if s.client.reader.Buffered() > 0 {
		return errTrailingData
	}
	ctx, cancel := context.WithTimeout(ctx, s.listener.limits.ReplyTimeout)
	defer cancel()
	conn, err := s.client.tls.Shutdown(ctx)
	if err != nil {
		s.client.mute = true
		return atSide(sideClient, "end TLS", err)
	}
	s.client.use(conn, nil)
	// Data connections still show the certificate, and the host is still the one
	// that the client has chosen.
	s.security.facts = policy.TLS{Certificate: s.security.facts.Certificate, SNI: s.security.facts.SNI}
	return nil
}

// onCCC goes back to clear text on the control connection, so that firewalls can
// read PASV and PORT (RFC 4217 §12.3); data connections stay as they are. Both
// sides end TLS with close_notify before a word is said in clear text. Where
// control is to be private, the login must be over: no password follows.
func (s *session) onCCC(ctx context.Context) error {
	switch {
	case !s.listener.TLS.AllowCCC:
		s.answer(ftpparse.NewReply(534, "The control connection stays private."))
		return nil
	case s.client.tls == nil:
		s.answer(ftpparse.NewReply(533, "The control connection is not private."))
		return nil
	case s.listener.TLS.Control == Require && s.phase != phaseReady:
		s.answer(ftpparse.NewReply(534, "The login stays private: CCC comes after it."))
		return nil
	case s.client.reader.Buffered() > 0:
		return errTrailingData // sent inside TLS, it would be answered in clear text
	}
	s.answer(ftpparse.NewReply(200, "The control connection goes on in clear text."))
	if err := s.flush(); err != nil {
		return err
	}
	s.security.cleared = true
	return s.unsecure(ctx)
}

// onAUTH starts explicit TLS (RFC 4217 §4). It comes when everything before it
// has been answered, and the client's reader is parked.
func (s *session) onAUTH(ctx context.Context, c ftpparse.Command) error {
	mechanism, err := ftpparse.ParseAUTH(c.Argument)
	switch {
	case s.listener.TLS.Mode == TLSOff:
		s.answer(replyNotOffered)
		return nil
	case s.security.cleared:
		s.answer(ftpparse.NewReply(534, "No TLS after CCC."))
		return nil
	case s.client.tls != nil:
		s.answer(ftpparse.NewReply(503, "TLS is in use already."))
		return nil
	case errors.Is(err, ftpparse.ErrMechanism):
		s.answer(ftpparse.NewReply(504, "Only AUTH TLS is offered."))
		return nil
	case err != nil:
		s.answer(syntaxReply(err))
		return nil
	case !s.certificates().Ready():
		s.answer(ftpparse.NewReply(431, "No certificate yet, try again later."))
		return nil
	case s.client.reader.Buffered() > 0:
		// The injection of CVE-2011-0411: commands sent in clear text behind AUTH
		// that a server would take for part of the private session.
		return errEarlyData
	}
	s.leaveUpstream()
	s.answer(ftpparse.NewReply(234, "Ready for TLS."))
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.enter(phaseSecuring); err != nil {
		return err
	}
	s.security.forget()
	s.security.binding.Adopt(s.certificates())
	s.logOut(account{host: s.account.host, deferred: s.account.deferred})
	if err := s.secure(ctx); err != nil {
		return err
	}
	s.reenlist() // the host may be another: SNI has named one
	s.security.restart(TLSExplicit)
	if mechanism == ftpparse.MechanismSSL {
		s.security.level = ftpparse.ProtectionPrivate
	}
	return s.enter(phaseOpen)
}

// certificates are those in force now: the session's configuration may be a former
// one, whose certificates nobody renews any more. A listener that has lost its TLS
// meanwhile keeps what it had.
func (s *session) certificates() *tlsterm.Terminator {
	if t := s.security.newest(); t != nil {
		return t
	}
	return s.listener.TLS.Terminator
}

// onPBSZ answers PBSZ; TLS has only one size (RFC 4217 §8).
func (s *session) onPBSZ(c ftpparse.Command) {
	switch _, err := ftpparse.ParsePBSZ(c.Argument); {
	case s.security.cleared:
		s.answer(replyCleared)
	case s.client.tls == nil:
		s.answer(ftpparse.NewReply(503, "AUTH TLS comes first."))
	case err != nil:
		s.answer(syntaxReply(err))
	default:
		s.security.negotiated = true
		s.answer(ftpparse.NewReply(200, "PBSZ=0"))
	}
}

// onPROT sets the protection level of later transfers (RFC 4217 §9).
func (s *session) onPROT(c ftpparse.Command) error {
	level, err := ftpparse.ParsePROT(c.Argument)
	switch {
	case s.security.cleared:
		s.answer(replyCleared)
	case s.client.tls == nil:
		s.answer(ftpparse.NewReply(503, "AUTH TLS comes first."))
	case !s.security.negotiated:
		s.answer(ftpparse.NewReply(503, "PBSZ comes first."))
	case err != nil:
		s.answer(ftpparse.NewReply(504, "Levels are C and P."))
	case level != ftpparse.ProtectionClear && level != ftpparse.ProtectionPrivate:
		s.answer(ftpparse.NewReply(536, "TLS offers the levels C and P."))
	case s.matchesLevel():
		return s.askPROT(level)
	default:
		s.agreePROT(level)
	}
	return nil
}

func (s *session) agreePROT(level ftpparse.ProtectionLevel) {
	s.security.level = level
	s.answer(levelReply(level))
}

func levelReply(level ftpparse.ProtectionLevel) ftpparse.Reply {
	return ftpparse.NewReply(200, fmt.Sprintf("Protection level is %s.", level))
}

// matchesLevel tells whether the upstream's data connections are to have the
// client's level, so that it must be asked.
func (s *session) matchesLevel() bool {
	u := s.upstream.control
	return u != nil && u.origin != nil && s.listener.Upstream.Config().TLS.Data == upstream.DataSame
}

// askPROT agrees on a level with the upstream first. Nothing follows before it
// has: which level a transfer has must not depend on who was quicker.
func (s *session) askPROT(level ftpparse.ProtectionLevel) error {
	private := level == ftpparse.ProtectionPrivate
	s.upstream.translating = true
	command := ftpparse.Command{Verb: "PROT", Argument: protLevel(private), Space: true}
	return s.ask(&exchange{command: command, onReply: func(_ context.Context, e *exchange, r ftpparse.Reply) error {
		switch r.Class() {
		case ftpparse.Preliminary:
			return nil
		case ftpparse.Completion:
			s.security.level, s.upstream.control.private = level, private
			e.conclude(levelReply(level))
		default:
			e.conclude(ftpparse.NewReply(534, "The server refuses this level."))
		}
		s.upstream.translating = false
		return nil
	}})
}

// onHOST answers HOST, which comes before login and agrees with SNI (RFC 7151).
func (s *session) onHOST(c ftpparse.Command) {
	host, err := ftpparse.ParseHOST(c.Argument)
	switch {
	case err != nil:
		s.answer(syntaxReply(err))
	case s.phase != phaseOpen:
		s.answer(ftpparse.NewReply(503, "HOST comes before USER."))
	case s.client.sni() != "" && s.client.sni() != host:
		s.answer(replyElsewhere)
	case s.listener.TLS.Terminator != nil && !s.certificates().Covers(host):
		s.answer(ftpparse.NewReply(504, "No such host here."))
	default:
		s.account.host = host
		s.reenlist()
		s.answer(ftpparse.NewReply(220, "Host accepted."))
	}
}

// isElsewhere tells that HOST, given before AUTH, is not the name of the TLS
// handshake, which it must be (RFC 7151 §3.2). Another HOST may mend it.
func (s *session) isElsewhere() bool {
	return s.account.host != "" && s.client.sni() != "" && s.account.host != s.client.sni()
}

// private tells whether the next transfer's client leg is under TLS.
func (s *session) private() bool {
	return (s.client.tls != nil || s.security.cleared) && s.security.level == ftpparse.ProtectionPrivate
}

// needsTLS tells whether the client must not log in as things are: in clear
// text before AUTH, or after CCC. An implicit listener's client gets there by
// CCC and REIN.
func (s *session) needsTLS() bool {
	tls := s.listener.TLS
	return tls.Mode != TLSOff && tls.Control == Require && s.client.tls == nil
}
