package interop

import (
	"github.com/ftpsproxy/ftpsproxy/test/clients"
	"github.com/ftpsproxy/ftpsproxy/test/servers"
)

// A serverLimit says what a server cannot do, with any client or with one.
type serverLimit struct {
	server servers.Kind // any when empty
	client string       // any when empty
	op     clients.Op
	direct bool // without the proxy alone
	reason string
}

// serverLimits is the table of what servers cannot do; clients.Limits is the one
// of what clients cannot.
func serverLimits() []serverLimit {
	const lftpMiscounts = "lftp calls the 426 after its ABOR missed, and may take the 226 for the next command's reply"
	return []serverLimit{
		{server: servers.VSFTPD, op: clients.MachineList, reason: "knows no MLSD"},
		{server: servers.Pyftpdlib, client: "lftp", op: clients.Abort, reason: lftpMiscounts},
		{server: servers.PureFTPd, client: "lftp", op: clients.Abort, reason: lftpMiscounts},
		{client: "ftplib", op: clients.Abort, direct: true, reason: "servers lose a byte of an ABOR that is urgent data; the proxy does not"},
	}
}

// serverCannot returns why the server cannot do this, or "".
func (e *exercise) serverCannot(op clients.Op) string {
	for _, l := range serverLimits() {
		if (l.server == "" || l.server == e.server.Kind) && (l.client == "" || l.client == e.client.Name()) &&
			l.op == op && (!l.direct || e.target.Addr == e.server.Addr) {
			return l.reason
		}
	}
	return ""
}
