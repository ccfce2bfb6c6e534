// Package tlsterm is both sides of TLS: it ends the client's and starts the
// upstream's, and ties the connections of one session together on each side.
//
//	    towards the client: TLS server            towards the upstream: TLS client
//
//	    Source   Files, SelfSigned, ACME, Select  Roots, Pin, Source (client certificate)
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
// Clients may be asked for certificates: clientcert.go, clientca.go and, for what
// was revoked, revocations.go. validity.go warns of what is out of date.
//
// Certificates from an authority, by ACME (RFC 8555):
//
//	ACMEConfig ──► ACME                   names, authority, challenge; a Source
//	                │ one for each name
//	             steward ──► certmagic    looks, orders, renews; explain.go has the words
//	                │            │
//	         FileStorage      Challenges  answers http-01 and tls-alpn-01;
//	                                      dns01.go, rfc2136.go, … put records in zones
//
// Read acme.go, then steward.go. authority.go bounds what authorities send,
// takeover.go hands listeners on, tidy.go looks after the storage, aliases.go follows
// names to other zones.
//
// The package knows no FTP: it is told what a connection carries, not which
// command opened it. It reads no configuration file and writes no log: ACME has
// an observer. Handshakes open no connection and close none: whoever passes a
// connection in keeps it, also when a handshake fails. No goroutine outlives the
// call that started it, save those between Start and Close of an ACME, which
// Close awaits as long as it can, and one that certmagic keeps for each account it
// orders with.
package tlsterm
