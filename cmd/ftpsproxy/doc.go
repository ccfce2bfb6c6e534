// Command ftpsproxy puts explicit and implicit FTPS in front of plain FTP
// servers.
//
//	run           serve, by a configuration file or by a few flags
//	demo          serve a folder with an FTP server of our own behind the proxy
//	check         say what is wrong with a configuration, or what would run
//	policy        run the tests in policies, or explain one decision
//	certificates  show where certificates stand, or obtain one now
//	version       say what was built
//
// Here is wiring only: flags, signals, exit codes and what goes to which
// stream. Read main.go, then process.go (a server from its first listener to
// its last session), then run.go; orders.go and watch.go keep certificates going.
// What a configuration means is the business of package configs, what happens in a
// session that of package proxy.
package main
