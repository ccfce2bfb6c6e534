// Package upstream knows which FTP server stands behind a listener and how to
// reach it.
//
//	session ──Dial──▶ control connection
//	session ──DialData──▶ data connection, same source address
//
// It knows nothing of sessions, commands or replies. Today an upstream is one
// address; balancing and health checks have their place here.
package upstream
