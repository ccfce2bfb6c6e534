package tlsterm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// dnsTimeout bounds one exchange with a name server, a program or a web
	// service.
	dnsTimeout = 30 * time.Second
	// dnsPatience is how long a record may take to reach all name servers.
	dnsPatience = 2 * time.Minute
	// dnsPause lies between two looks whether it has.
	dnsPause = time.Second
	// lastMoments is what is left for taking records out again once the program
	// has been told to stop.
	lastMoments = 3 * time.Second
)

// A solverError says what could not be done to the record of a challenge. It
// names no secret.
type solverError struct {
	what string // "present", "clean up"
	how  string // "rfc2136 update at ns1:53"
	err  error
}

func (e *solverError) Error() string {
	return fmt.Sprintf("dns-01: cannot %s the record by %s: %v", e.what, e.how, e.err)
}

func (e *solverError) Unwrap() error { return e.err }

// A record is a TXT record that proves control of a name (RFC 8555 §8.4).
type record struct {
	owner string // fully qualified
	text  string
}

// A zone is where records can be put and taken out again.
type zone interface {
	put(ctx context.Context, r record) error
	remove(ctx context.Context, r record) error
}

// A watchedZone can tell when a record has reached everybody.
type watchedZone interface {
	zone
	await(ctx context.Context, r record) error
}

// A dnsSolver puts the records of challenges into a zone, where the authority's
// look-up ends: at the challenge's name or, if that is an alias, at the end of its
// CNAME records.
type dnsSolver struct {
	zone    zone
	aliases aliases

	mu     sync.Mutex
	placed map[record]record // by what was asked for
}

func newDNSSolver(z zone, a aliases) *dnsSolver {
	return &dnsSolver{zone: z, aliases: a, placed: map[record]record{}}
}

func challengeRecord(c acmeChallenge) record {
	return record{dns.Fqdn(strings.ToLower(c.DNS01TXTRecordName())), c.DNS01KeyAuthorization()}
}

// Present implements [acmez.Solver].
func (s *dnsSolver) Present(ctx context.Context, c acmeChallenge) error {
	asked := challengeRecord(c)
	owner, err := s.aliases.follow(ctx, asked.owner)
	if err != nil {
		return &solverError{what: "present", how: "the CNAME of " + asked.owner, err: err}
	}
	s.mu.Lock()
	s.placed[asked] = record{owner, asked.text}
	s.mu.Unlock()
	return s.zone.put(ctx, record{owner, asked.text})
}

// Wait implements [acmez.Waiter].
func (s *dnsSolver) Wait(ctx context.Context, c acmeChallenge) error {
	if z, ok := s.zone.(watchedZone); ok {
		return z.await(ctx, s.where(c))
	}
	return nil
}

// CleanUp implements [acmez.Solver]. The alias may lead elsewhere by now.
func (s *dnsSolver) CleanUp(ctx context.Context, c acmeChallenge) error {
	placed := s.where(c)
	s.mu.Lock()
	delete(s.placed, challengeRecord(c))
	s.mu.Unlock()
	return s.zone.remove(ctx, placed)
}

// where tells where the record of c was put.
func (s *dnsSolver) where(c acmeChallenge) record {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := challengeRecord(c)
	if placed, ok := s.placed[asked]; ok {
		return placed
	}
	return asked
}

// errHurried ends what would go on after the program was told to stop.
var errHurried = errors.New("given up, since the program has been told to stop")

// orderKey finds the context of an order in that of a cleanup, from which
// certmagic takes away that the order has ended.
type orderKey struct{}

func orderContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, orderKey{}, ctx)
}

// cleanupContext is for taking a record out, for which there is patience. It
// outlives an order that was given up: the record must go all the same. But then
// somebody waits for the end, and nobody waits for long.
func cleanupContext(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	order, ok := ctx.Value(orderKey{}).(context.Context)
	if !ok {
		order = ctx
	}
	cleaning, end := context.WithCancelCause(context.WithoutCancel(ctx))
	late := time.AfterFunc(patience, func() { end(context.DeadlineExceeded) })
	stop := context.AfterFunc(order, func() {
		select {
		case <-time.After(lastMoments):
			end(errHurried)
		case <-cleaning.Done():
		}
	})
	return cleaning, func() {
		stop()
		late.Stop()
		end(context.Canceled)
	}
}

// askServer asks a name server. The library minds the deadline of ctx, but not its
// end.
func askServer(ctx context.Context, client *dns.Client, m *dns.Msg, server string) (*dns.Msg, error) {
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	reply, _, err := client.ExchangeWithConnContext(ctx, m, conn)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return reply, err
}
