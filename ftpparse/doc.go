// Package ftpparse turns bytes into FTP's words and back: command lines,
// replies, host-ports, feature lists, the arguments of the security commands,
// and the registry of verbs.
//
//	from the client    bytes ─► CommandReader ─► Command ─► Lookup, ParsePORT, ParseAUTH, …
//	to the upstream    bytes ◄─ Command.AppendTo ◄─ Command ◄─ the client's own, FormatPORT, …
//
//	from the upstream  bytes ─► ReplyReader ─► Reply ─► Parse227, Parse229, ParseFEAT
//	to the client      bytes ◄─ Reply.AppendTo ◄─ Reply ◄─ the upstream's own, NewReply, Format227, …
//
// The package is strict in and lossless out. What a command parser accepts,
// its printer writes back so that the next parser reads the same; what could be
// read in two ways is refused, never repaired, because a line that this program
// reads one way and the upstream another is how a second command is smuggled
// past a policy. Replies are held less strictly, since the upstream is only the
// operator's own: every byte of them is kept, and only the frame is judged.
//
// Reading order: command.go says what a command is, command_reader.go how one
// is taken from a stream, telnet.go which bytes never belonged to it; reply.go
// and reply_reader.go do the same for replies; window.go is the bounded buffer
// under both readers. hostport.go, security.go and feat.go understand
// arguments and texts, pathname.go the path in a 257, verbs.go every verb.
//
// What it does not do: open or close anything (its only I/O is an [io.Reader]
// given to it), know TLS, log, keep a session's state, or judge. Whether a
// verb is allowed, a port is too low or an address is the client's own is for
// the layers above.
package ftpparse
