package proxy

import (
	"net"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// The keys of log lines are a closed list: every field is made here.

func logSession(id uint64) zap.Field       { return zap.Uint64("session", id) }
func logListener(name string) zap.Field    { return zap.String("listener", name) }
func logAddress(a net.Addr) zap.Field      { return zap.Stringer("address", a) }
func logClient(a netip.AddrPort) zap.Field { return zap.Stringer("client", a) }
func logUpstream(name string) zap.Field    { return zap.String("upstream", name) }
func logUser(name string) zap.Field        { return zap.String("user", name) }
func logCode(code int) zap.Field           { return zap.Int("code", code) }
func logPhase(p phase) zap.Field           { return zap.Stringer("phase", p) }
func logBytes(n int64) zap.Field           { return zap.Int64("bytes", n) }
func logAfter(d time.Duration) zap.Field   { return zap.Duration("after", d) }
func logError(err error) zap.Field         { return zap.Error(err) }

// logCommand hides secrets: Command's String does.
func logCommand(c ftpparse.Command) zap.Field { return zap.Stringer("command", c) }
