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
package benchmarks
