package clients

import "strings"

// A Limit says what a client cannot do, and why. TLS and Op stand for any when
// they are empty; Clear, Private, Active and IPv6 when they are false.
type Limit struct {
	Client  string
	Version string // what the client's version begins with; any when empty
	TLS     TLS
	Clear   bool
	Private bool // data connections with TLS
	Active  bool
	IPv6    bool
	Op      Op
	Reason  string
}

// Limits is the table of what the clients cannot do.
func Limits() []Limit {
	const curlClear = "sends active data in the clear after PROT P (curl issue 10666, mended in 8.0.0)"
	return []Limit{
		{Client: "curl", Version: "7.87.", Active: true, Private: true, Reason: curlClear},
		{Client: "curl", Version: "7.88.", Active: true, Private: true, Reason: curlClear},
		{Client: "lftp", Op: Append, Reason: "has no command for APPE"},
		{Client: "lftp", Active: true, IPv6: true, Reason: "announces the address :: on a loopback connection, which servers refuse"},
		{Client: "tnftp", TLS: Explicit, Reason: "knows no TLS with FTP"},
		{Client: "tnftp", TLS: Implicit, Reason: "knows no TLS with FTP"},
		{Client: "tnftp", Op: Abort, Reason: "breaks a transfer off at the terminal's interrupt only"},
		{Client: "openssl", TLS: Plain, Reason: "is the client that has TLS from s_client"},
		{Client: "openssl", Clear: true, Reason: "is the client that has TLS from s_client"},
		{Client: "openssl", Active: true, Reason: "s_client dials and cannot be dialled"},
		{Client: "jlaffaye", Active: true, Reason: "is passive only"},
		{Client: "jlaffaye", Clear: true, Reason: "always sends PROT P"},
		{Client: "jlaffaye", Op: MachineList, Reason: "picks MLSD or LIST itself, tried as LIST"},
	}
}

// Cannot returns why the client cannot speak with the target so, or "".
func Cannot(c Client, target Target) string {
	for _, l := range Limits() {
		if l.Op == "" && l.applies(c.Name(), c.Version(), target) {
			return l.Reason
		}
	}
	return ""
}

// CannotDo returns why the client cannot do the operation, or "".
func CannotDo(c Client, target Target, op Op) string {
	for _, l := range Limits() {
		if l.Op == op && l.applies(c.Name(), c.Version(), target) {
			return l.Reason
		}
	}
	return ""
}

func (l Limit) applies(name, version string, target Target) bool {
	return l.Client == name && strings.HasPrefix(version, l.Version) &&
		(l.TLS == "" || l.TLS == target.TLS) &&
		(!l.Private || target.TLS != Plain && !target.Clear) &&
		(!l.Clear || target.Clear) &&
		(!l.Active || target.Active) &&
		(!l.IPv6 || target.Addr.Addr().Is6())
}
