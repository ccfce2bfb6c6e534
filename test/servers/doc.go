// Package servers starts the FTP servers that stand behind the proxy in the
// tests: vsftpd, ProFTPD, Pure-FTPd and pyftpdlib, each on a loopback port of
// its own, serving one temporary folder to one user with a password made for
// the test.
//
//	server.go      Start: what all servers share
//	tls.go         what they have in common when they speak TLS
//	vsftpd.go      the configuration of each
//	proftpd.go
//	pureftpd.go
//	pyftpdlib.go
//
// No account of the machine is used or made: vsftpd knows its user as an
// anonymous one with a password, the others have virtual users. Started by root,
// all but vsftpd act on files as nobody, confined to their folder; otherwise a
// server acts as whoever runs the test. Pure-FTPd needs root.
package servers
