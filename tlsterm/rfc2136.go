package tlsterm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/miekg/dns"
)

// RFC2136 puts the records of dns-01 into a zone by dynamic updates (RFC 2136),
// signed with TSIG (RFC 8945).
type RFC2136 struct {
	Server       string // the zone's primary server, host:port or host
	Zone         string
	KeyName      string // empty: unsigned, which few servers accept
	KeyAlgorithm string // one of [TSIGAlgorithms]
	Key          Secret // base64

	port string // where the zone's other servers listen; empty: 53
}

// recordTTL is for the records of challenges, in seconds: they are gone soon.
const recordTTL = 60

// TSIGAlgorithms lists the algorithms a key may be for. Those with MD5 and SHA-1
// are left out (RFC 8945 §6).
func TSIGAlgorithms() []string {
	return []string{"hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}
}

// Solver checks the settings.
func (r RFC2136) Solver() (acmez.Solver, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(r.Server); err != nil {
		r.Server = net.JoinHostPort(strings.Trim(r.Server, "[]"), "53")
	}
	if r.port == "" {
		r.port = "53"
	}
	r.Zone = dns.Fqdn(strings.ToLower(r.Zone))
	r.KeyName = strings.ToLower(r.KeyName)
	return newDNSSolver(&r, aliases{primary: r.Server, zone: r.Zone}), nil
}

func (r RFC2136) validate() error {
	if r.Server == "" {
		return errors.New("the name server is missing")
	}
	if _, ok := dns.IsDomainName(r.Zone); !ok || r.Zone == "" {
		return fmt.Errorf("%q is no zone", r.Zone)
	}
	if r.KeyName == "" {
		if !r.Key.Empty() {
			return errors.New("there is a key without a name: set key_name")
		}
		return nil
	}
	if _, ok := dns.IsDomainName(r.KeyName); !ok {
		return fmt.Errorf("%q is no key name", r.KeyName)
	}
	if !slices.Contains(TSIGAlgorithms(), r.KeyAlgorithm) {
		return fmt.Errorf("%q is no key algorithm: it must be one of %s", r.KeyAlgorithm, strings.Join(TSIGAlgorithms(), ", "))
	}
	if key, err := base64.StdEncoding.DecodeString(r.Key.Reveal()); err != nil || len(key) == 0 {
		return errors.New("the key is not in base64: give what stands behind \"secret\" in the key's file")
	}
	return nil
}

func (r *RFC2136) put(ctx context.Context, rec record) error {
	return r.update(ctx, "present", rec, (*dns.Msg).Insert)
}

func (r *RFC2136) remove(ctx context.Context, rec record) error {
	ctx, cancel := cleanupContext(ctx, dnsTimeout)
	defer cancel()
	return r.update(ctx, "remove", rec, (*dns.Msg).Remove)
}

func (r *RFC2136) update(ctx context.Context, what string, rec record, change func(*dns.Msg, []dns.RR)) error {
	fail := func(err error) error {
		return &solverError{what: what, how: "rfc2136 at " + r.Server, err: err}
	}
	if !dns.IsSubDomain(r.Zone, rec.owner) {
		return fail(fmt.Errorf("%s is not in the zone %s", rec.owner, r.Zone))
	}
	m := new(dns.Msg)
	m.SetUpdate(r.Zone)
	change(m, []dns.RR{&dns.TXT{
		Hdr: dns.RR_Header{Name: rec.owner, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: recordTTL},
		Txt: []string{rec.text},
	}})
	client := &dns.Client{Net: "tcp", Timeout: dnsTimeout}
	if r.KeyName != "" {
		client.TsigSecret = map[string]string{dns.Fqdn(r.KeyName): r.Key.Reveal()}
		m.SetTsig(dns.Fqdn(r.KeyName), dns.Fqdn(r.KeyAlgorithm), 300, time.Now().Unix())
	}
	reply, err := askServer(ctx, client, m, r.Server)
	switch {
	case reply != nil && reply.Rcode != dns.RcodeSuccess: // signed or not, it is a refusal
		return fail(r.refusal(reply))
	case err != nil:
		return fail(cause(err))
	}
	return nil
}

// refusal puts a response code into words (RFC 2136 §2.2, RFC 8945 §3).
func (r *RFC2136) refusal(reply *dns.Msg) error {
	code := reply.Rcode
	if t := reply.IsTsig(); t != nil && t.Error != 0 {
		code = int(t.Error)
	}
	words := map[int]string{
		dns.RcodeNotAuth: "the server is not the zone's primary, or does not know the key " + r.KeyName,
		dns.RcodeNotZone: "the server does not find the record's name in the zone " + r.Zone,
		dns.RcodeRefused: "the server does not let this key update the zone " + r.Zone,
		dns.RcodeBadSig:  "the server computes another signature: is the key the right one?",
		dns.RcodeBadKey:  "the server does not know the key " + r.KeyName + " or uses another algorithm with it",
		dns.RcodeBadTime: "the clocks of this machine and the server differ by more than five minutes",
	}
	if text, ok := words[code]; ok {
		return fmt.Errorf("%s (%s)", text, dns.RcodeToString[code])
	}
	return fmt.Errorf("the server answers %s", dns.RcodeToString[code])
}

// await returns when all servers of the zone that can be reached have the record:
// an authority asks any of them.
func (r *RFC2136) await(ctx context.Context, rec record) error {
	ctx, cancel := context.WithTimeout(ctx, dnsPatience)
	defer cancel()
	waitingFor := append([]string{r.Server}, r.others(ctx)...)
	for {
		waitingFor = slices.DeleteFunc(waitingFor, func(server string) bool {
			return r.has(ctx, server, rec)
		})
		if len(waitingFor) == 0 {
			return nil
		}
		select {
		case <-time.After(dnsPause):
		case <-ctx.Done():
			return &solverError{what: "find", how: strings.Join(waitingFor, ", "), err: errors.New("it has not arrived there; do the servers take over the zone from the primary?")}
		}
	}
}

// has reports whether server answers with the record. One that cannot be asked
// is not waited for: the authority may see it otherwise than we do. The primary
// has taken the update and can be.
func (r *RFC2136) has(ctx context.Context, server string, rec record) bool {
	reply, err := r.ask(ctx, server, rec.owner, dns.TypeTXT)
	if err != nil {
		return server != r.Server
	}
	return slices.ContainsFunc(reply.Answer, func(rr dns.RR) bool {
		txt, ok := rr.(*dns.TXT)
		return ok && slices.Equal(txt.Txt, []string{rec.text})
	})
}

// others returns the addresses of the zone's servers, as the primary lists them.
func (r *RFC2136) others(ctx context.Context) []string {
	reply, err := r.ask(ctx, r.Server, r.Zone, dns.TypeNS)
	if err != nil {
		return nil
	}
	var list []string
	for _, rr := range reply.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		for _, address := range r.addresses(ctx, ns.Ns) {
			if server := net.JoinHostPort(address, r.port); server != r.Server && !slices.Contains(list, server) {
				list = append(list, server)
			}
		}
	}
	return list
}

// addresses resolves a server's name: by the primary, which often is the only
// one to know it, or else by this machine's resolver.
func (r *RFC2136) addresses(ctx context.Context, host string) []string {
	var list []string
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, err := r.ask(ctx, r.Server, host, kind)
		if err != nil {
			continue
		}
		for _, rr := range reply.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				list = append(list, rr.A.String())
			case *dns.AAAA:
				list = append(list, rr.AAAA.String())
			}
		}
	}
	if len(list) == 0 {
		list, _ = net.DefaultResolver.LookupHost(ctx, strings.TrimSuffix(host, "."))
	}
	return list
}

func (r *RFC2136) ask(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), kind)
	m.RecursionDesired = false
	return askServer(ctx, &dns.Client{Net: "tcp", Timeout: 5 * time.Second}, m, server)
}
