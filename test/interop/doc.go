// Package interop tests the program as its users meet it: the built binary with
// a configuration file, real FTP servers behind it, real clients before it.
//
//	curl, lftp, tnftp,        ┌───────────┐        vsftpd, ProFTPD,
//	ftplib, jlaffaye/ftp ───► │ ftpsproxy │ ─────► Pure-FTPd, pyftpdlib
//	        FTPS              └───────────┘  FTP
//
//	main_test.go       builds the binary
//	proxy_test.go      starts it, and checks what it leaves behind
//	exercise_test.go   what every client does in a session, and what must come of it
//	direct_test.go     the clients with the servers alone: the harness tests itself
//	matrix_test.go     all clients × all servers × every way to connect
//	limits_test.go     the cells of the matrix that cannot be, and why
//	bulk_test.go       a gibibyte, and a thousand files in a session
//	example_test.go    what people copy from manuals, and a certificate of its own
//
// Bytes are compared where they ended: on the server's disk, or the client's.
package interop
