package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// ClientLogin says what clients' certificates have to do with logins. That they
// are asked for is up to the Terminator.
type ClientLogin struct {
	// Required: nobody logs in without a certificate, in clear text neither.
	Required bool
	// Names is the part of the certificate that says for which users it speaks;
	// tlsterm.NameFromNothing: the login is as without a certificate. A
	// certificate that speaks for nobody opens no login.
	Names tlsterm.NameFrom
	// Only: the certificate is the login. Its name replaces USER's, PASS is not
	// asked for (232, RFC 2228 §3), and the upstream gets Password.
	Only     bool
	Password tlsterm.Secret
}

// validate refuses what would reach the upstream as something else.
func (c *ClientLogin) validate() error {
	switch {
	case c == nil || !c.Only:
		return nil
	case c.Names == tlsterm.NameFromNothing:
		return errors.New("a certificate cannot be the login without naming the user")
	case c.Password.Empty():
		return errors.New("a login by certificate needs the password that the upstream gets")
	case strings.ContainsFunc(c.Password.Reveal(), isLineBreaking):
		return errors.New("the password for the upstream holds a control character, which would end the command")
	}
	return nil
}

func isLineBreaking(r rune) bool { return r < ' ' || r == 0x7f }

// certificate is what the client's certificate says; the zero value without one.
func (s *session) certificate() tlsterm.ClientCertificate {
	if s.security.binding == nil {
		return tlsterm.ClientCertificate{}
	}
	return s.security.binding.Client()
}

// loginName decides as whom a client that said USER may log in, before the
// upstream hears of it. certified: the certificate is the login.
func (s *session) loginName(typed string) (name string, certified, ok bool) {
	c := s.listener.TLS.Clients
	if c == nil {
		return typed, false, true
	}
	cert := s.certificate()
	if !cert.Present() || c.Names == tlsterm.NameFromNothing {
		return typed, false, cert.Present() || !c.Required
	}
	names := cert.Names(c.Names)
	switch {
	case slices.Contains(names, typed):
		return typed, c.Only, true
	case c.Only && len(names) > 0:
		return names[0], true, true
	}
	return "", false, false
}

// refuseLogin answers a USER that the certificate does not speak for. It counts
// as a failed login: names are not for guessing.
func (s *session) refuseLogin(typed string) {
	s.log.Info("login refused by certificate", logUser(typed))
	s.answer(replyCertificate)
	if s.phase != phaseReady {
		s.countFailure()
	}
}

// logInCertified gives the upstream the name of the certificate and, when it is
// asked for, the password. The client's next command waits: to the upstream it
// would come between the two.
func (s *session) logInCertified(name string) error {
	s.account.claimed = name
	s.upstream.translating = true
	return s.ask(&exchange{command: ftpparse.Command{Verb: "USER", Argument: name, Space: true}, onReply: s.onCertifiedReply})
}

func (s *session) onCertifiedReply(_ context.Context, e *exchange, r ftpparse.Reply) error {
	switch {
	case r.Class() == ftpparse.Preliminary:
		return nil
	case r.Code == 331 && e.command.Verb == "USER":
		if err := s.loginGoesOn(); err != nil {
			return err
		}
		e.command = ftpparse.Command{Verb: "PASS", Argument: s.listener.TLS.Clients.Password.Reveal(), Space: true}
		return s.resend(e)
	}
	s.upstream.translating = false
	if r.Code == 230 || r.Code == 232 || r.Code == 202 && e.command.Verb == "PASS" {
		e.conclude(replyCertified)
		return s.loggedIn()
	}
	s.log.Warn("login by certificate failed: the server does not take the name or login_password", logUser(s.account.claimed), logCode(r.Code))
	e.conclude(replyCertificateFailed)
	if s.phase == phaseReady {
		return s.enter(phaseLogin) // whoever was logged in: the server may have forgotten it
	}
	s.countFailure()
	return nil
}

// replySuperfluous answers PASS and ACCT: some clients send them in any case.
func (s *session) replySuperfluous() ftpparse.Reply {
	if s.phase == phaseReady {
		return ftpparse.NewReply(202, "The certificate was enough.")
	}
	return replyCertificateFailed
}

// isCertified tells whether the certificate is this client's login, so that PASS
// and ACCT are superfluous.
func (s *session) isCertified() bool {
	_, certified, ok := s.loginName(s.account.claimed)
	return ok && certified
}
