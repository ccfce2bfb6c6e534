package ftpparse

import "bytes"

// The control connection is a Telnet connection (RFC 959 §3.3, RFC 854).
// Clients use this for one thing, the interrupt in front of ABOR; whatever else
// it allows is read past, so that it can neither hide a command nor reach the
// upstream.
const (
	telnetIAC  = 255 // the next byte is a Telnet command; twice: one literal 0xFF
	telnetDONT = 254 // WILL, WONT, DO and DONT (251 to 254) name an option
	telnetWILL = 251
	telnetSB   = 250 // options are negotiated from here to IAC SE
	telnetSE   = 240 // 240 to 249 stand alone: SE, NOP, DM, BRK, IP, AO, AYT, EC, EL, GA
)

// A telnetState is where a stream stands between Telnet sequences. The zero
// value is outside of any.
type telnetState uint8

const (
	telnetPlain     telnetState = iota
	telnetCommand               // after IAC
	telnetOption                // after WILL, WONT, DO or DONT
	telnetSub                   // inside SB
	telnetSubEscape             // after IAC inside SB
)

// A telnetRole says what a byte is.
type telnetRole uint8

const (
	telnetData telnetRole = iota // the byte belongs to the line
	telnetPart                   // the byte belongs to a Telnet sequence
	telnetBad                    // the byte breaks a Telnet sequence off, and belongs to the line
)

// next returns the state after b and what b was.
func (s telnetState) next(b byte) (telnetState, telnetRole) {
	switch s {
	case telnetCommand:
		return afterIAC(b)
	case telnetOption:
		return telnetPlain, telnetPart
	case telnetSub:
		if b == telnetIAC {
			return telnetSubEscape, telnetPart
		}
		return telnetSub, telnetPart
	case telnetSubEscape:
		switch b {
		case telnetSE:
			return telnetPlain, telnetPart
		case telnetIAC: // a literal 0xFF inside the negotiation
			return telnetSub, telnetPart
		}
		return telnetPlain, telnetBad
	case telnetPlain:
		if b == telnetIAC {
			return telnetCommand, telnetPart
		}
	}
	return telnetPlain, telnetData
}

// afterIAC is next for the byte behind an IAC.
func afterIAC(b byte) (telnetState, telnetRole) {
	switch {
	case b == telnetIAC:
		return telnetPlain, telnetData
	case b >= telnetWILL && b <= telnetDONT:
		return telnetOption, telnetPart
	case b == telnetSB:
		return telnetSub, telnetPart
	case b >= telnetSE && b < telnetSB:
		return telnetPlain, telnetPart
	}
	return telnetPlain, telnetBad
}

// stripTelnet appends line without its Telnet sequences to dst. It never
// overtakes what it reads, so dst may be line[:0]. Not ok is a sequence that is
// unknown, or that the line does not finish.
func stripTelnet(dst, line []byte) (stripped []byte, ok bool) {
	var state telnetState
	var role telnetRole
	for _, b := range line {
		state, role = state.next(b)
		switch role {
		case telnetData:
			dst = append(dst, b)
		case telnetBad:
			return nil, false
		case telnetPart:
		}
	}
	return dst, state == telnetPlain
}

// appendDoubled appends s with every 0xFF doubled, as RFC 854 asks for data.
func appendDoubled(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == telnetIAC {
			b = append(b, telnetIAC)
		}
		b = append(b, s[i])
	}
	return b
}

// hasTelnet reports whether line holds a byte that Telnet gives a meaning to.
func hasTelnet(line []byte) bool { return bytes.IndexByte(line, telnetIAC) >= 0 }
