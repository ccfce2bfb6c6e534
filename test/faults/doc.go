// Package faults proves that the proxy does not fail where it matters: when
// clients, upstreams and strangers break off, lie, stall or say too much.
//
//	client ──TLS──▶ proxy.Server ──────▶ upstream
//	(a peer)        (the real one)       (a peer)
//
// Everything runs in one process over real TCP sockets: half-closes, resets and
// what a kernel still holds are what these tests are about, and only sockets
// have them. The two peers speak the protocol themselves and know nothing of the
// proxy's packages, so that no mistake is made on both sides.
//
// Every test starts a rig: a proxy, its upstream, and what is needed to say
// afterwards that nothing is left of them. A test of a fault ends with
// rig.recovers: every goroutine, descriptor and port of the broken session is
// gone, and the next sessions work.
//
// invariants_*_test.go has the eight invariants of a transfer, one test or more
// for each, named after it. The other files follow the life of a session: lines,
// logins, ports and strangers, transfers that break on either side, commands
// during transfers, limits, the end of the process. rig_test.go, upstream_test.go,
// visit_test.go, client_test.go and leg_test.go are the tools.
//
// Tests here run one after the other: what a session leaves behind is found by
// counting.
package faults
