package ftpparse

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// What is wrong with an argument or a text.
var (
	// ErrSyntax: it is not of the form that its command or code asks for. An
	// argument is answered with 501.
	ErrSyntax = errors.New("ftpparse: syntax error")

	// ErrFamily: it names a network protocol that is neither IPv4 nor IPv6. It
	// is answered with 522 (RFC 2428 §2).
	ErrFamily = errors.New("ftpparse: unknown network protocol")
)

// Network protocols as EPRT and EPSV name them (RFC 2428 §2, from the address
// family numbers).
const (
	familyIPv4 = "1"
	familyIPv6 = "2"
)

// ParsePORT reads "h1,h2,h3,h4,p1,p2" (RFC 959 §4.1.2): six decimal numbers up
// to 255 and nothing else. Whether the address may be dialled is the caller's
// to judge: it comes from a client, and may name any host (RFC 2577 §3).
func ParsePORT(argument string) (netip.AddrPort, error) {
	numbers, rest, ok := cutSix(argument, false)
	if !ok || rest != "" {
		return netip.AddrPort{}, fmt.Errorf("%w: not six numbers", ErrSyntax)
	}
	return numbers.addrPort()
}

// ParseEPRT reads "|1|10.0.0.1|2021|" or "|2|::1|2021|" with any delimiter
// (RFC 2428 §2). As with [ParsePORT], the address is the caller's to judge.
// [ErrFamily] when it is of neither family; else [ErrSyntax].
func ParseEPRT(argument string) (netip.AddrPort, error) {
	fields, err := splitDelimited(argument)
	if err != nil {
		return netip.AddrPort{}, err
	}
	family, host, number := fields[0], fields[1], fields[2]
	if family != familyIPv4 && family != familyIPv6 {
		if isNumber(family) {
			return netip.AddrPort{}, ErrFamily
		}
		return netip.AddrPort{}, fmt.Errorf("%w: no network protocol", ErrSyntax)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%w: no address", ErrSyntax)
	}
	// ::ffff:10.0.0.1 is an IPv4 address in the dress of the other family, and
	// would slip past whoever compares addresses.
	if addr.Is4() != (family == familyIPv4) || addr.Is4In6() {
		return netip.AddrPort{}, fmt.Errorf("%w: address of another network protocol", ErrSyntax)
	}
	port, err := parsePort(number)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr, port), nil
}

// An EPSVArgument is what an EPSV asks for (RFC 2428 §3).
type EPSVArgument int

// The arguments of EPSV.
const (
	EPSVAny EPSVArgument = iota // none: the family of the control connection
	EPSV1                       // IPv4
	EPSV2                       // IPv6
	EPSVAll                     // no other command will open data connections from now on
)

// ParseEPSV reads the argument of EPSV. [ErrFamily] for the number of another
// network protocol, else [ErrSyntax].
func ParseEPSV(argument string) (EPSVArgument, error) {
	switch {
	case argument == "":
		return EPSVAny, nil
	case argument == familyIPv4:
		return EPSV1, nil
	case argument == familyIPv6:
		return EPSV2, nil
	case upper(argument) == "ALL":
		return EPSVAll, nil
	case isNumber(argument):
		return EPSVAny, ErrFamily
	}
	return EPSVAny, fmt.Errorf("%w: no network protocol", ErrSyntax)
}

// Parse227 finds the address in a reply to PASV. RFC 959 does not say where in
// the text it stands or what surrounds it, so RFC 1123 §4.1.2.6 has clients
// look for the digits: the first six numbers with commas between them are
// taken, blanks after a comma allowed. Whether to believe the address is the
// caller's to judge. The error is [ErrSyntax].
func Parse227(r Reply) (netip.AddrPort, error) {
	if r.Code != 227 {
		return netip.AddrPort{}, fmt.Errorf("%w: code %d is not 227", ErrSyntax, r.Code)
	}
	for _, line := range r.Lines {
		numbers, ok := findSix(r.textOf(line))
		if !ok {
			continue
		}
		addr, err := numbers.addrPort()
		if err == nil && addr.Port() == 0 {
			err = fmt.Errorf("%w: port 0", ErrSyntax)
		}
		if err != nil {
			return netip.AddrPort{}, err
		}
		return addr, nil
	}
	return netip.AddrPort{}, fmt.Errorf("%w: 227 without six numbers", ErrSyntax)
}

// Parse229 finds the port in a reply to EPSV: "(|||2021|)" with any delimiter
// (RFC 2428 §3). Protocol and address, which have to be empty, are skipped when
// a server sends them; whatever stands around the parentheses is. The error is
// [ErrSyntax].
func Parse229(r Reply) (uint16, error) {
	if r.Code != 229 {
		return 0, fmt.Errorf("%w: code %d is not 229", ErrSyntax, r.Code)
	}
	for _, line := range r.Lines {
		for text := r.textOf(line); ; {
			_, after, found := strings.Cut(text, "(")
			if !found {
				break
			}
			if number, ok := cutExtended(after); ok {
				return parseServerPort(number)
			}
			text = after
		}
	}
	return 0, fmt.Errorf("%w: 229 without a port", ErrSyntax)
}

// Format227 returns the reply to PASV in the one form that every client
// understands. It has room for IPv4 only: with another address, the reply is
// the 425 that PASV over IPv6 deserves.
func Format227(a netip.AddrPort) Reply {
	host := a.Addr().Unmap()
	if !host.Is4() {
		return NewReply(425, "No IPv4 address for PASV; use EPSV.")
	}
	return NewReply(227, "Entering Passive Mode ("+sixNumbers(host, a.Port())+").")
}

// Format229 returns the reply to EPSV (RFC 2428 §3).
func Format229(port uint16) Reply {
	return NewReply(229, "Entering Extended Passive Mode (|||"+strconv.Itoa(int(port))+"|)")
}

// FormatPORT returns the PORT command that names a. PORT has room for IPv4
// only: for another address, the command is the EPRT that names it.
func FormatPORT(a netip.AddrPort) Command {
	host := a.Addr().Unmap()
	if !host.Is4() {
		return FormatEPRT(a)
	}
	return Command{Verb: "PORT", Argument: sixNumbers(host, a.Port()), Space: true}
}

// FormatEPRT returns the EPRT command that names a, without its zone, which
// means nothing to another host.
func FormatEPRT(a netip.AddrPort) Command {
	host, family := a.Addr().Unmap().WithZone(""), familyIPv6
	if host.Is4() {
		family = familyIPv4
	}
	argument := "|" + family + "|" + host.String() + "|" + strconv.Itoa(int(a.Port())) + "|"
	return Command{Verb: "EPRT", Argument: argument, Space: true}
}

// sixNumbers returns "h1,h2,h3,h4,p1,p2".
func sixNumbers(host netip.Addr, port uint16) string {
	b := make([]byte, 0, len("255,255,255,255,255,255"))
	for _, n := range host.As4() {
		b = append(strconv.AppendInt(b, int64(n), 10), ',')
	}
	b = append(strconv.AppendInt(b, int64(port>>8), 10), ',')
	return string(strconv.AppendInt(b, int64(port&0xFF), 10))
}

// six are the numbers of a PORT or a 227, as written, each capped at 256.
type six [6]int

// addrPort returns the numbers as an address, if each of them fits into a byte.
func (s six) addrPort() (netip.AddrPort, error) {
	var b [6]byte
	for i, n := range s {
		if n > 255 {
			return netip.AddrPort{}, fmt.Errorf("%w: number over 255", ErrSyntax)
		}
		b[i] = byte(n)
	}
	host := netip.AddrFrom4([4]byte(b[:4]))
	return netip.AddrPortFrom(host, uint16(b[4])<<8|uint16(b[5])), nil
}

// findSix returns the first six comma-separated numbers in text.
func findSix(text string) (six, bool) {
	for {
		i := strings.IndexAny(text, "0123456789")
		if i < 0 {
			return six{}, false
		}
		numbers, _, ok := cutSix(text[i:], true)
		if ok {
			return numbers, true
		}
		_, text, _ = cutNumber(text[i:]) // whole, lest a long number be read from each of its digits
	}
}

// cutSix reads six comma-separated numbers from the start of text and returns
// what follows. With blanks, blanks after a comma are skipped.
func cutSix(text string, blanks bool) (numbers six, rest string, ok bool) {
	for i := range numbers {
		if i > 0 {
			if text == "" || text[0] != ',' {
				return numbers, text, false
			}
			text = text[1:]
			if blanks {
				text = strings.TrimLeft(text, " \t")
			}
		}
		if numbers[i], text, ok = cutNumber(text); !ok {
			return numbers, text, false
		}
	}
	return numbers, text, true
}

// cutNumber reads a decimal number from the start of text, capped at 256.
func cutNumber(text string) (n int, rest string, ok bool) {
	i := 0
	for ; i < len(text) && isDigit(text[i]); i++ {
		n = min(n*10+int(text[i]-'0'), 256)
	}
	return n, text[i:], i > 0
}

// isDelimiter reports whether b may delimit the fields of EPRT and 229.
func isDelimiter(b byte) bool { return b >= 33 && b <= 126 }

// splitDelimited splits "|a|b|c|" into its three fields.
func splitDelimited(argument string) (fields [3]string, err error) {
	if argument == "" || !isDelimiter(argument[0]) {
		return fields, fmt.Errorf("%w: no delimiter", ErrSyntax)
	}
	delimiter, rest := argument[:1], argument[1:]
	for i := range fields {
		var found bool
		if fields[i], rest, found = strings.Cut(rest, delimiter); !found {
			return fields, fmt.Errorf("%w: not three fields", ErrSyntax)
		}
	}
	if rest != "" {
		return fields, fmt.Errorf("%w: more than three fields", ErrSyntax)
	}
	return fields, nil
}

// cutExtended reads "|||port|)" from the start of text.
func cutExtended(text string) (number string, ok bool) {
	if text == "" || !isDelimiter(text[0]) {
		return "", false
	}
	delimiter, rest := text[:1], text[1:]
	for range 3 {
		if number, rest, ok = strings.Cut(rest, delimiter); !ok {
			return "", false
		}
	}
	return number, isNumber(number) && strings.HasPrefix(rest, ")")
}

// isNumber reports whether s is a decimal number of any size.
func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// parsePort reads a decimal port, 0 to 65535.
func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%w: no port", ErrSyntax)
	}
	return uint16(port), nil
}

// parseServerPort reads the port that a server listens on.
func parseServerPort(s string) (uint16, error) {
	port, err := parsePort(s)
	if err == nil && port == 0 {
		err = fmt.Errorf("%w: port 0", ErrSyntax)
	}
	return port, err
}
