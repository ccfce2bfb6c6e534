package ftpparse

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ErrMechanism: AUTH names a security mechanism that is not TLS. It is answered
// with 504 (RFC 2228 §3).
var ErrMechanism = errors.New("ftpparse: unknown security mechanism")

// A Mechanism is what AUTH asks for. Both are TLS; they differ in the level at
// which data protection starts.
type Mechanism int

// The mechanisms.
const (
	MechanismTLS Mechanism = iota // TLS or TLS-C: data starts clear (RFC 4217 §4)
	MechanismSSL                  // SSL or TLS-P, from before RFC 4217: data starts private
)

// ParseAUTH reads the argument of AUTH. [ErrMechanism] for the name of another
// mechanism, [ErrSyntax] when it is not a name.
func ParseAUTH(argument string) (Mechanism, error) {
	switch upper(argument) {
	case "TLS", "TLS-C":
		return MechanismTLS, nil
	case "SSL", "TLS-P":
		return MechanismSSL, nil
	}
	if argument == "" || strings.ContainsFunc(argument, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return 0, fmt.Errorf("%w: no mechanism", ErrSyntax)
	}
	return 0, ErrMechanism
}

// ParsePBSZ reads the argument of PBSZ: the size of a protected block in bytes,
// 0 to 2^32-1 (RFC 2228 §3). The error is [ErrSyntax].
func ParsePBSZ(argument string) (uint32, error) {
	size, err := strconv.ParseUint(argument, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: no buffer size", ErrSyntax)
	}
	return uint32(size), nil
}

// A ProtectionLevel is how data connections are protected (RFC 2228 §3). With
// TLS there are only clear and private (RFC 4217 §9).
type ProtectionLevel int

// The protection levels.
const (
	ProtectionClear ProtectionLevel = iota
	ProtectionSafe
	ProtectionConfidential
	ProtectionPrivate
)

// String returns the level as logs name it.
func (p ProtectionLevel) String() string {
	switch p {
	case ProtectionClear:
		return "clear"
	case ProtectionSafe:
		return "safe"
	case ProtectionConfidential:
		return "confidential"
	case ProtectionPrivate:
		return "private"
	}
	return "ProtectionLevel(" + strconv.Itoa(int(p)) + ")"
}

// ParsePROT reads the argument of PROT: C, S, E or P. Everything else is
// [ErrSyntax], answered with 504.
func ParsePROT(argument string) (ProtectionLevel, error) {
	switch upper(argument) {
	case "C":
		return ProtectionClear, nil
	case "S":
		return ProtectionSafe, nil
	case "E":
		return ProtectionConfidential, nil
	case "P":
		return ProtectionPrivate, nil
	}
	return 0, fmt.Errorf("%w: no protection level", ErrSyntax)
}

// ParseHOST reads the argument of HOST (RFC 7151 §3.1): a domain name, returned
// in lower case and without the dot of the root, or an IP address in brackets,
// returned as text without them. The error is [ErrSyntax].
func ParseHOST(argument string) (string, error) {
	if literal, ok := strings.CutPrefix(argument, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		addr, err := netip.ParseAddr(literal)
		if !ok || err != nil || addr.Zone() != "" {
			return "", fmt.Errorf("%w: no address in brackets", ErrSyntax)
		}
		return addr.String(), nil
	}
	name := strings.TrimSuffix(argument, ".")
	if !isDomain(name) {
		return "", fmt.Errorf("%w: no host name", ErrSyntax)
	}
	return strings.ToLower(name), nil // ASCII by now
}

// Limits of domain names (RFC 1035 §2.3.4).
const (
	maxDomain = 253
	maxLabel  = 63
)

// isDomain reports whether name is a domain name as RFC 7151 §3.1 spells it:
// labels of ASCII letters, digits and inner hyphens. An IPv4 address without
// brackets is one by its looks.
func isDomain(name string) bool {
	if len(name) > maxDomain {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel || strings.ContainsFunc(label, isNotLDH) {
			return false
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// isNotLDH reports whether r is neither an ASCII letter nor a digit nor a
// hyphen.
func isNotLDH(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
}
