// Package tlsterm is the server side of TLS: certificates, handshakes, and the
// proof that a data connection belongs to the session that asked for it.
//
//	            Source                    where certificates come from:
//	              │                       Files, SelfSigned, Select
//	Config ──► Terminator                 one per listener
//	              │ Bind
//	           Binding                    one per session: its certificate and its tickets
//	      Control │ Data
//	      ┌───────┴────────┐
//	    *Conn          *tls.Conn          control connection; data connections
//	      │ Shutdown
//	   net.Conn                           the same connection, clear again
//
// Read terminator.go first, then binding.go (one session) and attempt.go (one
// handshake): they hold what this package is for. tickets.go keeps the session
// tickets, alpn.go decides about application protocols, conn.go ends TLS
// without ending the connection. source.go, files.go and selfsigned.go provide
// certificates. DESIGN.md has the ladders of messages, the invariants and the
// decisions.
//
// The package knows no FTP: it is told what a connection carries, not which
// command opened it. It reads no configuration file, writes no log and starts
// no goroutine that outlives a call. It opens no connection and closes none:
// whoever passes a connection in keeps it, also when a handshake fails.
package tlsterm
