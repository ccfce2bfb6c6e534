package policy

import (
	"net/netip"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A fact is a name that expressions know: root.name.
type fact struct {
	root, name string
	kind       cty.Type
	value      func(s *scene) cty.Value
	perPath    bool // differs between the places that a command may touch
	varies     bool // may differ between two commands of a session
}

// A scene is what an expression is evaluated for.
type scene struct {
	policy *Policy
	work   *work
	target *target // nil: the command touches no place
}

func (s *scene) request() *Request { return &s.work.request }

// facts lists every name. Text that is not there is "", but a certificate that
// is not there has null for all of its attributes: null equals nothing, so that
// an empty user name is not the name in a certificate that was never shown.
func facts() []fact {
	return []fact{
		varying("command", "verb", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.verb()) }),
		varying("command", "argument", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.work.argument) }),
		{"command", "path", cty.String, (*scene).path, true, true},
		{"command", "path_from", cty.String, (*scene).pathFrom, true, true},
		fixed("user", "name", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().User) }),
		fixed("client", "address", cty.String, func(s *scene) cty.Value { return cty.StringVal(addressText(s.request().Client)) }),
		fixed("session", "listener", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().Session.Listener) }),
		fixed("session", "upstream", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().Session.Upstream) }),
		fixed("session", "host", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().Session.Host) }),
		varying("session", "logged_in", cty.Bool, func(s *scene) cty.Value { return cty.BoolVal(s.request().Session.LoggedIn) }),
		varying("session", "commands", cty.Number, func(s *scene) cty.Value { return number(s.request().Session.Commands) }),
		varying("session", "denied", cty.Number, func(s *scene) cty.Value { return number(s.request().Session.Denied) }),
		fixed("tls", "active", cty.Bool, func(s *scene) cty.Value { return cty.BoolVal(s.request().TLS.Active) }),
		fixed("tls", "version", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().TLS.Version) }),
		fixed("tls", "cipher", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().TLS.Cipher) }),
		fixed("tls", "sni", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().TLS.SNI) }),
		varying("tls", "data", cty.String, func(s *scene) cty.Value { return cty.StringVal(orClear(s.request().TLS.Data)) }),
		varying("tls", "session_reused", cty.Bool, func(s *scene) cty.Value { return cty.BoolVal(s.request().TLS.SessionReused) }),
		fixed("tls", "client_certificate", certificateType(), func(s *scene) cty.Value { return certificate(&s.request().TLS.Certificate) }),
		varying("transfer", "type", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.request().TransferType) }),
		varying("time", "hour", cty.Number, func(s *scene) cty.Value { return number(s.now().Hour()) }),
		varying("time", "minute", cty.Number, func(s *scene) cty.Value { return number(s.now().Minute()) }),
		varying("time", "weekday", cty.String, func(s *scene) cty.Value { return cty.StringVal(strings.ToLower(s.now().Weekday().String())) }),
		varying("time", "unix", cty.Number, func(s *scene) cty.Value { return cty.NumberIntVal(s.now().Unix()) }),
		varying("time", "date", cty.String, func(s *scene) cty.Value { return cty.StringVal(s.now().Format("2006-01-02")) }),
	}
}

func fixed(root, name string, kind cty.Type, value func(*scene) cty.Value) fact {
	return fact{root: root, name: name, kind: kind, value: value}
}

func varying(root, name string, kind cty.Type, value func(*scene) cty.Value) fact {
	return fact{root: root, name: name, kind: kind, value: value, varies: true}
}

func number(n int) cty.Value { return cty.NumberIntVal(int64(n)) }

// verb is the plain verb, also for an X-form.
func (s *scene) verb() string {
	name := s.request().Command.Verb
	if verb, known := ftpparse.Lookup(name); known {
		return verb.Canonical
	}
	return upper(name)
}

// path is the place that is asked about. When that is not one place, it is
// unknown, and so is what an expression makes of it.
func (s *scene) path() cty.Value {
	switch {
	case s.target == nil:
		return cty.StringVal("")
	case s.target.how&(targetUnknown|targetBelow) != 0:
		return cty.UnknownVal(cty.String)
	}
	return cty.StringVal(string(s.work.pathOf(s.target)))
}

// pathFrom is the place that RNFR named, unknown when that could be several.
func (s *scene) pathFrom() cty.Value {
	from := cty.StringVal("")
	seen := false
	for i := range s.work.targets[:s.work.count] {
		t := &s.work.targets[i]
		if t.how&targetSource == 0 {
			continue
		}
		if seen || t.how&(targetUnknown|targetBelow) != 0 {
			return cty.UnknownVal(cty.String)
		}
		from, seen = cty.StringVal(string(s.work.pathOf(t))), true
	}
	return from
}

func (s *scene) now() time.Time { return s.request().Time.In(s.policy.env.zone) }

// orClear: data connections start as clear (RFC 4217 §9).
func orClear(level string) string {
	if level == "" {
		return "clear"
	}
	return level
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

func certificateType() cty.Type {
	return cty.Object(map[string]cty.Type{
		"subject": cty.String, "cn": cty.String, "emails": cty.List(cty.String), "dns": cty.List(cty.String),
		"serial": cty.String, "issuer": cty.String, "sha256": cty.String,
	})
}

func certificate(c *Certificate) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"subject": orNull(c.Subject), "cn": orNull(c.CN), "emails": texts(c.Emails), "dns": texts(c.DNS),
		"serial": orNull(c.Serial), "issuer": orNull(c.Issuer), "sha256": orNull(c.SHA256),
	})
}

func orNull(s string) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(s)
}

func texts(items []string) cty.Value {
	if len(items) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, len(items))
	for i, item := range items {
		values[i] = cty.StringVal(item)
	}
	return cty.ListVal(values)
}
