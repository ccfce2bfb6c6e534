// Package interop tests the program as its users meet it: the built binary with
// a configuration file, real FTP servers behind it, real clients before it.
//
//	curl, lftp, tnftp, ftplib,         ┌───────────┐          vsftpd, ProFTPD,
//	jlaffaye/ftp, openssl        ────► │ ftpsproxy │ ───────► Pure-FTPd, pyftpdlib
//	                          FTPS     └───────────┘ FTP, FTPS
//
//	main_test.go       builds the binary
//	proxy_test.go      starts it, and checks what it leaves behind
//	exercise_test.go   what every client does in a session, and what must come of it
//	direct_test.go     the clients with the servers alone: the harness tests itself
//	matrix_test.go     all clients × all servers × every way to connect
//	combination_test.go  its dimensions, and which combinations cannot be
//	covering_test.go   which of them are tried
//	table_test.go      its result
//	talker_test.go     a client that does what no program does
//	orders_test.go     commands in every legal order, one by one and together
//	during_test.go     commands all along a large transfer
//	cut_test.go        uploads that break off
//	reuse_test.go      servers and proxies that insist on resumed TLS sessions
//	policy_test.go     a policy between them: what it denies leaves the server as it was
//	limits_test.go     what servers cannot do; clients.Limits has the clients' part
//	bulk_test.go       a gibibyte, and a thousand files in a session
//	authority_test.go  an authority that issues certificates by ACME
//	certificates_test.go
//	                   certificates from it, of clients, and replaced in a transfer
//	example_test.go    what people copy from manuals, and a certificate of its own
//
// Bytes are compared where they ended: on the server's disk, or the client's.
//
// The matrix tries a covering design of about seventy combinations: every server
// with every way to reach it and every client, every client with its ways and
// modes, and every two values of any two dimensions. All of them, some two
// thousand, in half an hour or more:
//
//	test/run -timeout 2h ./test/interop -run TestMatrix -matrix.full
//
// Its table is in the log, and in test/.cache/matrix.txt, which test/run prints.
package interop
