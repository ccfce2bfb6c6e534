// Package tlsterm is both sides of TLS: it ends the client's and starts the
// upstream's, and ties the connections of one session together on each side.
//
//	    towards the client: TLS server            towards the upstream: TLS client
//
//	    Source   Files, SelfSigned, Select        Roots, Pin, Source (client certificate)
//	      │                                         │
//	Config ──► Terminator   one per listener      OriginConfig ──► Originator   one per upstream
//	              │ Bind                                              │ Bind
//	           Binding      one per session                        Origin       one per session
//	      Control │ Data                                   Control │ Data
//	      ┌───────┴────────┐                              ┌────────┴───────┐
//	    *Conn          *tls.Conn                      *tls.Conn        *tls.Conn
//	      │ Shutdown
//	   net.Conn             the same connection, clear again
//
// A Binding proves that a data connection comes from the client of the control
// connection; an Origin proves to the server that ours does, and that the server
// is the one that the control connection reached.
//
// Read terminator.go first, then binding.go (one session) and attempt.go (one
// handshake); tickets.go keeps the session tickets, alpn.go decides about
// application protocols, conn.go ends TLS without ending the connection. The
// other side is originator.go, then origin.go; pin.go and roots.go say whom to
// trust. source.go, files.go and selfsigned.go provide certificates. DESIGN.md
// has the ladders of messages, the invariants and the decisions.
//
// The package knows no FTP: it is told what a connection carries, not which
// command opened it. It reads no configuration file, writes no log and starts
// no goroutine that outlives a call. It opens no connection and closes none:
// whoever passes a connection in keeps it, also when a handshake fails.
package tlsterm
