package tlsterm

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// challengeRecord returns the owner of the challenge's TXT record, fully
// qualified, and its text (RFC 8555 §8.4).
func challengeRecord(c acmeChallenge) (owner, text string) {
	return dns.Fqdn(strings.ToLower(c.DNS01TXTRecordName())), c.DNS01KeyAuthorization()
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
