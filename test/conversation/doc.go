// Package conversation plays conversations: text files that say what a client
// and an upstream say to ftpsproxy, and what each of them must hear.
//
//	testdata/*.txt ──ParseFile──▶ Script ──Player──▶ client peer ─┐
//	                                                             proxy.Server
//	                                              upstream peer ◀┘
//
// Everything runs over real sockets on the loopback interface; the only thing
// under test is a running proxy.
//
// # The language
//
// A file opens with a sentence that names the rule it shows. Then come
// directives, if the defaults will not do, and steps. All other lines are
// comment. C is the client's control connection, U the upstream's; CD and UD
// are their data connections; S is a stranger, another host (127.0.0.2); L is
// the proxy's log, and P the proxy itself.
//
//	C> NOOP             says a line; CRLF is added
//	C>> NOOP\r\nNO      says bytes as they are, in one segment
//	C!> \xff            says bytes as they are, the last one urgent (TCP URG)
//	U< NOOP             must hear this line next
//	C<+ *UTF8*          must hear such a line somewhere before the next C<
//	C<- *EPSV*          must not hear such a line before the next C<
//	UD> hello           sends these bytes on the data connection
//	CD< hello           must receive these bytes next
//
// In all of them \r \n \t \0 \xHH \\ \* \{ stand for single bytes, and {ab*3}
// for ababab. In a line that is heard, * matches anything. The address of a
// data connection is written {address} (six numbers), {p1,p2} (the last two of
// them) or {port}: in a line that is said, where this side listens; in a line
// that is heard, where this side will dial.
//
//	C connects          TCP, and TLS at once when the listener is implicit
//	C starts TLS        handshake after 234
//	C fails TLS         handshake after 234, and the proxy refuses it
//	C ends TLS          close_notify both ways; goes on in clear text
//	C leaves TLS        hears close_notify, says none; goes on in clear text
//	U is dialled        the proxy opens a control connection to the upstream
//	U refuses           the upstream no longer accepts control connections
//	U starts TLS        handshake as TLS server, after 234 or at once
//	U fails TLS as somebody else
//	                    likewise, and the proxy gives up: the certificate is for
//	                    another name
//	C ends, U ends      FIN, after close_notify under TLS
//	C resets, U resets  RST
//	C hears the end     and nothing before it
//	U hears the end     and nothing before it, save one QUIT: the word with which
//	                    the proxy may leave; with close_notify under TLS; or RST,
//	                    if it leaves bytes unread
//	C has nothing to hear
//	                    no byte has arrived so far: for what must not overtake
//	                    the step before; likewise U
//
//	C listens           for a data connection; likewise U
//	U listens nowhere   {address} is a port where nobody listens; likewise C
//	CD accepts          waits for the data connection; likewise UD
//	CD dials            opens the data connection; likewise UD
//	CD dials in vain    one more connection to the same port gets nothing
//	CD dials the former port in vain
//	                    the port heard before the last one serves nobody
//	CD starts TLS       says its hello, resuming the control connection's session
//	CD starts TLS anew  likewise, resuming nothing
//	UD starts TLS       awaits the proxy's hello, whoever has dialled: the upstream
//	                    is TLS server, and resumes its control connection's session
//	UD starts TLS anew  likewise, resuming nothing
//	UD starts TLS as somebody else
//	                    likewise, with a certificate for another name, valid for
//	                    the address that was dialled
//	CD is in TLS        the handshake has succeeded; likewise UD
//	CD fails TLS        the handshake fails; likewise UD
//	UD resumed TLS      the handshake has succeeded, and resumed the session
//	UD has not resumed TLS
//	                    the handshake has succeeded, and was a full one
//	CD sends 9000 bytes, UD receives 9000 bytes
//	                    a pattern that shows losses and swaps
//	CD ends             close_notify under TLS, then FIN
//	CD cuts off         FIN without close_notify; likewise UD
//	UD breaks TLS       a fatal alert, then FIN
//	CD resets           RST
//	CD hears the end    and nothing before it, with close_notify under TLS
//	CD hears a reset    RST, possibly after some bytes
//	CD is closed        FIN, RST or an alert, before any byte of data
//	S dials, S is closed
//	                    a stranger at the port of the client's data connection
//
//	L<+ *no room*       the log has such a line in the end; L<- has none
//
//	P takes policy NAME a reload puts testdata/policies/NAME.hcl into force
//	P takes no policy   a reload takes the policy away
//
// A line that holds just the name of a file in testdata/steps plays that file:
// login, passive and so on.
//
// "Hears nothing" is never waited for: whatever comes too much is found in
// place of the next thing heard. A script that leaves the client connected
// ends with QUIT, which finds leftovers on both sides.
//
// # Directives
//
// Names and values are those of the configuration file:
//
//	listener: mode=implicit control=allow data=allow session_reuse=require
//	listener: ccc=allow
//	upstream: address=[::1] data_mode=active
//	upstream: tls=explicit data=match verify=false version=1.2
//	limits: line=128 idle_timeout=300ms
//	client: tls=1.2 sni=ftp.example.com certificate=ada
//	listener: client_certificates=require map=cn login=match
//
//	policy: NAME        the listener has the policy in testdata/policies/NAME.hcl
//
// With tls the upstream can start TLS; its certificate is for the name that the
// proxy is configured with, and for no address. version is the highest that it
// speaks, as tls is for the client. ports=1 under listener is a passive range of
// one port, certificate=none is a listener that has no certificate yet. The
// client's certificate=ada has that common name, ada@example.com and
// ada@example.org, and ada.example.com.
//
// # After each conversation
//
// The session must be gone: no goroutine, no descriptor, no listening port may
// be left, nobody may wait at the upstream's door, and no password may stand
// in the log.
//
// Read script.go, then player.go; peers are in control.go, leg.go
// and listening.go, the upstream's TLS is in secure.go, the proxy is started in
// subject.go.
//
// What it does not do: it speaks no FTP of its own beyond QUIT, and plays one
// client at a time.
package conversation
