package configs

import (
	"crypto/sha256"
	"crypto/tls"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"go.uber.org/zap/zapcore"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// Every setting, none at its default and no two alike, so that one read into
// another's place is noticed.
const everySetting = `
listener "odd" {
  address     = "192.0.2.1:2121"
  upstream    = "strange"
  certificate = "own"
  greeting    = "hello there"
  tls {
    mode          = "implicit"
    control       = "require"
    data          = "allow"
    session_reuse = "require"
    truncation    = "fail"
    min_version   = "1.3"
    ccc           = "allow"
  }
  passive {
    ports     = "40000-40100"
    advertise = "ftp.example.com"
    networks  = { "10.0.0.0/8" = "10.0.0.9", "2001:db8::/32" = "10.0.0.8" }
  }
  active {
    enabled = false
    bind    = "192.0.2.2"
  }
}
upstream "strange" {
  address         = "[2001:db8::5]:2100"
  connect_timeout = "7s"
  data_mode       = "match"
  passive_address = "reply"
  source          = "2001:db8::6"
  tls {
    mode        = "implicit"
    data        = "match"
    server_name = "strange.example.com"
    ca          = "/etc/ca.pem"
    certificate = "client"
    pins        = ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
    min_version = "1.3"
  }
}
certificate "client" {
  files {
    cert = "/etc/client.pem"
    key  = "/etc/client.key"
  }
}
certificate "own" {
  self_signed {
    names = ["a.example.com", "192.0.2.1"]
  }
}
storage { dir = "/srv/state" }
limits {
  sessions            = 11
  sessions_per_client = 2
  login_timeout       = "3s"
  idle_timeout        = "6m"
  stall_timeout       = "5s"
  data_timeout        = "6s"
  reply_timeout       = "7s"
  line                = "1KiB"
  reply_line          = "2MiB"
  login_failures      = 9
  drain_timeout       = "0s"
}
log {
  level  = "debug"
  format = "console"
  output = "stdout"
}
`

func everySettingUnderstood() *Settings {
	return &Settings{
		Listeners: []Listener{{
			Config: proxy.ListenerConfig{
				Name: "odd", Address: "192.0.2.1:2121", Greeting: "hello there",
				TLS: proxy.TLSConfig{Mode: proxy.TLSImplicit, Control: proxy.Require, Data: proxy.Allow, Truncation: proxy.TruncationFail, AllowCCC: true},
				Passive: proxy.PassiveConfig{
					Ports: proxy.PortRange{First: 40000, Last: 40100}, Advertise: "ftp.example.com",
					Networks: map[netip.Prefix]netip.Addr{
						netip.MustParsePrefix("10.0.0.0/8"):    netip.MustParseAddr("10.0.0.9"),
						netip.MustParsePrefix("2001:db8::/32"): netip.MustParseAddr("10.0.0.8"),
					},
				},
				Active: proxy.ActiveConfig{Enabled: false, Bind: netip.MustParseAddr("192.0.2.2")},
			},
			TLS:          tlsterm.Config{MinVersion: tls.VersionTLS13, Reuse: tlsterm.ReuseRequire, AllowHTTP11: true},
			Upstream:     Ref{Name: "strange"},
			Certificates: []Ref{{Name: "own"}},
		}},
		Upstreams: []Upstream{{
			Config: upstream.Config{
				Name: "strange", Address: "[2001:db8::5]:2100", ConnectTimeout: 7 * time.Second,
				DataMode: upstream.DataMatch, BelieveReply: true, Source: netip.MustParseAddr("2001:db8::6"),
				TLS: upstream.TLSConfig{Mode: upstream.TLSImplicit, Data: upstream.DataSame},
			},
			TLS: UpstreamTLS{
				ServerName: "strange.example.com", CA: "/etc/ca.pem", Certificate: Ref{Name: "client"},
				Verify: true, Pins: []tlsterm.Pin{sha256.Sum256(nil)}, MinVersion: tls.VersionTLS13,
			},
		}},
		Certificates: []Certificate{{Name: "client", Files: &Files{Cert: "/etc/client.pem", Key: "/etc/client.key"}}, {Name: "own", SelfSigned: &SelfSigned{Names: []string{"a.example.com", "192.0.2.1"}}}},
		Limits: proxy.Limits{
			Sessions: 11, SessionsPerClient: 2,
			LoginTimeout: 3 * time.Second, IdleTimeout: 6 * time.Minute, StallTimeout: 5 * time.Second,
			DataTimeout: 6 * time.Second, ReplyTimeout: 7 * time.Second,
			Line: 1 << 10, ReplyLine: 2 << 20, LoginFailures: 9, DrainTimeout: 0,
		},
		Storage: "/srv/state",
		Log:     Log{Level: zapcore.DebugLevel, Format: LogConsole, Output: "stdout"},
	}
}

func TestEverySettingIsUnderstood(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": everySetting})
	if diff := cmp.Diff(everySettingUnderstood(), load(t, filepath.Join(dir, "f.hcl")), same); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// The words that TestEverySettingIsUnderstood leaves out.
func TestTheOtherWordsAreUnderstood(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": `
listener "a" {
  address     = "[::1]:21"
  upstream    = "u"
  certificate = "c"
  tls {
    mode          = "explicit"
    control       = "allow"
    data          = "require"
    session_reuse = "off"
    truncation    = "allow"
    min_version   = "1.2"
  }
  passive {
    ports     = "40000"
    advertise = "203.0.113.7"
  }
}
upstream "u" {
  address         = "ftp.internal:21"
  data_mode       = "active"
  passive_address = "control"
  tls {
    mode = "explicit"
    data = "clear"
  }
}
certificate "c" {
  self_signed {}
}
limits { line = 100 }
log { level = "error" }
`})
	s := load(t, dir)
	l := s.Listeners[0]
	got := []any{l.Config.TLS.Control, l.Config.TLS.Data, l.TLS.Reuse, l.Config.TLS.Truncation, l.Config.Passive, s.Upstreams[0].Config.DataMode, s.Upstreams[0].Config.TLS, s.Limits.Line, s.Log.Level}
	want := []any{
		proxy.Allow, proxy.Require, tlsterm.ReuseOff, proxy.TruncationAllow,
		proxy.PassiveConfig{Ports: proxy.PortRange{First: 40000, Last: 40000}, Advertise: "203.0.113.7"},
		upstream.DataActive,
		upstream.TLSConfig{Mode: upstream.TLSExplicit, Data: upstream.DataClear},
		100, zapcore.ErrorLevel,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		"100B": 100, "4KiB": 4096, "10 MiB": 10 << 20, "1GiB": 1 << 30,
		"2GiB": 0, "99999999999B": 0, "-1KiB": 0, "KiB": 0, "4kib": 0, "1.5MiB": 0, "": 0,
	} {
		got := 0
		err := size(&got, 1)(cty.StringVal(text), hcl.Range{})
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "ftp.example.com": true, "ftp.example.com.": true, "ftp_1.internal": true,
		"10.0.0.5": true, "2001:db8::1": true, "fe80::1%eth0": true, "3com.com": true,
		"": false, ".": false, "a..b": false, "-a.b": false, "a b": false, "10.0.0": false, "10.0.0.256": false, "[::1]": false, "ü.example": false,
	} {
		if got := isHost(host); got != want {
			t.Errorf("isHost(%q) = %v", host, got)
		}
	}
}

func TestListenersCollide(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{":21", ":21", true},
		{":21", "0.0.0.0:21", true},
		{"[::]:21", "192.0.2.1:21", true},
		{"127.0.0.1:21", "127.0.0.1:21", true},
		{"[2001:db8::1]:21", "[2001:db8:0::1]:21", true},
		{"127.0.0.1:21", "[::ffff:127.0.0.1]:21", true},
		{":21", ":990", false},
		{":0", ":0", false},
		{"127.0.0.1:21", "127.0.0.2:21", false},
		{"127.0.0.1:21", "[::1]:21", false},
	} {
		if got := overlap(test.a, test.b); got != test.want {
			t.Errorf("%s and %s: %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
