// Package machine is what the tests take from the machine they run on: programs
// installed or fetched by test/run, processes that end with the test, ports nobody
// else uses, and certificates for its loopback addresses.
//
//	program.go   where vsftpd, curl and the others are
//	process.go   start one, read its log, end it with everything it started
//	ports.go     blocks of ports, exclusive among all test processes
//	pki.go       an authority and a certificate, made anew
//
// It knows nothing of FTP.
package machine
