package tlsterm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// aliases follows CNAME records from the name of a challenge to where its record
// has to be: many have that name lead into a zone which programs may change, and
// the authority follows (RFC 8555 §8.4, RFC 1034 §3.6.2).
type aliases struct {
	// primary, if set, is the server that knows all of zone; other names are
	// asked of the resolvers.
	primary, zone string
	// resolvers are host:port; nil: those of this machine.
	resolvers []string
}

const (
	// maxAliases bounds how many CNAME records follow each other.
	maxAliases = 8
	// lookupTimeout bounds one question to a resolver.
	lookupTimeout = 5 * time.Second
	// resolvConf lists the resolvers of this machine.
	resolvConf = "/etc/resolv.conf"
)

// errNoAnswer reports that no resolver can be asked.
var errNoAnswer = errors.New("no resolver answers")

// follow returns the name at the end. If nobody can be asked about owner itself it
// is taken to be no alias, as most are not.
func (a aliases) follow(ctx context.Context, owner string) (string, error) {
	for name, hops := owner, 0; hops <= maxAliases; hops++ {
		target, err := a.target(ctx, name)
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case errors.Is(err, errNoAnswer) && name == owner, err == nil && target == "":
			return name, nil
		case err != nil:
			return "", err
		}
		name = target
	}
	return "", fmt.Errorf("more than %d CNAME records follow each other", maxAliases)
}

// target returns where name leads; "": it is no alias.
func (a aliases) target(ctx context.Context, name string) (string, error) {
	if strings.HasSuffix(name, ".localhost.") { // RFC 6761 §6.3
		return "", nil
	}
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeCNAME)
	for _, server := range a.servers(name) {
		reply, err := a.ask(ctx, m, server)
		if err != nil || reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
			continue
		}
		return targetIn(reply, name)
	}
	return "", fmt.Errorf("it is not known where %s leads: %w", name, errNoAnswer)
}

func (a aliases) ask(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error) {
	network := "udp"
	if server == a.primary {
		network = "tcp" // as the update
	}
	reply, err := askServer(ctx, &dns.Client{Net: network, Timeout: lookupTimeout}, m, server)
	if err == nil && reply.Truncated && network == "udp" {
		return askServer(ctx, &dns.Client{Net: "tcp", Timeout: lookupTimeout}, m, server)
	}
	return reply, err
}

func (a aliases) servers(name string) []string {
	switch {
	case a.primary != "" && dns.IsSubDomain(a.zone, name):
		return []string{a.primary}
	case a.resolvers != nil:
		return a.resolvers
	}
	config, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil
	}
	var list []string
	for _, server := range config.Servers {
		list = append(list, net.JoinHostPort(server, config.Port))
	}
	return list
}

// targetIn finds where name leads. What comes from the network becomes an argument
// of a program: only what could be a host's name is taken.
func targetIn(reply *dns.Msg, name string) (string, error) {
	i := slices.IndexFunc(reply.Answer, func(rr dns.RR) bool {
		_, ok := rr.(*dns.CNAME)
		return ok && strings.EqualFold(rr.Header().Name, name)
	})
	if i < 0 {
		return "", nil
	}
	target := strings.ToLower(reply.Answer[i].(*dns.CNAME).Target)
	if plain := strings.TrimSuffix(target, "."); !isHostName(plain) || strings.HasPrefix(plain, "-") || strings.HasPrefix(plain, "*") {
		return "", fmt.Errorf("%s leads to %q, which is no name for a record", name, target)
	}
	return target, nil
}
