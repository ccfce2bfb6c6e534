package proxy

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
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
func logType(argument string) zap.Field    { return zap.String("type", typeName(argument)) }
func logBytes(n int64) zap.Field           { return zap.Int64("bytes", n) }
func logAfter(d time.Duration) zap.Field   { return zap.Duration("after", d) }
func logError(err error) zap.Field         { return zap.Error(err) }

// What the policy decided, by which rule, and where that stands.
func logMode(d policy.Decision) zap.Field {
	if d.Monitor {
		return zap.String("mode", "monitor")
	}
	return zap.String("mode", "enforce")
}
func logAction(a policy.Action) zap.Field { return zap.Stringer("action", a) }

func logPlace(p policy.Place) zap.Field {
	return zap.String("place", p.File+":"+strconv.Itoa(p.Line))
}

func logRule(d policy.Decision) zap.Field {
	if d.Rule == "" {
		return zap.String("rule", "("+d.Reason.String()+")")
	}
	return zap.String("rule", d.Rule)
}

// longestType bounds what a client may write into the log by TYPE: "L 255".
const longestType = 5

// typeName is the argument of TYPE as the log has it. ASCII is where every
// connection begins (RFC 959 §5.1).
func typeName(argument string) string {
	switch name := strings.ToUpper(strings.TrimSpace(argument)); {
	case name == "":
		return "A"
	case len(name) > longestType:
		return name[:longestType]
	default:
		return name
	}
}

// logCommand hides secrets: Command's String does.
func logCommand(c ftpparse.Command) zap.Field { return zap.Stringer("command", c) }
