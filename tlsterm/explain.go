package tlsterm

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode"

	"github.com/mholt/acmez/v3/acme"
)

// errNotMaintained answers certmagic's own timers: stewards do their work.
var errNotMaintained = errors.New("certificates are maintained by their stewards")

// errorText is an error that is nothing but its words.
type errorText string

func (e errorText) Error() string { return string(e) }

// maxProblem bounds what an authority, a program or a server may add to a line
// of the log.
const maxProblem = 600

// explain says in one line why an order failed and where to look.
func (k *steward) explain(err error) string {
	if refused, ok := errors.AsType[answerError](err); ok {
		return oneLine(refused.Error())
	}
	if problem, ok := errors.AsType[acme.Problem](err); ok {
		return oneLine(k.explainProblem(problem))
	}
	if k.isUnreached(err) {
		// The library's wrapping names its own types and the URL once more.
		failed, _ := errors.AsType[*url.Error](err)
		return oneLine(fmt.Sprintf("the authority %s cannot be reached: %v", k.authority(), cause(failed.Err)))
	}
	if failed, ok := errors.AsType[*solverError](err); ok {
		return oneLine(failed.Error())
	}
	return oneLine(k.unwrapped(err))
}

// isUnreached tells that the authority has not heard of the attempt.
func (k *steward) isUnreached(err error) bool {
	failed, ok := errors.AsType[*url.Error](err)
	_, refused := errors.AsType[answerError](err)
	return ok && !refused && hostOf(failed.URL) == k.authority()
}

// unwrapped leaves out what certmagic says about itself before and after an
// error.
func (k *steward) unwrapped(err error) string {
	text := err.Error()
	for _, prefix := range []string{
		k.name + ": obtaining certificate: ", k.name + ": renewing certificate: ",
		"[" + k.name + "] Obtain: ", "[" + k.name + "] Renew: ", "[" + k.name + "] ",
	} {
		text = strings.TrimPrefix(text, prefix)
	}
	return strings.TrimSuffix(text, " (ca="+k.acme.cfg.Directory+")")
}

// explainProblem puts a problem document (RFC 8555 §6.7) into words. What the
// authority says itself comes last: it has seen what we cannot.
func (k *steward) explainProblem(p acme.Problem) string {
	return k.ourWords(p) + ": " + theirWords(p)
}

// ourWords says what a type of problem means here.
func (k *steward) ourWords(p acme.Problem) string {
	challenge := k.acme.cfg.Challenge
	// Types of §6.7 mean something of the challenge only where one was validated: an
	// account can be unauthorized, too.
	if _, validating := p.Resource.(acme.Authorization); !validating && (p.Type == acme.ProblemTypeUnauthorized || p.Type == acme.ProblemTypeConnection) {
		return "the authority refuses"
	}
	switch p.Type {
	case acme.ProblemTypeConnection, acme.ProblemTypeTLS:
		if challenge == DNS01 {
			return "the authority cannot reach the zone's name servers"
		}
		return fmt.Sprintf("the authority cannot reach port %s of %s, where %v is asked; is it open and forwarded to %s",
			challenge.port(), k.name, challenge, k.acme.cfg.where())
	case acme.ProblemTypeUnauthorized, acme.ProblemTypeIncorrectResponse:
		if challenge == DNS01 {
			return fmt.Sprintf("the authority found another record than ours, or none, at _acme-challenge.%s", strings.TrimPrefix(k.name, "*."))
		}
		return fmt.Sprintf("somebody else answers at port %s of %s, where %v is asked", challenge.port(), k.name, challenge)
	case acme.ProblemTypeDNS:
		return fmt.Sprintf("the authority cannot look up %s in the DNS", k.name)
	case acme.ProblemTypeCAA:
		return fmt.Sprintf("the CAA record of %s does not allow this authority", k.name)
	case acme.ProblemTypeRateLimited:
		return "the authority's limits are reached"
	case acme.ProblemTypeExternalAccountRequired:
		return "the authority wants an external account: set eab"
	case acme.ProblemTypeRejectedIdentifier, acme.ProblemTypeUnsupportedIdentifier:
		return fmt.Sprintf("the authority issues nothing for %s", k.name)
	default:
		return "the authority refuses"
	}
}

// theirWords is what the authority says, with its details.
func theirWords(p acme.Problem) string {
	words := p.Detail
	if words == "" {
		words = p.Title
	}
	for _, sub := range p.Subproblems {
		words += fmt.Sprintf("; %s: %s", sub.Identifier.Value, sub.Detail)
	}
	return fmt.Sprintf("%s (%s)", words, strings.TrimPrefix(p.Type, "urn:ietf:params:acme:error:"))
}

// where tells at which address challenges are answered.
func (c ACMEConfig) where() string {
	if c.Address == "" {
		return "an implicit listener of this machine"
	}
	return c.Address + " of this machine"
}

// cause leaves out what the line says already.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// oneLine makes text of others fit for a line of a log.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ")
	if len(text) > maxProblem {
		text = strings.ToValidUTF8(text[:maxProblem], "") + "…"
	}
	return text
}
