package proxy

import (
	"errors"
	"time"
)

// A clock is a session's one timer. It is set to whatever is due first; what
// that is follows from the session's state each time.
type clock struct {
	timer    *time.Timer
	armed    time.Time
	accepted time.Time
	login    time.Time // login_timeout runs from here: accept, or REIN
	spoken   time.Time // when the client last did something
}

func newClock(now time.Time) clock {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return clock{timer: t, accepted: now, login: now, spoken: now}
}

func (c *clock) heard() { c.spoken = time.Now() }

// arm sets the timer to the session's next deadline.
func (c *clock) arm(s *session) {
	due, _ := s.deadline()
	if due.Equal(c.armed) {
		return
	}
	c.armed = due
	c.timer.Reset(time.Until(due))
}

// deadline says when the session ends if nothing happens, and why.
func (s *session) deadline() (due time.Time, why error) {
	limits := s.listener.limits
	sooner := func(at time.Time, err error) {
		if due.IsZero() || at.Before(due) {
			due, why = at, err
		}
	}
	if !s.account.loggedIn {
		sooner(s.clock.login.Add(limits.LoginTimeout), errLoginTimeout)
	}
	behind := false // a transfer under way: some servers answer nothing until its end
	for _, e := range s.queue {
		switch {
		case !e.awaits() || e.optional():
		case e.overtakable():
			behind = true
			if e.transfer.owner.ended {
				sooner(e.finalSince().Add(limits.StallTimeout), errFinalTimeout)
			}
		case !behind:
			sooner(e.since.Add(limits.ReplyTimeout), errReplyTimeout)
		}
	}
	if l := s.client.head(); l != nil && !l.due.IsZero() && !s.mustWait(l) {
		sooner(l.due, errPaced) // when its turn alone keeps it back: nothing else is in the timer's hands
	}
	if s.queue.idle() && !s.running() {
		sooner(s.clock.spoken.Add(limits.IdleTimeout), errIdle)
	}
	if due.IsZero() { // a transfer runs: it has its own watch
		due = time.Now().Add(limits.IdleTimeout)
	}
	return due, why
}

// onTimer ends the session if its deadline has passed.
func (s *session) onTimer() error {
	s.clock.armed = time.Time{}
	due, why := s.deadline()
	if time.Now().Before(due) {
		return nil
	}
	if errors.Is(why, errPaced) {
		return nil
	}
	if errors.Is(why, errReplyTimeout) || errors.Is(why, errFinalTimeout) {
		return atSide(sideUpstream, "await reply", why)
	}
	return why
}
