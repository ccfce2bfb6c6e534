package configs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"go.uber.org/zap/zapcore"

	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// fileSpec is what a file may hold.
func (d *decoder) fileSpec() spec {
	s := d.settings
	return spec{blocks: []nested{
		{kind: "listener", labels: []string{"name"}, many: true, read: d.listener},
		{kind: "upstream", labels: []string{"name"}, many: true, read: d.upstream},
		{kind: "certificate", labels: []string{"name"}, many: true, read: d.certificate},
		{kind: "policy", labels: []string{"name"}, many: true, read: d.policy},
		{kind: "storage", read: d.inside(d.storageSpec(s))},
		{kind: "limits", read: d.inside(limitsSpec(&s.Limits))},
		{kind: "log", read: d.inside(d.logSpec(&s.Log))},
		d.later("bans"),
		d.later("process"),
		d.later("admin"),
		d.later("audit"),
	}}
}

func (d *decoder) listener(b *hcl.Block) {
	l := defaultListener(d.name(b))
	l.at = b.DefRange
	d.within(b, d.listenerSpec(&l))
	if l.Config.TLS.Mode == proxy.TLSOff {
		// Without TLS there is nothing to require.
		l.Config.TLS.Control, l.Config.TLS.Data = proxy.Allow, proxy.Allow
	}
	d.settings.Listeners = append(d.settings.Listeners, l)
}

func (d *decoder) listenerSpec(l *Listener) spec {
	return spec{
		settings: []setting{
			{name: "address", required: true, read: located(&l.addressAt, text(&l.Config.Address, ":21", listenAddress))},
			{name: "upstream", required: true, read: reference(&l.Upstream)},
			{name: "certificate", read: located(&l.certificateAt, references(&l.Certificates))},
			{name: "greeting", read: text(&l.Config.Greeting, "FTP service ready", greeting)},
			{name: "policy", read: reference(&l.Policy)},
			notYet("transparent", "off"),
		},
		blocks: []nested{
			{kind: "tls", read: d.inside(d.tlsSpec(l))},
			{kind: "passive", read: d.inside(passiveSpec(&l.Config.Passive))},
			{kind: "active", read: d.inside(activeSpec(&l.Config.Active))},
			d.later("proxy_protocol"),
			d.later("forward"),
			d.later("route", "name"),
		},
	}
}

func (d *decoder) tlsSpec(l *Listener) spec {
	c := &l.Config.TLS
	return spec{
		settings: []setting{
			{name: "mode", read: oneOf(
				&c.Mode,
				choice[proxy.TLSMode]{"explicit", proxy.TLSExplicit},
				choice[proxy.TLSMode]{"implicit", proxy.TLSImplicit},
				choice[proxy.TLSMode]{"off", proxy.TLSOff},
			)},
			{name: "control", read: requirement(&c.Control)},
			{name: "data", read: requirement(&c.Data)},
			{name: "session_reuse", read: oneOf(
				&l.TLS.Reuse,
				choice[tlsterm.Reuse]{"prefer", tlsterm.ReusePrefer},
				choice[tlsterm.Reuse]{"require", tlsterm.ReuseRequire},
				choice[tlsterm.Reuse]{"off", tlsterm.ReuseOff},
			)},
			{name: "truncation", read: oneOf(
				&c.Truncation,
				choice[proxy.Truncation]{"log", proxy.TruncationLog},
				choice[proxy.Truncation]{"fail", proxy.TruncationFail},
				choice[proxy.Truncation]{"allow", proxy.TruncationAllow},
			)},
			{name: "min_version", read: oneOf(
				&l.TLS.MinVersion,
				choice[uint16]{"1.2", tls.VersionTLS12},
				choice[uint16]{"1.3", tls.VersionTLS13},
			)},
			{name: "ccc", read: oneOf(
				&c.AllowCCC,
				choice[bool]{"deny", false},
				choice[bool]{"allow", true},
			)},
		},
		blocks: []nested{{kind: "client_certificates", read: d.clientCertificates(l)}},
	}
}

func requirement(dst *proxy.Requirement) reader {
	return oneOf(
		dst,
		choice[proxy.Requirement]{"require", proxy.Require},
		choice[proxy.Requirement]{"allow", proxy.Allow},
	)
}

func passiveSpec(c *proxy.PassiveConfig) spec {
	return spec{settings: []setting{
		{name: "ports", read: portRange(&c.Ports)},
		{name: "advertise", read: text(&c.Advertise, "auto", advertised)},
		{name: "networks", read: networks(&c.Networks)},
	}}
}

func activeSpec(c *proxy.ActiveConfig) spec {
	return spec{settings: []setting{
		{name: "enabled", read: boolean(&c.Enabled)},
		{name: "bind", read: localIP(&c.Bind)},
	}}
}

func (d *decoder) certificate(b *hcl.Block) {
	c := Certificate{Name: d.name(b), at: b.DefRange}
	before := len(d.diags)
	d.within(b, d.certificateSpec(&c))
	switch kinds := c.kinds(); {
	case len(kinds) > 1:
		d.errorf(b.DefRange, "Two kinds of certificate", "The certificate %q has both %s; keep one.", c.Name, strings.Join(kinds, " and "))
	case len(kinds) == 0 && len(d.diags) == before && !d.damaged:
		d.errorf(b.DefRange, "Empty certificate", "The certificate %q needs one of the blocks acme, files and self_signed.", c.Name)
	}
	c.flawed = d.flawedSince(before)
	d.settings.Certificates = append(d.settings.Certificates, c)
}

func (d *decoder) certificateSpec(c *Certificate) spec {
	return spec{blocks: []nested{
		{kind: "files", read: func(b *hcl.Block) {
			c.Files = &Files{}
			d.within(b, d.filesSpec(c.Files))
		}},
		{kind: "self_signed", read: func(b *hcl.Block) {
			c.SelfSigned = &SelfSigned{Names: []string{"localhost", "127.0.0.1"}}
			d.within(b, selfSignedSpec(c.SelfSigned))
		}},
		{kind: "acme", read: d.acme(c)},
	}}
}

// kinds lists the blocks that a certificate has.
func (c Certificate) kinds() []string {
	var kinds []string
	if c.ACME != nil {
		kinds = append(kinds, "acme")
	}
	if c.Files != nil {
		kinds = append(kinds, "files")
	}
	if c.SelfSigned != nil {
		kinds = append(kinds, "self_signed")
	}
	return kinds
}

func (d *decoder) filesSpec(f *Files) spec {
	return spec{settings: []setting{
		{name: "cert", required: true, read: d.path(&f.Cert)},
		{name: "key", required: true, read: d.path(&f.Key)},
	}}
}

func selfSignedSpec(c *SelfSigned) spec {
	return spec{settings: []setting{
		{name: "names", read: list(&c.Names, "ftp.example.com", func(s string) (string, error) {
			if !isHost(s) {
				return "", fmt.Errorf("%q is neither a host name nor an IP address", s)
			}
			return s, nil
		})},
	}}
}

func (d *decoder) storageSpec(s *Settings) spec {
	return spec{settings: []setting{{name: "dir", read: d.path(&s.Storage)}}}
}

func limitsSpec(l *proxy.Limits) spec {
	return spec{settings: []setting{
		{name: "sessions", read: count(&l.Sessions, 1)},
		{name: "sessions_per_client", read: count(&l.SessionsPerClient, 0)},
		{name: "login_timeout", read: duration(&l.LoginTimeout, time.Nanosecond)},
		{name: "idle_timeout", read: duration(&l.IdleTimeout, time.Nanosecond)},
		{name: "stall_timeout", read: duration(&l.StallTimeout, time.Nanosecond)},
		{name: "data_timeout", read: duration(&l.DataTimeout, time.Nanosecond)},
		{name: "reply_timeout", read: duration(&l.ReplyTimeout, time.Nanosecond)},
		{name: "line", read: size(&l.Line, 64)},
		{name: "reply_line", read: size(&l.ReplyLine, 512)},
		{name: "login_failures", read: count(&l.LoginFailures, 1)},
		{name: "drain_timeout", read: delay(&l.DrainTimeout)},
	}}
}

func (d *decoder) logSpec(l *Log) spec {
	toFile := d.path(&l.Output)
	return spec{settings: []setting{
		{name: "level", read: oneOf(
			&l.Level,
			choice[zapcore.Level]{"debug", zapcore.DebugLevel},
			choice[zapcore.Level]{"info", zapcore.InfoLevel},
			choice[zapcore.Level]{"warn", zapcore.WarnLevel},
			choice[zapcore.Level]{"error", zapcore.ErrorLevel},
		)},
		{name: "format", read: oneOf(
			&l.Format,
			choice[LogFormat]{"json", LogJSON},
			choice[LogFormat]{"console", LogConsole},
		)},
		{name: "output", read: func(v cty.Value, at hcl.Range) error {
			if s, err := asText(v, "stderr"); err == nil && (s == "stderr" || s == "stdout") {
				l.Output = s
				return nil
			}
			return toFile(v, at)
		}},
	}}
}

// name reads a block's label: one word, since it stands in log lines and in
// the line that announces a listener.
func (d *decoder) name(b *hcl.Block) string {
	name := b.Labels[0]
	if err := checkName(name); err != nil {
		d.errorf(b.LabelRanges[0], "Invalid name", "%s.", capital(err.Error()))
	}
	return name
}

func checkName(name string) error {
	if name == "" || len(name) > 64 {
		return errors.New("a name has 1 to 64 characters")
	}
	for i, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && (i == 0 || r != '-' && r != '_' && r != '.') {
			return fmt.Errorf("%q is not a name: use letters, digits, \"-\", \"_\" and \".\", with a letter or digit first", name)
		}
	}
	return nil
}
