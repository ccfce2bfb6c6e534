// Package test holds what tests the program as a whole; tests of one package lie
// in that package.
//
//	run              the test command: fetches real servers and clients, tests all
//	layers_test.go   the house rules that a machine can check
//	conversation/    what a client can see, as text files: C> STOR a.txt
//	faults/          peers that vanish, stall or lie, and what is left after them
//	interop/         the built program between real servers and real clients
//	servers/         starts vsftpd, ProFTPD, Pure-FTPd, pyftpdlib
//	clients/         drives curl, lftp, tnftp, Python's ftplib, jlaffaye/ftp
//	machine/         finds programs, starts and ends them, hands out ports
//
// Nothing here is imported by the program.
package test
