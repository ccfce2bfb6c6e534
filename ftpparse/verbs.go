package ftpparse

import (
	"iter"
	"slices"
)

// An ArgumentKind says what a verb takes, and which part of that is a path.
type ArgumentKind int

// The kinds of arguments. "Path" runs to the end of the line, blanks included,
// unless it says otherwise.
const (
	ArgumentNone           ArgumentKind = iota // nothing
	ArgumentOptional                           // words, or nothing
	ArgumentRequired                           // words
	ArgumentPath                               // a path
	ArgumentOptionalPath                       // a path; without one, the working directory
	ArgumentOptionsPath                        // options ("-la") if servers take them so, then an optional path
	ArgumentTimePath                           // a path; with 14 digits and a blank in front, the path's time is to be set
	ArgumentWordPath                           // one word without blanks (a time, facts), a blank, a path
	ArgumentDimensionsPath                     // three words (format, width, height), a path
	ArgumentRangePath                          // a path, in quotes when it has blanks, then optionally first and last byte
	ArgumentPaths                              // several paths, in quotes when they have blanks
)

// HasPath reports whether arguments of this kind may hold a path.
func (k ArgumentKind) HasPath() bool { return k >= ArgumentPath }

// A Direction says whether a verb opens a data connection, and what it carries.
type Direction int

// The directions, as the client sees them.
const (
	NoTransfer Direction = iota
	Download             // a file, from the server
	Upload               // a file, to the server
	Listing              // names, from the server
)

// A Verb is what is known of a command without looking at its argument.
type Verb struct {
	// Name is the verb in upper case, Canonical the plain verb that an X-form
	// stands for ("MKD" for "XMKD", RFC 1123 §4.1.3.1), else Name.
	Name, Canonical string

	// Argument is what has to follow.
	Argument ArgumentKind

	// Transfer is what the data connection carries that the verb opens.
	Transfer Direction

	// BeforeLogin says that the verb makes sense before a user has logged in:
	// it is part of logging in or of securing the connection, or is about the
	// server and not its files.
	BeforeLogin bool

	// Secret says that the argument is a password or may hold one, so that it
	// never is shown.
	Secret bool
}

// registry are the known verbs, sorted by name: those of the registry that RFC
// 5797 began (its RFCs are 959, 775, 1639, 2228, 2389, 2428, 2640, 3659, 4217,
// 7151), and the extensions in use without one. The mail commands of old, and
// RFC 5797's pseudo-verbs, are left out.
var registry = [...]Verb{
	{Name: "ABOR", Canonical: "ABOR", Argument: ArgumentNone},
	{Name: "ACCT", Canonical: "ACCT", Argument: ArgumentRequired, BeforeLogin: true, Secret: true},
	{Name: "ADAT", Canonical: "ADAT", Argument: ArgumentRequired, BeforeLogin: true, Secret: true},
	{Name: "ALLO", Canonical: "ALLO", Argument: ArgumentRequired},
	{Name: "APPE", Canonical: "APPE", Argument: ArgumentPath, Transfer: Upload},
	{Name: "AUTH", Canonical: "AUTH", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "AVBL", Canonical: "AVBL", Argument: ArgumentOptionalPath},
	{Name: "CCC", Canonical: "CCC", Argument: ArgumentNone, BeforeLogin: true},
	{Name: "CDUP", Canonical: "CDUP", Argument: ArgumentNone},
	{Name: "CLNT", Canonical: "CLNT", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "COMB", Canonical: "COMB", Argument: ArgumentPaths},
	{Name: "CONF", Canonical: "CONF", Argument: ArgumentRequired, BeforeLogin: true, Secret: true},
	{Name: "CPSV", Canonical: "CPSV", Argument: ArgumentNone},
	{Name: "CSID", Canonical: "CSID", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "CWD", Canonical: "CWD", Argument: ArgumentPath},
	{Name: "DELE", Canonical: "DELE", Argument: ArgumentPath},
	{Name: "DSIZ", Canonical: "DSIZ", Argument: ArgumentOptionalPath},
	{Name: "ENC", Canonical: "ENC", Argument: ArgumentRequired, BeforeLogin: true, Secret: true},
	{Name: "EPRT", Canonical: "EPRT", Argument: ArgumentRequired},
	{Name: "EPSV", Canonical: "EPSV", Argument: ArgumentOptional},
	{Name: "ESTA", Canonical: "ESTA", Argument: ArgumentNone},
	{Name: "ESTP", Canonical: "ESTP", Argument: ArgumentNone},
	{Name: "FEAT", Canonical: "FEAT", Argument: ArgumentNone, BeforeLogin: true},
	{Name: "HASH", Canonical: "HASH", Argument: ArgumentPath},
	{Name: "HELP", Canonical: "HELP", Argument: ArgumentOptional, BeforeLogin: true},
	{Name: "HOST", Canonical: "HOST", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "LANG", Canonical: "LANG", Argument: ArgumentOptional, BeforeLogin: true},
	{Name: "LIST", Canonical: "LIST", Argument: ArgumentOptionsPath, Transfer: Listing},
	{Name: "LPRT", Canonical: "LPRT", Argument: ArgumentRequired},
	{Name: "LPSV", Canonical: "LPSV", Argument: ArgumentNone},
	{Name: "MD5", Canonical: "MD5", Argument: ArgumentPath},
	{Name: "MDTM", Canonical: "MDTM", Argument: ArgumentTimePath},
	{Name: "MFCT", Canonical: "MFCT", Argument: ArgumentWordPath},
	{Name: "MFF", Canonical: "MFF", Argument: ArgumentWordPath},
	{Name: "MFMT", Canonical: "MFMT", Argument: ArgumentWordPath},
	{Name: "MIC", Canonical: "MIC", Argument: ArgumentRequired, BeforeLogin: true, Secret: true},
	{Name: "MKD", Canonical: "MKD", Argument: ArgumentPath},
	{Name: "MLSD", Canonical: "MLSD", Argument: ArgumentOptionalPath, Transfer: Listing},
	{Name: "MLST", Canonical: "MLST", Argument: ArgumentOptionalPath},
	{Name: "MMD5", Canonical: "MMD5", Argument: ArgumentPaths},
	{Name: "MODE", Canonical: "MODE", Argument: ArgumentRequired},
	{Name: "NLST", Canonical: "NLST", Argument: ArgumentOptionsPath, Transfer: Listing},
	{Name: "NOOP", Canonical: "NOOP", Argument: ArgumentNone, BeforeLogin: true},
	{Name: "OPTS", Canonical: "OPTS", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "PASS", Canonical: "PASS", Argument: ArgumentOptional, BeforeLogin: true, Secret: true},
	{Name: "PASV", Canonical: "PASV", Argument: ArgumentNone},
	{Name: "PBSZ", Canonical: "PBSZ", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "PORT", Canonical: "PORT", Argument: ArgumentRequired},
	{Name: "PRET", Canonical: "PRET", Argument: ArgumentRequired},
	{Name: "PROT", Canonical: "PROT", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "PWD", Canonical: "PWD", Argument: ArgumentNone},
	{Name: "QUIT", Canonical: "QUIT", Argument: ArgumentNone, BeforeLogin: true},
	{Name: "RANG", Canonical: "RANG", Argument: ArgumentRequired},
	{Name: "REIN", Canonical: "REIN", Argument: ArgumentNone, BeforeLogin: true},
	{Name: "REST", Canonical: "REST", Argument: ArgumentRequired},
	{Name: "RETR", Canonical: "RETR", Argument: ArgumentPath, Transfer: Download},
	{Name: "RMD", Canonical: "RMD", Argument: ArgumentPath},
	{Name: "RMDA", Canonical: "RMDA", Argument: ArgumentPath},
	{Name: "RNFR", Canonical: "RNFR", Argument: ArgumentPath},
	{Name: "RNTO", Canonical: "RNTO", Argument: ArgumentPath},
	{Name: "SITE", Canonical: "SITE", Argument: ArgumentRequired},
	{Name: "SIZE", Canonical: "SIZE", Argument: ArgumentPath},
	{Name: "SMNT", Canonical: "SMNT", Argument: ArgumentPath},
	{Name: "SSCN", Canonical: "SSCN", Argument: ArgumentOptional, BeforeLogin: true},
	{Name: "STAT", Canonical: "STAT", Argument: ArgumentOptionsPath},
	{Name: "STOR", Canonical: "STOR", Argument: ArgumentPath, Transfer: Upload},
	{Name: "STOU", Canonical: "STOU", Argument: ArgumentOptionalPath, Transfer: Upload},
	{Name: "STRU", Canonical: "STRU", Argument: ArgumentRequired},
	{Name: "SYST", Canonical: "SYST", Argument: ArgumentNone, BeforeLogin: true},
	{Name: "THMB", Canonical: "THMB", Argument: ArgumentDimensionsPath},
	{Name: "TYPE", Canonical: "TYPE", Argument: ArgumentRequired},
	{Name: "USER", Canonical: "USER", Argument: ArgumentRequired, BeforeLogin: true},
	{Name: "XCRC", Canonical: "XCRC", Argument: ArgumentRangePath},
	{Name: "XCUP", Canonical: "CDUP", Argument: ArgumentNone},
	{Name: "XCWD", Canonical: "CWD", Argument: ArgumentPath},
	{Name: "XMD5", Canonical: "XMD5", Argument: ArgumentRangePath},
	{Name: "XMKD", Canonical: "MKD", Argument: ArgumentPath},
	{Name: "XPWD", Canonical: "PWD", Argument: ArgumentNone},
	{Name: "XRMD", Canonical: "RMD", Argument: ArgumentPath},
	{Name: "XSHA", Canonical: "XSHA", Argument: ArgumentRangePath},
	{Name: "XSHA1", Canonical: "XSHA1", Argument: ArgumentRangePath},
	{Name: "XSHA256", Canonical: "XSHA256", Argument: ArgumentRangePath},
	{Name: "XSHA512", Canonical: "XSHA512", Argument: ArgumentRangePath},
}

// Lookup returns what is known of a verb, in whatever case.
func Lookup(verb string) (Verb, bool) {
	var name [maxVerb]byte
	if len(verb) > maxVerb {
		return Verb{}, false
	}
	for i := range len(verb) {
		name[i] = upperByte(verb[i])
	}
	return find(name[:len(verb)])
}

// find is Lookup for a verb in upper case. It is a binary search spelled out:
// compared in place, the verb need not become a string.
func find(verb []byte) (Verb, bool) {
	low, high := 0, len(registry)
	for low < high {
		middle := (low + high) / 2
		if registry[middle].Name < string(verb) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(registry) || registry[low].Name != string(verb) {
		return Verb{}, false
	}
	return registry[low], true
}

// Verbs returns all known verbs, sorted by name.
func Verbs() iter.Seq[Verb] { return slices.Values(registry[:]) }
