package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// A Server accepts clients on its listeners and runs their sessions.
type Server struct {
	log       *zap.Logger
	listeners []*listener
	limits    atomic.Pointer[Limits]
	ids       atomic.Uint64
	crowd     crowd
	tallies   tallies
	sessions  sync.WaitGroup
	drain     chan struct{} // closed when Serve's context is done
}

// A listener is one address at which clients are accepted.
type listener struct {
	settings atomic.Pointer[settings] // for sessions to come; a running one keeps its own
	tcp      *net.TCPListener
}

// settings are a listener's configuration and what was made of it. They do not
// change; Reload makes new ones.
type settings struct {
	ListenerConfig
	limits     Limits
	ports      *portPool
	advertised *advertised
}

func newSettings(c ListenerConfig, l Limits) *settings {
	return &settings{ListenerConfig: c, limits: l, ports: newPortPool(c.Passive.Ports), advertised: newAdvertised(c.Passive)}
}

// policy is the policy in force now: a reload reaches running sessions.
func (l *listener) policy() *policy.Policy { return l.settings.Load().Policy }

// policy is the policy of these settings.
func (l *settings) policy() *policy.Policy { return l.Policy }

// terminator has the certificates in force now; nil: there are none.
func (l *listener) terminator() *tlsterm.Terminator { return l.settings.Load().TLS.Terminator }

func (l *settings) terminator() *tlsterm.Terminator { return l.TLS.Terminator }

// New checks the configuration and opens nothing.
func New(c Config, log *zap.Logger) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{log: log, crowd: crowd{perClient: map[netip.Addr]int{}}, drain: make(chan struct{})}
	s.limits.Store(&c.Limits)
	s.warnUnverified(c)
	for _, lc := range c.Listeners {
		l := &listener{}
		l.settings.Store(newSettings(lc, c.Limits))
		s.listeners = append(s.listeners, l)
	}
	return s, nil
}

// warnUnverified names each upstream whose certificate is not verified: that is
// to be seen in the log, not only by whoever wrote the configuration.
func (s *Server) warnUnverified(c Config) {
	var seen []*upstream.Upstream
	for _, l := range c.Listeners {
		tls := l.Upstream.Config().TLS
		if tls.Mode == upstream.TLSOff || tls.Originator.Verifies() || slices.Contains(seen, l.Upstream) {
			continue
		}
		seen = append(seen, l.Upstream)
		s.log.Warn("the upstream's certificate is not verified (verify = false)", logUpstream(l.Upstream.Config().Name))
	}
}

// Listen binds every listener, or none: the error names listener and address.
func (s *Server) Listen(ctx context.Context) error {
	lc := plainTCP(net.ListenConfig{KeepAliveConfig: keepAlive})
	for _, l := range s.listeners {
		c := l.settings.Load()
		ln, err := lc.Listen(ctx, "tcp", c.Address)
		if err != nil {
			s.closeListeners()
			return fmt.Errorf("listener %q cannot listen on %s: %w", c.Name, c.Address, reason(err))
		}
		l.tcp = ln.(*net.TCPListener)
	}
	return nil
}

// reason leaves out what the caller says already.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		if l.tcp != nil {
			_ = l.tcp.Close()
		}
	}
}

// Bound is a listener that accepts connections.
type Bound struct {
	Name string
	Addr net.Addr
}

// Listeners tells where clients are accepted, once Listen has succeeded.
func (s *Server) Listeners() []Bound {
	var bound []Bound
	for _, l := range s.listeners {
		bound = append(bound, Bound{Name: l.settings.Load().Name, Addr: l.tcp.Addr()})
	}
	return bound
}

// Serve accepts clients until ctx is done. Then it drains: nobody is accepted,
// sessions without a running transfer end, transfers may go on for
// drain_timeout. It returns when the last session has ended.
func (s *Server) Serve(ctx context.Context) error {
	sessions, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	var accepting sync.WaitGroup
	for _, l := range s.listeners {
		accepting.Go(func() { s.accept(ctx, sessions, l) })
		accepting.Go(func() { s.follow(ctx, l) })
	}
	<-ctx.Done()
	s.closeListeners()
	close(s.drain)
	timer := time.AfterFunc(s.limits.Load().DrainTimeout, func() { cut(errDraining) })
	defer timer.Stop()
	accepting.Wait()
	s.sessions.Wait()
	return nil
}

// follow keeps a listener's advertised address up to date, also after Reload.
func (s *Server) follow(ctx context.Context, l *listener) {
	tick := time.NewTicker(advertiseInterval)
	defer tick.Stop()
	for {
		c := l.settings.Load()
		if err := c.advertised.resolve(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("advertised host name not resolved", logListener(c.Name), logError(err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// acceptPause is how long accepting rests when descriptors have run out.
const acceptPause = 100 * time.Millisecond

func (s *Server) accept(ctx, sessions context.Context, l *listener) {
	for {
		conn, err := l.tcp.AcceptTCP()
		if err == nil {
			s.admit(sessions, l, conn)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		s.log.Error("accept", logListener(l.settings.Load().Name), logError(err))
		select {
		case <-time.After(acceptPause):
		case <-ctx.Done():
		}
	}
}

// admit starts a session, which owns conn from here, unless there are too many.
func (s *Server) admit(ctx context.Context, from *listener, conn *net.TCPConn) {
	l, client := from.settings.Load(), peerAddr(conn)
	if !s.crowd.enter(client.Addr(), *s.limits.Load()) {
		s.log.Warn("too many sessions", logListener(l.Name), logClient(client))
		refuse(conn, l.TLS.Mode)
		return
	}
	s.sessions.Go(func() {
		defer s.crowd.leave(client.Addr())
		n := s.newSession(l, conn)
		n.policing.current, n.security.newest = from.policy, from.terminator
		n.run(ctx)
	})
}

// refuse turns a client away. On an implicit listener clear text means nothing.
func refuse(conn *net.TCPConn, mode TLSMode) {
	if mode != TLSImplicit {
		r, _ := farewell(errTooMany)
		_ = patience{acceptPause}.write(conn, r.AppendTo(nil))
	}
	_ = conn.Close()
}

func (s *Server) newSession(l *settings, conn *net.TCPConn) *session {
	id := s.ids.Add(1)
	log := s.log.With(logSession(id), logListener(l.Name), logClient(peerAddr(conn)))
	log.Debug("accepted")
	if err := inlineUrgent(conn); err != nil {
		log.Warn("urgent data", logError(err))
	}
	n := &session{
		listener: l, log: log, client: newClientControl(conn, l.limits),
		clock:    newClock(time.Now()),
		security: security{level: ftpparse.ProtectionClear, newest: l.terminator},
	}
	if l.TLS.Terminator != nil {
		n.security.binding = l.TLS.Terminator.Bind()
	}
	n.policing = policing{current: l.policy, quota: quota{tallies: &s.tallies}}
	n.work.drain = s.drain
	n.work.lingering = make(chan struct{}, maxLingering)
	return n
}

// maxLingering bounds, per session, the legs of ended transfers whose peer has
// not closed yet.
const maxLingering = 8

// Fits says why c cannot be put into force by Reload; nil: it can. Listeners can
// neither appear, vanish nor move.
func (s *Server) Fits(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if len(c.Listeners) != len(s.listeners) {
		return fmt.Errorf("%d listeners are open and the file has %d: a restart is needed", len(s.listeners), len(c.Listeners))
	}
	for i, l := range s.listeners {
		old, next := l.settings.Load(), c.Listeners[i]
		if old.Name != next.Name || old.Address != next.Address {
			return fmt.Errorf("listener %q at %s is open and the file has %q at %s in its place: a restart is needed", old.Name, old.Address, next.Name, next.Address)
		}
	}
	return nil
}

// Reload puts a new configuration into force for sessions to come, if it fits;
// else nothing has changed.
func (s *Server) Reload(c Config) error {
	if err := s.Fits(c); err != nil {
		return err
	}
	s.warnUnverified(c)
	s.limits.Store(&c.Limits)
	for i, l := range s.listeners {
		old, next := l.settings.Load(), newSettings(c.Listeners[i], c.Limits)
		if old.Passive.Ports == next.Passive.Ports {
			next.ports = old.ports // running sessions hold leases of it
		}
		if old.Passive.Advertise == next.Passive.Advertise && maps.Equal(old.Passive.Networks, next.Passive.Networks) {
			next.advertised = old.advertised
		}
		l.settings.Store(next)
	}
	return nil
}

// A crowd counts sessions, over all and per client address.
type crowd struct {
	mu        sync.Mutex
	total     int
	perClient map[netip.Addr]int
}

func (c *crowd) enter(client netip.Addr, l Limits) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= l.Sessions || l.SessionsPerClient > 0 && c.perClient[client] >= l.SessionsPerClient {
		return false
	}
	c.total++
	c.perClient[client]++
	return true
}

func (c *crowd) leave(client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.perClient[client]--; c.perClient[client] == 0 {
		delete(c.perClient, client)
	}
}
