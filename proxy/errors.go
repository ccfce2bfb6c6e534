package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// side is one of the two parties that the proxy stands between.
type side int

const (
	sideClient side = iota
	sideUpstream
)

func (s side) String() string {
	if s == sideUpstream {
		return "upstream"
	}
	return "client"
}

// A sideError says which side failed and what we were doing with it.
type sideError struct {
	Side side
	Step string // "read reply", "handshake", "open data connection"
	Err  error
}

func (e *sideError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Side, e.Step, e.Err) }

func (e *sideError) Unwrap() error { return e.Err }

// atSide wraps err, keeping nil nil.
func atSide(s side, step string, err error) error {
	if err == nil {
		return nil
	}
	return &sideError{Side: s, Step: step, Err: err}
}

// What ends a session. Each has its sentence in farewell.
var (
	errQuit           = errors.New("the client said QUIT")
	errIdle           = errors.New("no command for too long")
	errLoginTimeout   = errors.New("login took too long")
	errLoginFailures  = errors.New("too many failed logins")
	errReplyTimeout   = errors.New("no reply in time")
	errFinalTimeout   = errors.New("no final reply after a transfer")
	errMalformed      = errors.New("too many malformed commands")
	errEarlyData      = errors.New("bytes arrived between AUTH and the TLS handshake")
	errTrailingData   = errors.New("commands arrived behind REIN or CCC inside TLS")
	errUpstreamEnds   = errors.New("the upstream ended the session")
	errDraining       = errors.New("the proxy is stopping")
	errGreeting       = errors.New("the upstream's greeting is no welcome")
	errPanic          = errors.New("a mistake of the proxy's own")
	errPaced          = errors.New("a command waits for its turn")
	errTooLarge       = errors.New("the transfer is larger than the policy allows")
	errSessionOver    = errors.New("the session is over")
	errIllegalStep    = errors.New("illegal step of a session's phase")
	errTooMany        = errors.New("too many sessions")
	errNoPort         = errors.New("no free passive port")
	errNoAddress      = errors.New("no address of that family to advertise")
	errNeverOpened    = errors.New("the data connection was not opened in time")
	errStalled        = errors.New("the transfer moved no byte for too long")
	errTruncated      = errors.New("the file ended without close_notify")
	errControlGone    = errors.New("the end of the file came from a peer whose control connection had ended")
	errAborted        = errors.New("the client said ABOR")
	errRefused        = errors.New("the upstream refused the transfer")
	errDataHandshake  = errors.New("data connection: TLS handshake")
	errUnprovenSender = errors.New("no data connection could show that it belongs to the session")
)

// farewell picks the last reply of a session, which tells the client what it
// may know and nothing else. False means that there is nobody to tell.
func farewell(err error) (ftpparse.Reply, bool) {
	if errors.Is(err, errQuit) {
		return ftpparse.Reply{}, false // 221 was said
	}
	if d, ok := errors.AsType[*dismissal](err); ok {
		return d.reply, true
	}
	text := ""
	switch {
	case errors.Is(err, errIdle):
		text = "Timeout: no command for too long."
	case errors.Is(err, errLoginTimeout):
		text = "Timeout: login took too long."
	case errors.Is(err, errLoginFailures):
		text = "Too many failed logins."
	case errors.Is(err, errReplyTimeout), errors.Is(err, errFinalTimeout):
		text = "The server did not answer in time."
	case errors.Is(err, errMalformed):
		text = "Too many malformed commands."
	case errors.Is(err, errEarlyData), errors.Is(err, errTrailingData):
		text = "Unexpected data around a change of TLS."
	case errors.Is(err, errDraining), errors.Is(err, context.Canceled):
		text = "Service is stopping."
	case errors.Is(err, errTooMany):
		text = "Too many sessions, try again later."
	case sideOf(err) == sideUpstream:
		text = "The server is not available."
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ftpparse.Reply{}, false
	default:
		text = "Service closing the control connection."
	}
	return ftpparse.NewReply(421, text), true
}

func sideOf(err error) side {
	var se *sideError
	if errors.As(err, &se) {
		return se.Side
	}
	return sideClient
}
