// Package clients drives the FTP clients that people use, each through its own
// interface: curl by a configuration file, lftp and tnftp by a script, Python's
// ftplib by a small program, Go's jlaffaye/ftp by calls, openssl's s_client by its
// pipes. All do the same list of steps within one session.
//
//	client.go    Target, Step and Client: what a session is asked to do
//	ability.go   the table of what each client cannot do, and why
//	curl.go      one file per client
//	lftp.go
//	tnftp.go
//	ftplib.go
//	jlaffaye.go
//	openssl.go   the steps; openssl_session.go the connections
//
// Certificates are verified by every client against the target's CA file.
package clients
