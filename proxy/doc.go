// Package proxy is the FTP proxy itself: it accepts clients, ends their TLS,
// and carries their sessions to an FTP server, the upstream.
//
//	           control                                 control
//	client ═══════════════▶ clientControl   upstreamControl ───────────▶ upstream
//	                          │ line    ▲      ▲    │ reply
//	                          ▼         │      │    ▼
//	                        ┌───────────┴──────┴──────────┐
//	                        │  session.run: one goroutine  │
//	                        └───────────┬──────▲──────────┘
//	                   start, begin, abandon   │ open, ended
//	                                    ▼      │
//	client ═══════════════▶ leg ─── transfer ─── leg ──────────────────▶ upstream
//	            data                                      data
//
// Read it in this order:
//
//   - session.go: the owner's loop, and how a reply finds its command;
//     phase.go and clock.go beside it
//   - exchange.go: the queue of outstanding commands, without any I/O;
//     doubt.go: what is done when it cannot tell whose a reply is
//   - backlog.go: the client's commands that wait, and ABOR, which need not
//   - dispatch.go: what becomes of each verb; then the verbs in their groups:
//     login.go, certified.go (logins by certificate), security.go, features.go, address.go,
//     moves.go, restart.go
//   - policing.go, quota.go, tally.go: what the policy is asked, and what its limits
//     leave a session and those who share them
//   - transfer.go, carriage.go, leg.go, prover.go, pump.go, stall.go, wire.go: a transfer, how its
//     legs are opened and proven, and how bytes move; implied.go: without a 1yz
//   - reach.go, link.go: how the upstream is reached, and with TLS
//   - control.go, ports.go, sockets.go: what they stand on
//   - server.go: listeners, reload, drain
//   - errors.go, replies.go, logkeys.go: every word said to clients and logs
//
// DESIGN.md shows the ladders of messages and says why things are as they are.
//
// The package does not read files, environment or flags, does not know where
// certificates come from (tlsterm) and does not choose among servers (upstream).
package proxy
