package proxy

import (
	"errors"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// The proxy's own replies are fixed sentences: what went wrong inside, with its
// hosts and paths, is for the log.
var (
	replyGoodbye     = ftpparse.NewReply(221, "Goodbye.")
	replyNotOffered  = ftpparse.NewReply(502, "Command not offered here.")
	replyUnknown     = ftpparse.NewReply(500, "Command not understood.")
	replyLogin       = ftpparse.NewReply(530, "Please log in with USER and PASS.")
	replyUseTLS      = ftpparse.NewReply(530, "TLS is required: AUTH TLS comes first.")
	replyClearLogin  = ftpparse.NewReply(530, "No login in clear text: REIN and AUTH TLS come first.")
	replyCleared     = ftpparse.NewReply(503, "Not after CCC: data connections keep their protection.")
	replyCertificate = ftpparse.NewReply(530, "The client certificate does not allow this login.")
	replyCertified   = ftpparse.NewReply(232, "User logged in, authorized by certificate.")
	replyElsewhere   = ftpparse.NewReply(504, "HOST differs from the name in the TLS handshake.")
	replyNoUser      = ftpparse.NewReply(503, "USER comes first.")
	replyNoOpening   = ftpparse.NewReply(425, "Use PASV, EPSV, PORT or EPRT first.")
	replyOpening     = ftpparse.NewReply(150, "Opening data connection.")
	replyNoPort      = ftpparse.NewReply(425, "No free port for a data connection, try again later.")
	replyCannotOpen  = ftpparse.NewReply(425, "Can't open data connection.")
	replyWrongLevel  = ftpparse.NewReply(521, "Data connections must be private: PROT P comes first.")
	replyHandshake   = ftpparse.NewReply(522, "TLS on the data connection failed.")
	replyUnproven    = ftpparse.NewReply(522, "The data connection must resume the TLS session of the control connection.")
	replyBroken      = ftpparse.NewReply(426, "Data connection broken; transfer aborted.")
	replyAborted     = ftpparse.NewReply(426, "Transfer aborted.")
	replyTooMany     = ftpparse.NewReply(421, "Too many sessions, try again later.")
	replyTooLarge    = ftpparse.NewReply(552, "The file is larger than is allowed; transfer aborted.")
	replyNoRNFR      = ftpparse.NewReply(503, "RNFR comes first.")
	replyLocalError  = ftpparse.NewReply(451, "Data connection to the server broken; transfer aborted.")
	replyIllegalPort = ftpparse.NewReply(500, "Illegal PORT command.")
	// The server's reason is in the log: the client can do nothing about it.
	replyCertificateFailed = ftpparse.NewReply(530, "The login by certificate failed.")
	replyEPSVAll           = ftpparse.NewReply(503, "Only EPSV after EPSV ALL.")
)

// maxMalformed is how many malformed lines in a row are answered.
const maxMalformed = 3

// malformedReply answers a line that is no command.
func malformedReply(err error) ftpparse.Reply {
	switch {
	case errors.Is(err, ftpparse.ErrLineTooLong):
		return ftpparse.NewReply(500, "Command line too long.")
	case errors.Is(err, ftpparse.ErrControlByte):
		return ftpparse.NewReply(501, "NUL and CR are not allowed inside a command.")
	case errors.Is(err, ftpparse.ErrTelnet):
		return ftpparse.NewReply(501, "Malformed Telnet sequence; write the byte 255 twice.")
	default:
		return replyUnknown
	}
}

// syntaxReply answers an argument that was not understood.
func syntaxReply(error) ftpparse.Reply {
	return ftpparse.NewReply(501, "Syntax error in the argument.")
}

// closingReply decides what the client hears at the end of a transfer: the
// upstream's final reply, unless the legs tell another story.
func closingReply(o outcome, final ftpparse.Reply) ftpparse.Reply {
	if o.err == nil || errors.Is(o.err, errAborted) || errors.Is(o.err, errRefused) {
		return final
	}
	switch class := final.Class(); {
	case errors.Is(o.err, errTooLarge):
		return replyTooLarge
	case o.err.Step == stepOpen && !saysMore(o.err.Side, final):
		return openFailure(o.err)
	case class == ftpparse.Transient, class == ftpparse.Permanent:
		return final
	case o.err.Side == sideUpstream:
		return replyLocalError
	default:
		return replyBroken
	}
}

// saysMore tells whether the upstream's reply explains why its own leg could not be
// opened: it may have changed its mind after the 150. That the leg has broken is
// nothing new, and its 522 speaks of our TLS and would be taken for the client's.
func saysMore(failed side, final ftpparse.Reply) bool {
	switch final.Code {
	case 425, 426, 522:
		return false
	}
	class := final.Class()
	return failed == sideUpstream && (class == ftpparse.Transient || class == ftpparse.Permanent)
}

// stepOpen is the step of a sideError from opening a leg, its handshake
// included.
const stepOpen = "open data connection"

// openFailure answers a transfer command whose legs could not be opened.
func openFailure(err error) ftpparse.Reply {
	switch {
	case errors.Is(err, errUnprovenSender):
		return replyUnproven
	case errors.Is(err, errDataHandshake):
		return replyHandshake
	default:
		return replyCannotOpen
	}
}
