package configs

import (
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// crossCheck finds what no block can know by itself: names that nobody
// defined, names defined twice, blocks that nobody uses, addresses that
// collide.
func (d *decoder) crossCheck() {
	s := d.settings
	upstreams := newRegister("upstream")
	for _, u := range s.Upstreams {
		d.define(upstreams, u.Config.Name, u.at)
	}
	certificates := newRegister("certificate")
	for _, c := range s.Certificates {
		d.define(certificates, c.Name, c.at)
	}
	for _, u := range s.Upstreams {
		if u.TLS.Certificate.Name != "" {
			d.use(certificates, u.TLS.Certificate)
			d.fromFiles(u.TLS.Certificate)
		}
		d.upstreamTLS(u)
	}
	policies := newRegister("policy")
	for _, p := range s.Policies {
		d.define(policies, p.Name, p.at)
	}
	listeners := newRegister("listener")
	for i, l := range s.Listeners {
		d.define(listeners, l.Config.Name, l.at)
		d.use(upstreams, l.Upstream)
		for _, ref := range l.Certificates {
			d.use(certificates, ref)
		}
		if l.Policy.Name != "" || l.Policy.at.Filename != "" {
			d.use(policies, l.Policy)
		}
		d.needsCertificate(l)
		d.clientsWithoutTLS(l)
		d.collides(l, s.Listeners[:i])
	}
	d.challengeAddresses()
	if d.diags.HasErrors() {
		// A mistake may be the reason why something is missing or unused.
		return
	}
	if len(s.Listeners) == 0 {
		d.errorf(hcl.Range{}, "No listener", "Nothing would run: the configuration needs at least one listener block.")
	}
	d.unused(upstreams)
	d.unused(certificates)
	d.unused(policies)
	d.shortIdle()
}

// register is all the names of one kind of block, in the order of the file.
type register struct {
	kind  string
	names []string
	at    map[string]hcl.Range
	used  map[string]bool
}

func newRegister(kind string) *register {
	return &register{kind: kind, at: map[string]hcl.Range{}, used: map[string]bool{}}
}

func (d *decoder) define(r *register, name string, at hcl.Range) {
	if first, again := r.at[name]; again {
		d.errorf(at, "Duplicate name", "There is already a %s %q at %s. Give this one another name.", r.kind, name, place(first))
		return
	}
	r.names = append(r.names, name)
	r.at[name] = at
}

func (d *decoder) use(r *register, ref Ref) {
	if _, ok := r.at[ref.Name]; ok {
		r.used[ref.Name] = true
		return
	}
	// A reference without a place was never read: that is reported already.
	if ref.at.Filename == "" || d.damaged {
		return
	}
	known := " There is no " + r.kind + " block at all."
	if len(r.names) > 0 {
		known = " Known are " + quoted(r.names) + "." + didYouMean(ref.Name, r.names)
	}
	d.errorf(ref.at, "Unknown "+r.kind, "There is no %s %q.%s", r.kind, ref.Name, known)
}

func (d *decoder) unused(r *register) {
	for _, name := range r.names {
		if !r.used[name] {
			d.warnf(r.at[name], "Unused "+r.kind, "Nothing uses the %s %q.", r.kind, name)
		}
	}
}

func (d *decoder) needsCertificate(l Listener) {
	off := l.Config.TLS.Mode == proxy.TLSOff
	switch {
	case off && len(l.Certificates) > 0:
		d.warnf(l.Certificates[0].at, "Certificate without TLS", "The listener %q has tls mode \"off\": its certificate is never shown.", l.Config.Name)
	case off:
		d.warnf(l.at, "No TLS", "The listener %q has tls mode \"off\": names, passwords and files cross the network in clear text.", l.Config.Name)
	case l.certificateAt.Filename == "" && !d.damaged:
		d.errorf(l.at, "Missing certificate", "The listener %q needs certificate = \"NAME\", the name of a certificate block, unless its tls mode is \"off\".", l.Config.Name)
	}
}

// collides reports a listener at an address that an earlier one will have
// taken. Port 0 never collides.
func (d *decoder) collides(l Listener, earlier []Listener) {
	for _, e := range earlier {
		if overlap(l.Config.Address, e.Config.Address) {
			d.errorf(l.addressAt, "Address in use", "The listener %q at %s listens at %q already.", e.Config.Name, place(e.addressAt), e.Config.Address)
			return
		}
	}
}

func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || isWildcard(hostA) || isWildcard(hostB) || sameIP(hostA, hostB)
}

// isWildcard: Go's net.Listen takes every unspecified address, of either
// family, for all addresses of the machine.
func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func sameIP(a, b string) bool {
	ipA, errA := netip.ParseAddr(a)
	ipB, errB := netip.ParseAddr(b)
	return errA == nil && errB == nil && ipA.Unmap() == ipB.Unmap()
}

// shortIdle warns below the five minutes that RFC 1123 §4.1.3.2 asks for.
func (d *decoder) shortIdle() {
	limits, ok := d.seen["limits"]
	if least := 5 * time.Minute; ok && d.settings.Limits.IdleTimeout < least {
		d.warnf(limits, "Short idle_timeout", "RFC 1123 §4.1.3.2 asks for at least 5 minutes; clients that pause between transfers lose their session after %s.", d.settings.Limits.IdleTimeout)
	}
}
