package tlsterm

import (
	"context"
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

// cleanupContext outlives an order that was given up: the record must go all the
// same.
func cleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), dnsTimeout)
}
