// Package benchmarks measures what the program costs its machine, beside
// ProFTPD's mod_proxy in front of the same server and in the same run.
//
//	               ┌───────────┐
//	client ═══════►│ ftpsproxy │──────►┌────────┐
//	in this        └───────────┘       │ vsftpd │ in clear text
//	process ══════►┌───────────┐──────►└────────┘
//	   FTPS        │ mod_proxy │
//	               └───────────┘
//
//	bench_test.go    what is measured
//	subject_test.go  the two proxies, and what they have used
//	client_test.go   the client
//
// Run it with
//
//	test/run --benchmarks
//
// The figures are CPU seconds and milliseconds of the proxy's processes, user and
// system, not the client's and the server's: wall time on a busy machine says little.
// Each round asks one proxy and then the other, so that what disturbs the machine
// disturbs both; "ratio" is ftpsproxy's figure divided by mod_proxy's, the one that
// can be compared between machines. Nothing here passes or fails by time.
//
// 2026-11-25, two cores, Go 1.26.8, mod_proxy 0.9.2:
//
//	                    ftpsproxy        mod_proxy   ratio
//	download            0.95 CPU s/GiB   1.36        0.70
//	upload              0.70 CPU s/GiB   2.08        0.34
//	4 KiB downloads     1.01 CPU ms      0.82        1.23
//	4 KiB uploads       0.95 CPU ms      0.79        1.20
//	logins, 16 at once  0.75 CPU ms      27.8        0.03
//	idle session        51 KiB           1,972 KiB   0.03
//	PWD, median         0.19 ms          0.22 ms     0.86
//
// Of a download, nearly all is AES and the kernel's copying. A small file is X25519,
// some eighty system calls, and as many changes of goroutine.
package benchmarks
