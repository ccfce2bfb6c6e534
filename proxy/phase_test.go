package proxy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// legalSteps says it once more, by name, so that a step added to the table is
// added on purpose.
func legalSteps() map[phase]string {
	return map[phase]string{
		phaseOpening:    "open",
		phaseOpen:       "securing connecting",
		phaseSecuring:   "open",
		phaseConnecting: "login",
		phaseLogin:      "open securing ready",
		phaseReady:      "open securing login",
		phaseClosing:    "",
	}
}

func TestEnter(t *testing.T) {
	for from, names := range legalSteps() {
		legal := strings.Fields(names + " closing")
		for to := phaseOpening; to <= phaseClosing; to++ {
			s := &session{phase: from, log: zap.NewNop()}
			err := s.enter(to)
			if want := slices.Contains(legal, to.String()); want != (err == nil) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			switch {
			case err == nil && s.phase != to:
				t.Errorf("%s to %s leaves %s", from, to, s.phase)
			case err != nil && (s.phase != from || !errors.Is(err, errIllegalStep)):
				t.Errorf("%s to %s is refused with %v in %s", from, to, err, s.phase)
			}
		}
	}
}

func TestEveryPhaseHasItsStepsAndName(t *testing.T) {
	if len(steps) != int(phaseClosing)+1 || len(legalSteps()) != len(steps) {
		t.Fatalf("%d phases have steps", len(steps))
	}
	seen := map[string]bool{}
	for p := phaseOpening; p <= phaseClosing; p++ {
		seen[p.String()] = true
	}
	if len(seen) != len(steps) {
		t.Fatalf("%d names for %d phases", len(seen), len(steps))
	}
}
