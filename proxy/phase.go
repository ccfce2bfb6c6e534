package proxy

import (
	"fmt"
	"slices"

	"go.uber.org/zap"
)

// phase is where a session stands.
type phase int

const (
	phaseOpening    phase = iota // accepted; implicit TLS is negotiated, nothing has been said
	phaseOpen                    // greeted; the upstream has not been needed yet
	phaseSecuring                // 234 was said; the TLS handshake runs
	phaseConnecting              // USER came; the upstream is dialled and its greeting awaited
	phaseLogin                   // the upstream is there, the user is not logged in
	phaseReady                   // logged in
	phaseClosing                 // nothing more is read
)

func (p phase) String() string {
	return [...]string{"opening", "open", "securing", "connecting", "login", "ready", "closing"}[p]
}

// steps lists the phases that may follow each phase. Every phase may also end
// in phaseClosing.
var steps = [...][]phase{
	phaseOpening:    {phaseOpen},
	phaseOpen:       {phaseSecuring, phaseConnecting},
	phaseSecuring:   {phaseOpen},
	phaseConnecting: {phaseLogin},
	phaseLogin:      {phaseReady, phaseOpen, phaseSecuring},
	phaseReady:      {phaseLogin, phaseOpen, phaseSecuring},
	phaseClosing:    {},
}

// enter is the only function that changes the phase. An illegal step is a bug
// of ours, and ends the session rather than leave it half changed.
func (s *session) enter(next phase) error {
	if next != phaseClosing && !slices.Contains(steps[s.phase], next) {
		return fmt.Errorf("%w: %s to %s", errIllegalStep, s.phase, next)
	}
	if ce := s.log.Check(zap.DebugLevel, "phase"); ce != nil {
		ce.Write(logPhase(next))
	}
	s.phase = next
	return nil
}
