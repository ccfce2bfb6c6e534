package tlsterm

import (
	"crypto/x509"
	"fmt"
	"time"
)

// A Warner knows of something that is about to go wrong, or that has and is lived
// with. Warning says so in one line, which stays the same until something else is
// to be said; "" says that there is nothing. The sources made by [Files] and
// [SelfSigned] are, and [ClientAuthorities].
type Warner interface {
	Warning(now time.Time) string
}

// warnBefore is when a certificate that somebody has to replace is warned of; in
// the last quarter of its life if that comes later.
const warnBefore = 14 * 24 * time.Hour

// validNow reports whether a client whose clock is right finds the dates right.
func validNow(leaf *x509.Certificate, now time.Time) bool {
	return !now.Before(leaf.NotBefore) && !now.After(leaf.NotAfter)
}

// outOfDate says what is wrong with the dates of what; nil: nothing.
func outOfDate(what string, leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s expired on %s: renew it", what, stamp(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s is not valid before %s: wait, or set the clock right", what, stamp(leaf.NotBefore))
	}
	return nil
}

// validityWarning is for a certificate in use.
func validityWarning(what string, leaf *x509.Certificate, now time.Time) string {
	if err := outOfDate(what, leaf, now); err != nil {
		return err.Error() + "; it is shown all the same, and clients that verify it go away"
	}
	if now.After(leaf.NotAfter.Add(-min(warnBefore, leaf.NotAfter.Sub(leaf.NotBefore)/4))) {
		return fmt.Sprintf("%s expires on %s: renew it", what, stamp(leaf.NotAfter))
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
