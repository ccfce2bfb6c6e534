package tlsterm

import "slices"

// The application protocols of FTP, as clients name them (RFC 7301; IANA's list
// of ALPN identifiers has "ftp", FileZilla and vsftpd use "ftp-data" beside it).
const (
	alpnControl = "ftp"
	alpnData    = "ftp-data"
	alpnHTTP11  = "http/1.1"
)

// chooseALPN picks the application protocol for a connection of the given kind
// from what the client offered: "" is none. It answers false when the hello was
// meant for another kind of server and has to be refused.
//
// Only "ftp" and "ftp-data" are ever picked. FileZilla also offers
// "x-filezilla-ftp", and once that is picked it demands rules of its own.
// "acme-tls/1", which a certificate authority offers alone, is dealt with before
// (attempt.challenge); where nothing is asked for, it is one more foreign
// protocol.
func (c Config) chooseALPN(offered []string, k kind) (proto string, ok bool) {
	if len(offered) == 0 {
		return "", true
	}
	if k != kindControl && slices.Contains(offered, alpnData) {
		return alpnData, true
	}
	// On a data connection, too: a client that offers nothing but "ftp" there
	// means FTP, and what it must not be handed is a protocol it did not offer.
	if slices.Contains(offered, alpnControl) {
		return alpnControl, true
	}
	if len(offered) == 1 && offered[0] == alpnHTTP11 {
		return "", c.AllowHTTP11
	}
	return "", false
}
