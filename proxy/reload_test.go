package proxy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// twoListeners is a configuration without TLS that nobody listens by.
func twoListeners(t *testing.T) Config {
	t.Helper()
	c := upstream.Default()
	c.Name, c.Address = "upstream", "127.0.0.1:21"
	up, err := upstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	first, second := DefaultListener(), DefaultListener()
	for name, l := range map[string]*ListenerConfig{"first": &first, "second": &second} {
		l.Name, l.Address, l.Upstream, l.TLS.Mode = name, "127.0.0.1:0", up, TLSOff
	}
	return Config{Listeners: []ListenerConfig{first, second}, Limits: DefaultLimits()}
}

func newServer(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := New(c, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inForce are the settings for the next session of each listener.
func (s *Server) inForce() []*settings {
	var all []*settings
	for _, l := range s.listeners {
		all = append(all, l.settings.Load())
	}
	return all
}

// What cannot be taken over changes nothing, not even what could have been.
func TestReloadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // in the error
	}{
		"a malformed listener": {func(c *Config) { c.Listeners[1].Greeting = "a\r\nb" }, `"second"`},
		"malformed limits":     {func(c *Config) { c.Limits.Line = 1 }, "line"},
		"no listener":          {func(c *Config) { c.Listeners = nil }, "no listener"},
		"one more":             {func(c *Config) { c.Listeners = append(c.Listeners, c.Listeners[0]) }, "2 listeners are open and the file has 3"},
		"one less":             {func(c *Config) { c.Listeners = c.Listeners[:1] }, "2 listeners are open and the file has 1"},
		"another name":         {func(c *Config) { c.Listeners[1].Name = "third" }, `"third"`},
		"another address":      {func(c *Config) { c.Listeners[1].Address = "127.0.0.1:1" }, "127.0.0.1:1"},
		"another order": {func(c *Config) {
			c.Listeners[0], c.Listeners[1] = c.Listeners[1], c.Listeners[0]
		}, "restart"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, twoListeners(t))
			listeners, limits := s.inForce(), s.limits.Load()
			next := twoListeners(t)
			next.Listeners[0].Greeting, next.Limits.Sessions = "changed", 7
			c.change(&next)
			if err := s.Reload(next); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v says nothing of %q", err, c.want)
			}
			for i, l := range s.inForce() {
				if l != listeners[i] {
					t.Errorf("listener %q has changed", l.Name)
				}
			}
			if s.limits.Load() != limits {
				t.Error("the limits have changed")
			}
		})
	}
}

func TestReloadIsForSessionsToCome(t *testing.T) {
	s := newServer(t, twoListeners(t))
	before := s.inForce()
	next := twoListeners(t)
	next.Listeners[1].Greeting, next.Limits.IdleTimeout = "changed", time.Hour
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	if before[1].Greeting != "FTP service ready" || before[1].limits.IdleTimeout == time.Hour {
		t.Error("running sessions see the change")
	}
	after := s.inForce()
	if after[0].Greeting != "FTP service ready" || after[1].Greeting != "changed" {
		t.Errorf("the greetings are %q and %q", after[0].Greeting, after[1].Greeting)
	}
	for _, l := range after {
		if l.limits.IdleTimeout != time.Hour {
			t.Errorf("listener %q keeps its limits", l.Name)
		}
	}
	if s.limits.Load().IdleTimeout != time.Hour {
		t.Error("the server keeps its limits")
	}
}

// Running sessions hold leases of the old pool: a new one with the same range
// would offer their ports again. A range that changes has nothing to keep.
func TestReloadKeepsThePortsOfTheSameRange(t *testing.T) {
	s := newServer(t, twoListeners(t))
	before := s.inForce()
	next := twoListeners(t)
	next.Listeners[1].Passive.Ports = PortRange{First: 40000, Last: 40001}
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	after := s.inForce()
	if after[0].ports != before[0].ports {
		t.Error("the same range has a new pool")
	}
	if after[1].ports == before[1].ports || len(after[1].ports.free) != 2 {
		t.Error("another range has the old pool")
	}
}

// What a host name stood for is known until it is looked up again; an address
// that the file changes counts at once.
func TestReloadKeepsTheAdvertisedAddress(t *testing.T) {
	first := twoListeners(t)
	for i := range first.Listeners {
		first.Listeners[i].Passive.Advertise = "ftp.example.com"
	}
	s := newServer(t, first)
	before := s.inForce()
	next := twoListeners(t)
	next.Listeners[0].Passive.Advertise = "ftp.example.com"
	next.Listeners[1].Passive.Advertise = "192.0.2.1"
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	after := s.inForce()
	if after[0].advertised != before[0].advertised {
		t.Error("a host name that stays is forgotten")
	}
	if got, err := after[1].advertised.address(loopback, loopback); err != nil || got.String() != "192.0.2.1" {
		t.Errorf("%v, %v is advertised", got, err)
	}
	next.Listeners[0].Passive.Networks = map[netip.Prefix]netip.Addr{
		netip.MustParsePrefix("127.0.0.0/8"): netip.MustParseAddr("192.0.2.2"),
	}
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	if got, err := s.inForce()[0].advertised.address(loopback, loopback); err != nil || got.String() != "192.0.2.2" {
		t.Errorf("%v, %v is advertised", got, err)
	}
}

func TestCrowd(t *testing.T) {
	one, other := loopback, netip.MustParseAddr("127.0.0.2")
	c := crowd{perClient: map[netip.Addr]int{}}
	limits := Limits{Sessions: 3, SessionsPerClient: 2}
	for i, step := range []struct {
		enters, leaves netip.Addr
		refused        bool
	}{
		{enters: one},
		{enters: one},
		{enters: one, refused: true},
		{enters: other},
		{enters: other, refused: true},
		{leaves: one},
		{enters: one},
		{enters: one, refused: true},
		{leaves: other},
		{enters: other},
		{enters: other, refused: true},
	} {
		switch {
		case step.leaves.IsValid():
			c.leave(step.leaves)
		case c.enter(step.enters, limits) == step.refused:
			t.Errorf("step %d: refused is %v", i, !step.refused)
		}
	}
	for _, client := range []netip.Addr{one, one, other} {
		c.leave(client)
	}
	if c.total != 0 || len(c.perClient) != 0 {
		t.Errorf("%d sessions of %v remain", c.total, c.perClient)
	}
	limits.SessionsPerClient = 0
	for range 3 {
		if !c.enter(one, limits) {
			t.Error("0 is no limit")
		}
	}
}
