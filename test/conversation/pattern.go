package conversation

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// A token is a piece of a line as it is written in a script.
type token struct {
	kind    tokenKind
	literal []byte // only of literals
}

type tokenKind int

const (
	literal  tokenKind = iota
	anything           // *
	address            // {address}: h1,h2,h3,h4,p1,p2
	portPair           // {p1,p2}
	port               // {port}
)

// tokenize splits text at its wildcards and placeholders and resolves escapes
// and repetitions.
func tokenize(text string) ([]token, error) {
	var tokens []token
	for text != "" {
		var (
			t   token
			err error
		)
		t, text, err = nextToken(text)
		if err != nil {
			return nil, err
		}
		if n := len(tokens); t.kind == literal && n > 0 && tokens[n-1].kind == literal {
			tokens[n-1].literal = append(tokens[n-1].literal, t.literal...)
			continue
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

func nextToken(text string) (t token, rest string, err error) {
	switch text[0] {
	case '*':
		return token{kind: anything}, text[1:], nil
	case '\\':
		b, n, err := unescape(text)
		return token{literal: []byte{b}}, text[n:], err
	case '{':
		inner, rest, ok := strings.Cut(text[1:], "}")
		if !ok {
			return token{}, "", fmt.Errorf("no closing brace in %q", text)
		}
		t, err := placeholder(inner)
		return t, rest, err
	}
	return token{literal: []byte{text[0]}}, text[1:], nil
}

// unescape reads one escape at the start of text and says how long it is.
func unescape(text string) (b byte, n int, err error) {
	if len(text) < 2 {
		return 0, len(text), fmt.Errorf("a lone backslash")
	}
	switch text[1] {
	case 'r':
		return '\r', 2, nil
	case 'n':
		return '\n', 2, nil
	case 't':
		return '\t', 2, nil
	case '0':
		return 0, 2, nil
	case '\\', '*', '{':
		return text[1], 2, nil
	case 'x':
		if len(text) >= 4 {
			v, err := strconv.ParseUint(text[2:4], 16, 8)
			return byte(v), 4, err
		}
	}
	return 0, 2, fmt.Errorf("unknown escape %q", text[:2])
}

// placeholder reads what stands between braces.
func placeholder(inner string) (token, error) {
	switch inner {
	case "address":
		return token{kind: address}, nil
	case "p1,p2":
		return token{kind: portPair}, nil
	case "port":
		return token{kind: port}, nil
	}
	i := strings.LastIndexByte(inner, '*')
	if i < 1 {
		return token{}, fmt.Errorf("unknown placeholder {%s}", inner)
	}
	n, err := strconv.ParseUint(inner[i+1:], 10, 24)
	if err != nil {
		return token{}, fmt.Errorf("{%s} does not end in a count", inner)
	}
	unit, err := say(inner[:i], netip.AddrPort{})
	if err != nil {
		return token{}, err
	}
	return token{literal: bytes.Repeat(unit, int(n))}, nil
}

// say renders text for the wire. Placeholders become parts of here, the address
// at which the speaking side listens for data.
func say(text string, here netip.AddrPort) ([]byte, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	var b []byte
	for _, t := range tokens {
		switch t.kind {
		case literal:
			b = append(b, t.literal...)
			continue
		case anything:
			b = append(b, '*')
			continue
		case address, portPair, port:
		}
		if !here.IsValid() {
			return nil, fmt.Errorf("%q names an address, but this side does not listen", text)
		}
		b = appendAddress(b, t.kind, here)
	}
	return b, nil
}

func appendAddress(b []byte, kind tokenKind, here netip.AddrPort) []byte {
	if kind == port {
		return strconv.AppendUint(b, uint64(here.Port()), 10)
	}
	if kind == address {
		b = append(b, strings.ReplaceAll(here.Addr().Unmap().String(), ".", ",")...)
		b = append(b, ',')
	}
	return fmt.Appendf(b, "%d,%d", here.Port()>>8, here.Port()&0xff)
}

// A pattern is a line that must be heard.
type pattern struct {
	text  string
	kinds []tokenKind // of the captures, in order
	re    *regexp.Regexp
}

func parsePattern(text string) (*pattern, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	p := &pattern{text: text}
	var b strings.Builder
	for _, t := range tokens {
		switch t.kind {
		case literal:
			b.WriteString(regexp.QuoteMeta(latin1(t.literal)))
			continue
		case anything:
			b.WriteString(".*")
			continue
		case address:
			b.WriteString(`(\d+(?:,\d+){5})`)
		case portPair:
			b.WriteString(`(\d+,\d+)`)
		case port:
			b.WriteString(`(\d+)`)
		}
		p.kinds = append(p.kinds, t.kind)
	}
	p.re, err = regexp.Compile("(?s)^" + b.String() + "$")
	return p, err
}

// latin1 gives each byte a rune of its own, so that an expression can match
// lines that are not UTF-8.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// match says whether the line is the expected one. If it names an address,
// found is that address; a part that the line does not name comes from base.
func (p *pattern) match(line []byte, base netip.AddrPort) (found netip.AddrPort, ok bool) {
	m := p.re.FindStringSubmatch(latin1(line))
	if m == nil {
		return netip.AddrPort{}, false
	}
	for i, kind := range p.kinds {
		found, ok = parseAddress(kind, m[i+1], base.Addr())
		if !ok {
			return netip.AddrPort{}, false
		}
	}
	return found, true
}

func parseAddress(kind tokenKind, text string, host netip.Addr) (netip.AddrPort, bool) {
	if kind == port {
		n, err := strconv.ParseUint(text, 10, 16)
		return netip.AddrPortFrom(host, uint16(n)), err == nil
	}
	var octets []byte
	for _, f := range strings.Split(text, ",") {
		n, err := strconv.ParseUint(f, 10, 8)
		if err != nil {
			return netip.AddrPort{}, false
		}
		octets = append(octets, byte(n))
	}
	if kind == address {
		host = netip.AddrFrom4([4]byte(octets[:4]))
		octets = octets[4:]
	}
	return netip.AddrPortFrom(host, uint16(octets[0])<<8|uint16(octets[1])), true
}
