package tlsterm

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// takeOver returns who answers a challenge at an address at which nobody of ours is
// known to answer yet. The port may be ours all the same, under another spelling of
// the address, until the configuration before this one has gone: a listener for all
// addresses of the machine is kept, since nobody could bind a part of it beside it;
// those for single addresses give way to one for all, which answers for them.
func (c *Challenges) takeOver(ctx context.Context, challenge Challenge, address string) (*answering, error) {
	wanted, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%v cannot be answered at %s: %w", challenge, address, err)
	}
	var narrower []*answering
	for _, s := range c.all() {
		bound, ok := s.listener.Addr().(*net.TCPAddr)
		if !ok || !overlaps(bound, wanted) {
			continue
		}
		if s.challenge != challenge {
			return nil, fmt.Errorf("%v cannot be answered at %s, where %v is answered until now: a restart is needed", challenge, address, s.challenge)
		}
		if bound.IP.IsUnspecified() || bound.IP.Equal(wanted.IP) {
			return s, nil
		}
		narrower = append(narrower, s)
	}
	if len(narrower) == 0 {
		return listenForChallenges(ctx, challenge, address)
	}
	return c.widen(ctx, narrower, address)
}

// all lists the listeners, each once.
func (c *Challenges) all() []*answering {
	var list []*answering
	seen := map[*answering]bool{}
	for _, s := range c.open {
		if !seen[s] {
			list = append(list, s)
		}
		seen[s] = true
	}
	return list
}

// overlaps reports whether two listeners could not be open at once.
func overlaps(a, b *net.TCPAddr) bool {
	return a.Port == b.Port && (a.IP.Equal(b.IP) || isWildcard(a) || isWildcard(b))
}

func isWildcard(a *net.TCPAddr) bool { return a.IP == nil || a.IP.IsUnspecified() }

// widen closes listeners and has one for all addresses answer for them, too. If that
// cannot be had they are opened again.
func (c *Challenges) widen(ctx context.Context, narrower []*answering, address string) (*answering, error) {
	for _, s := range narrower {
		s.stop()
	}
	wide, err := listenForChallenges(ctx, narrower[0].challenge, address)
	for _, s := range narrower {
		next := wide
		if err != nil {
			again, lost := listenForChallenges(ctx, s.challenge, s.listener.Addr().String())
			if lost != nil {
				err = errors.Join(err, lost)
				continue // it answers nothing any more, and can still be released
			}
			next = again
		}
		c.replace(s, next)
	}
	return wide, err
}

// replace has next answer in place of s.
func (c *Challenges) replace(s, next *answering) {
	s.mu.Lock()
	moved := s.acme
	s.mu.Unlock()
	for _, a := range moved {
		next.add(a)
	}
	for key, other := range c.open {
		if other == s {
			c.open[key] = next
		}
	}
}
