package proxy

import (
	"context"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// dispatch decides what becomes of a command: answered here, translated, or
// relayed. What the proxy does not understand goes no further.
func (s *session) dispatch(ctx context.Context, l *line) error {
	c := l.command
	if passes, err := s.police(l); err != nil || !passes {
		return err
	}
	verb, known := ftpparse.Lookup(c.Verb)
	switch c.Verb {
	case "AUTH":
		return s.onAUTH(ctx, c)
	case "PBSZ":
		s.onPBSZ(c)
	case "PROT":
		return s.onPROT(c)
	case "HOST":
		s.onHOST(c)
	case "CCC":
		return s.onCCC(ctx)
	case "ADAT":
		s.answer(ftpparse.NewReply(503, "TLS needs no ADAT."))
	case "MIC", "CONF", "ENC":
		s.answer(ftpparse.NewReply(533, "TLS protects commands, not "+c.Verb+"."))
	case "SSCN", "CPSV", "LPRT", "LPSV", "ESTA", "ESTP":
		s.answer(replyNotOffered)
	case "USER", "PASS", "ACCT":
		return s.onLogin(ctx, l)
	case "REIN":
		return s.onREIN(ctx)
	case "QUIT":
		return s.onQUIT(ctx, c)
	case "FEAT":
		return s.onFEAT()
	case "PASV", "EPSV":
		return s.onPassive(ctx, c)
	case "PORT", "EPRT":
		return s.onActive(ctx, c)
	default:
		switch {
		case !known && !l.allowed:
			s.answer(replyUnknown)
		case s.upstream.control == nil:
			s.answer(s.replyAlone(c))
		case verb.Transfer != ftpparse.NoTransfer:
			return s.onTransferCommand(ctx, l, verb.Transfer)
		case c.Verb == "ABOR":
			return s.sendABOR(&exchange{command: c})
		case c.Verb == "TYPE":
			return s.onTYPE(c)
		default:
			return s.onPlain(c)
		}
	}
	return nil
}

// onPlain relays a command and its reply, and remembers what later ones need.
func (s *session) onPlain(c ftpparse.Command) error {
	e := &exchange{command: c}
	switch c.Verb {
	case "REST":
		return s.onREST(c)
	case "RNTO":
		s.policing.owed = false
	case "RNFR":
		s.policing.owed = true
		e.onReply = s.onRNFRReply(s.policing.renaming)
	}
	return s.ask(e)
}

// onLogin sees to it that no password crosses in clear text that need not, and
// that PASS and ACCT follow USER.
func (s *session) onLogin(ctx context.Context, l *line) error {
	switch {
	case s.needsTLS() && s.security.cleared:
		s.answer(replyClearLogin)
		return nil
	case s.needsTLS():
		s.answer(replyUseTLS)
		return nil
	case l.command.Verb == "USER" && s.isElsewhere():
		s.answer(replyElsewhere)
		return nil
	case l.command.Verb == "USER":
		return s.onUSER(ctx, l)
	case s.upstream.control == nil:
		s.answer(replyNoUser)
		return nil
	case s.isCertified():
		s.answer(s.replySuperfluous())
		return nil
	default:
		c := l.command
		c.Space = c.Space || c.Verb == "PASS" // without an argument it is an empty password
		return s.ask(&exchange{command: c, onReply: s.onLoginReply})
	}
}

// replyAlone answers while the upstream is not there: clients ask harmless
// questions before they log in, and some give up when one is refused.
func (s *session) replyAlone(c ftpparse.Command) ftpparse.Reply {
	switch c.Verb {
	case "NOOP":
		return ftpparse.NewReply(200, "NOOP ok.")
	case "SYST":
		return ftpparse.NewReply(215, "UNIX Type: L8")
	case "HELP":
		return ftpparse.NewReply(214, "Log in for the server's own help.")
	case "ABOR":
		return ftpparse.NewReply(225, "No transfer to abort.")
	case "CLNT", "LANG":
		s.postpone(c)
		return ftpparse.NewReply(200, "Noted.")
	case "OPTS":
		if !isUTF8Option(c.Argument) {
			return ftpparse.NewReply(501, "Options of the server can be set after login.")
		}
		s.postpone(c)
		return ftpparse.NewReply(200, "UTF8 noted.")
	}
	if s.needsTLS() {
		return replyUseTLS
	}
	return replyLogin
}

// opensLeg lists the commands that prepare a data connection.
func opensLeg(verb string) bool {
	switch verb {
	case "PASV", "EPSV", "PORT", "EPRT":
		return true
	}
	return false
}

// movesFile lists the commands that move a file or a listing.
func movesFile(verb string) bool {
	v, known := ftpparse.Lookup(verb)
	return known && v.Transfer != ftpparse.NoTransfer
}
