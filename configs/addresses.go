package configs

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// localIP reads an address of this machine; "" lets the kernel choose.
func localIP(dst *netip.Addr) reader {
	return text(dst, "192.0.2.1", func(s string) (netip.Addr, error) {
		if s == "" {
			return netip.Addr{}, nil
		}
		ip, err := netip.ParseAddr(s)
		if err != nil || ip.IsUnspecified() {
			return netip.Addr{}, fmt.Errorf("%q is not an IP address of this machine, such as \"192.0.2.1\" or \"2001:db8::1\"", s)
		}
		return ip, nil
	})
}

// portRange reads "50000-50999" or a single port.
func portRange(dst *proxy.PortRange) reader {
	return text(dst, "50000-50999", func(s string) (proxy.PortRange, error) {
		first, last, two := strings.Cut(s, "-")
		if !two {
			last = first
		}
		a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
		b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
		if errA != nil || errB != nil || a == 0 {
			return proxy.PortRange{}, fmt.Errorf("%q is not a range of ports between 1024 and 65535, such as \"50000-50999\"", s)
		}
		r := proxy.PortRange{First: uint16(a), Last: uint16(b)}
		return r, r.Validate()
	})
}

// listenAddress reads what net.Listen takes: an optional host and a port, 0 for
// one that the kernel chooses.
func listenAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an address to listen at, such as \":21\", \"192.0.2.1:21\" or \"[2001:db8::1]:990\"", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q has no port between 0 and 65535", s)
	}
	if host != "" && !isHost(host) {
		return "", fmt.Errorf("%q is neither an IP address nor a host name", host)
	}
	return s, nil
}

// dialAddress reads host:port of a server.
func dialAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	n, errPort := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is not host:port, such as \"10.0.0.5:21\", \"ftp.internal:21\" or \"[2001:db8::5]:21\"", s)
	case !isHost(host):
		return "", fmt.Errorf("%q names no server: %q is neither an IP address nor a host name", s, host)
	case errPort != nil || n == 0:
		return "", fmt.Errorf("%q has no port between 1 and 65535", s)
	}
	return s, nil
}

// advertised reads passive.advertise.
func advertised(s string) (string, error) {
	if s == "auto" {
		return "", nil
	}
	if ip, err := netip.ParseAddr(s); err == nil && !ip.IsUnspecified() && ip.Zone() == "" {
		return s, nil
	} else if err == nil || !isHost(s) {
		return "", fmt.Errorf("%q is not what clients can be told to connect to; write \"auto\", an IP address such as \"203.0.113.7\", or a host name", s)
	}
	return s, nil
}

// isHost accepts IP addresses and host names (RFC 1123 §2.1, and the underscore
// that internal names often have).
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	// "10.0.0" and "10.0.0.256" are mistyped addresses, not names.
	return strings.ContainsFunc(labels[len(labels)-1], isNotDigit)
}

// domain reads a name of the DNS, which may end in a dot; labels may have an
// underscore.
func domain(s string) (string, error) {
	if host := strings.ReplaceAll(strings.TrimSuffix(s, "."), "_", "x"); !isHost(host) {
		return "", fmt.Errorf("%q is not a name of the DNS such as \"example.com.\"", s)
	}
	return s, nil
}

func isNotDigit(r rune) bool { return r < '0' || r > '9' }

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return isNotDigit(r) && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// networks reads a map from client networks to the addresses that they are
// told.
func networks(dst *map[netip.Prefix]netip.Addr) reader {
	return func(v cty.Value, _ hcl.Range) error {
		if !v.Type().IsObjectType() {
			return fmt.Errorf("the value must be a map such as { \"10.0.0.0/8\" = \"10.0.0.9\" }, not %s", kind(v.Type()))
		}
		elements := v.AsValueMap()
		if len(elements) == 0 {
			return nil
		}
		found := map[netip.Prefix]netip.Addr{}
		var wrong []error
		for _, key := range slices.Sorted(maps.Keys(elements)) {
			network, ip, err := toldAddress(key, elements[key])
			if _, twice := found[network]; err == nil && twice {
				err = fmt.Errorf("the network %s stands there twice", network)
			}
			wrong = append(wrong, err)
			found[network] = ip
		}
		*dst = found
		return errors.Join(wrong...)
	}
}

// toldAddress reads one entry of such a map.
func toldAddress(key string, element cty.Value) (netip.Prefix, netip.Addr, error) {
	network, err := clientNetwork(key)
	if err != nil {
		return network, netip.Addr{}, err
	}
	if element.IsNull() {
		return network, netip.Addr{}, fmt.Errorf("the network %s has no address", network)
	}
	s, err := asText(element, "10.0.0.9")
	if err != nil {
		return network, netip.Addr{}, err
	}
	// 227 has room for an IPv4 address only, and 229 for none (RFC 2428 §3).
	ip, err := netip.ParseAddr(s)
	if err != nil || !ip.Is4() || ip.IsUnspecified() {
		return network, netip.Addr{}, fmt.Errorf("%q is not an IPv4 address that clients in %s can be told to connect to", s, network)
	}
	return network, ip, nil
}

func clientNetwork(s string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return network, fmt.Errorf("%q is not a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"", s)
	case network != network.Masked():
		return network, fmt.Errorf("%q is an address inside a network; the network is %q", s, network.Masked())
	}
	return network, nil
}
