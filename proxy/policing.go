package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// policing is where a session stands with its listener's policy.
type policing struct {
	current  func() *policy.Policy // the one in force now: reloads change it
	latest   *policy.Policy        // the one whose limits are in force
	place    place
	renaming *policy.Source // what RNFR named, while RNTO may follow
	owed     bool           // the upstream has a RNFR and no RNTO since
	// apart: since REST was relayed the client itself has said something that may
	// have moved it elsewhere.
	apart    bool
	commands int // given so far
	denied   int // of these
	quota    quota
}

// place is the upstream's working directory, as it says itself.
type place struct {
	directory string // "": not known
	current   bool   // nothing has been said since that may have changed it
}

// A ruling is what the policy has said of a line. It is asked once for each,
// though a line may be dispatched more than once.
type ruling struct {
	decided bool
	allowed bool      // a policy allows it, which is more than that it passes
	due     time.Time // by commands_per_second; zero: at once
	counted bool      // commands_per_second has seen it
}

// A dismissal ends a session with a reply of the policy's.
type dismissal struct {
	reply ftpparse.Reply
	why   string
}

func (d *dismissal) Error() string { return d.why }

// police asks the policy about a command, before anything of it is done. Not
// passing, it has been answered, or is held until the upstream has told where it
// stands.
func (s *session) police(l *line) (passes bool, err error) {
	if l.decided {
		return true, nil
	}
	p := s.policing.current()
	if p != s.policing.latest {
		s.reenlist()
	}
	if p == nil { // nobody follows what passes from here on
		s.policing.place.current, s.policing.renaming = false, nil
	}
	if p == nil || !policy.Governs(l.command.Verb) {
		l.decided = true
		return true, nil
	}
	if s.mustAskDirectory(p, l.command) {
		s.client.putBack(l)
		return false, s.askDirectory()
	}
	s.policing.commands++
	return s.rule(p, l)
}

// rule decides, and does what the decision asks for.
func (s *session) rule(p *policy.Policy, l *line) (passes bool, err error) {
	c := l.command
	q := s.request(c)
	d := s.decide(p, q)
	s.logDecision(c, d)
	if d.Action != policy.Allow {
		s.policing.denied++
	}
	if d.Passes() {
		if canonical(c.Verb) == "RNTO" && s.policing.renaming == nil && !d.Monitor {
			if err := s.release(); err != nil {
				return false, err
			}
			s.answer(replyNoRNFR)
			return false, nil
		}
		l.decided, l.allowed = true, d.Action == policy.Allow
		s.follow(c, q)
		return true, nil
	}
	return false, s.deny(c, d)
}

// decide asks the policy. Between a second USER and its password it is asked for
// both users: some upstreams go on serving the former one, who must not borrow
// the rights of a name.
func (s *session) decide(p *policy.Policy, q policy.Request) policy.Decision {
	d := p.Decide(q)
	if d.Action == policy.Allow && s.phase == phaseLogin && s.account.loggedIn && !isLogin(q.Command.Verb) {
		q.User = s.account.user
		return p.Decide(q)
	}
	return d
}

// deny answers in the upstream's place, which never hears of the command.
func (s *session) deny(c ftpparse.Command, d policy.Decision) error {
	reply := ftpparse.NewReply(d.Reply.Code, d.Reply.Text)
	verb := canonical(c.Verb)
	switch {
	case d.Action == policy.Disconnect:
		return &dismissal{reply, "the policy ends the session (rule " + d.Rule + ")"}
	case movesFile(c.Verb):
		return s.refuseTransfer(reply)
	case verb == "QUIT":
		s.work.leaving.Store(false) // it stays, and its end would be that of a file
	case verb == "RNTO", verb == "RNFR":
		if err := s.release(); err != nil {
			return err
		}
	}
	s.answer(reply)
	return nil
}

// release gives up a rename that will not come: no RNTO passes without another
// RNFR. Most upstreams simply keep the source. ProFTPD refuses nearly everything
// from then on as out of sequence; it is let go with a RNTO that names nothing.
// Other upstreams never see that one.
func (s *session) release() error {
	s.policing.renaming = nil
	if !s.policing.owed {
		return nil
	}
	s.policing.owed = false
	s.upstream.translating = true
	return s.ask(&exchange{command: ftpparse.Command{Verb: "PWD"}, onReply: func(_ context.Context, e *exchange, r ftpparse.Reply) error {
		switch {
		case r.Class() == ftpparse.Preliminary:
			return nil
		case e.command.Verb == "PWD" && (r.Code == 501 || r.Code == 503):
			e.command = ftpparse.Command{Verb: "RNTO"}
			s.policing.place.current = false // had it been asked before, it would not have told
			return s.resend(e)
		}
		s.upstream.translating = false
		e.swallow()
		return nil
	}})
}

// follow remembers of a command that passes what later decisions need.
func (s *session) follow(c ftpparse.Command, q policy.Request) {
	verb := canonical(c.Verb)
	s.policing.renaming = nil // RNTO follows RNFR at once (RFC 959 §4.1.3), or not at all
	if verb == "RNFR" {
		s.policing.renaming = &policy.Source{Argument: c.Argument, Directory: q.Directory}
	}
	if verb == "REST" {
		s.policing.apart = false
	}
	if s.upstream.control != nil && mayMove(verb) {
		s.policing.place.current, s.policing.apart = false, true
	}
}

// forget drops what was learnt of one upstream connection: the next begins
// elsewhere.
func (y *policing) forget() { y.place, y.renaming, y.owed, y.apart = place{}, nil, false, false }

// onRNFRReply takes the source back if the upstream has not taken it: what RNTO
// would rename then is not known (some keep the source before it).
func (s *session) onRNFRReply(source *policy.Source) func(context.Context, *exchange, ftpparse.Reply) error {
	return func(ctx context.Context, e *exchange, r ftpparse.Reply) error {
		class := r.Class()
		if class != ftpparse.Preliminary && class != ftpparse.Intermediate && s.policing.renaming == source {
			s.policing.renaming = nil
		}
		return s.relay(ctx, e, r)
	}
}

// canonical is the verb that an X-form stands for.
func canonical(verb string) string {
	if v, known := ftpparse.Lookup(verb); known {
		return v.Canonical
	}
	return verb
}

// mayMove lists the commands that may change the upstream's working directory,
// or its name. What the proxy does not know may do anything.
func mayMove(verb string) bool {
	switch verb {
	case "CWD", "CDUP", "SMNT", "SITE", "RNTO", "RMD", "RMDA", "USER", "PASS", "ACCT":
		return true
	}
	_, known := ftpparse.Lookup(verb)
	return !known
}

// mustAskDirectory tells whether the upstream has to be asked where it stands
// before the command can be decided. Nothing of ours may come between REST or
// RNFR and what follows them: a policy that arrives just there decides without.
func (s *session) mustAskDirectory(p *policy.Policy, c ftpparse.Command) bool {
	return s.phase == phaseReady && !s.policing.place.current &&
		(s.upstream.restart.pending == nil || s.policing.apart) && s.policing.renaming == nil &&
		c.Verb != "ABOR" && c.Verb != "QUIT" && !s.isProgressCheck(c) &&
		p.NeedsDirectory(s.request(c))
}

// isProgressCheck tells that a command only keeps a running transfer company. The
// upstream may answer PWD after the file, and an ABOR behind it would wait as long.
func (s *session) isProgressCheck(c ftpparse.Command) bool {
	return s.running() && (c.Verb == "NOOP" || c.Verb == "STAT" && c.Argument == "")
}

// askDirectory has the upstream say where it stands; the client does not see it.
// Commands wait meanwhile.
func (s *session) askDirectory() error {
	s.upstream.translating = true
	return s.ask(&exchange{command: ftpparse.Command{Verb: "PWD"}, onReply: func(_ context.Context, e *exchange, r ftpparse.Reply) error {
		if r.Class() == ftpparse.Preliminary {
			return nil
		}
		directory, err := ftpparse.Parse257(r)
		if err != nil {
			s.log.Info("working directory not known", logCode(r.Code), logError(err))
		}
		s.policing.place = place{directory: directory, current: true}
		s.upstream.translating = false
		e.swallow()
		return nil
	}})
}

// unsettled tells that the upstream still judges what a decision about the verb
// needs: who gives the command, what is renamed, in which type a file moves.
func (s *session) unsettled(verb string) bool {
	if s.policing.current() == nil || verb == "ABOR" {
		return false
	}
	for _, e := range s.queue {
		if !e.awaits() {
			continue
		}
		switch e.command.Verb {
		case "USER", "PASS", "ACCT":
			return true
		case "RNFR":
			if verb == "RNTO" {
				return true
			}
		case "TYPE":
			if movesFile(verb) {
				return true
			}
		}
	}
	return false
}

func isLogin(verb string) bool { return verb == "USER" || verb == "PASS" || verb == "ACCT" }

// request is the facts about a command.
func (s *session) request(c ftpparse.Command) policy.Request {
	q := policy.Request{
		Command: c, User: s.account.user, Client: peerAddr(s.client.tcp).Addr(),
		Session: policy.Session{
			Listener: s.listener.Name, Upstream: s.listener.Upstream.Config().Name,
			Host: s.hostName(), LoggedIn: s.phase == phaseReady,
			Commands: s.policing.commands, Denied: s.policing.denied,
		},
		TLS: s.security.facts, TransferType: typeName(s.upstream.representation), Time: time.Now(),
	}
	if s.policing.place.current {
		q.Directory = s.policing.place.directory
	}
	if s.policing.renaming != nil {
		q.RenameFrom = *s.policing.renaming
	}
	switch {
	case c.Verb == "USER":
		q.User = c.Argument
		if name, _, ok := s.loginName(c.Argument); ok {
			q.User = name // a certificate's may stand in for it
		}
	case s.phase != phaseReady:
		q.User = s.account.claimed
	}
	q.TLS.Data = dataLevel(s.private())
	if s.security.binding != nil {
		q.TLS.SessionReused = s.security.binding.LatestResumed()
	}
	return q
}

// tlsFacts is what the policy may know of a control connection's TLS.
func tlsFacts(cs tls.ConnectionState, c tlsterm.ClientCertificate) policy.TLS {
	f := policy.TLS{
		Active: true, Version: "1.2", Cipher: tls.CipherSuiteName(cs.CipherSuite), SNI: cs.ServerName,
		Certificate: policy.Certificate{
			Subject: c.Subject, CN: c.CommonName, Emails: c.Emails, DNS: c.DNSNames,
			Serial: c.Serial, Issuer: c.Issuer, SHA256: c.SHA256,
		},
	}
	if cs.Version == tls.VersionTLS13 {
		f.Version = "1.3"
	}
	return f
}

// hostName is the host that the client has named, in HOST or in its TLS hello.
func (s *session) hostName() string {
	if s.account.host != "" {
		return s.account.host
	}
	return s.security.facts.SNI
}

func dataLevel(private bool) string {
	if private {
		return "private"
	}
	return "clear"
}

// logDecision records every decision but a plain allow.
func (s *session) logDecision(c ftpparse.Command, d policy.Decision) {
	if d.Action == policy.Allow {
		return
	}
	fields := []zap.Field{logUser(s.request(c).User), logCommand(c), logAction(d.Action), logMode(d), logRule(d), logPlace(d.At)}
	if d.Detail != "" {
		fields = append(fields, logError(errors.New(d.Detail)))
	}
	if d.Monitor {
		s.log.Info("policy: would deny", fields...)
		return
	}
	s.log.Warn("policy: denied", fields...)
}

// worded puts the policy's text in place of the upstream's, where a rule says so.
func (s *session) worded(c ftpparse.Command, r ftpparse.Reply) ftpparse.Reply {
	p := s.policing.current()
	if p == nil {
		return r
	}
	if text, ok := p.ReplyText(c, r.Code); ok {
		return ftpparse.NewReply(r.Code, text)
	}
	return r
}

// neverAllowed tells whether a feature stands for a command that the policy
// denies outright: before the login, to everybody.
func (s *session) neverAllowed(f ftpparse.Feature) bool {
	p := s.policing.current()
	if p == nil {
		return false
	}
	name := strings.ToUpper(f.Name())
	if name == "SITE" {
		_, sub, _ := strings.Cut(f.Line, " ")
		sub, _, _ = strings.Cut(sub, " ")
		name += " " + strings.ToUpper(sub)
	} else if _, known := ftpparse.Lookup(name); !known {
		return false // TVFS, UTF8: no command
	}
	return p.NeverAllows(s.request(ftpparse.Command{}), name)
}
