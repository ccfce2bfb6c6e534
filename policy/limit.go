package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A limit is a compiled limit block.
type limit struct {
	who    who
	bounds Limit
}

// A Limit is what one limit block asks for. Zero is no bound. Its name, with the
// policy's, is its identity: Sessions, RateUp and RateDown are shared by all
// sessions to which the limit applies, the others count in each session.
type Limit struct {
	Name string
	At   Place

	Sessions           int   // at the same time
	RateUp             int64 // bytes per second that clients send
	RateDown           int64 // bytes per second that clients receive
	RateUpPerSession   int64 // the same of each session by itself
	RateDownPerSession int64
	TransferSize       int64 // bytes of one transfer
	CommandsPerSecond  int
}

// Limits are the limits that apply to a session.
type Limits struct {
	// Applying lists them in the order of the file. Where a bound is shared,
	// each of them counts: the one with the smaller number may have fewer
	// sessions to share it.
	Applying []Limit

	Sessions, RateUp, RateDown           Bound
	RateUpPerSession, RateDownPerSession Bound
	TransferSize, CommandsPerSecond      Bound
}

// A Bound is the tightest of its kind and the limit it comes from. The zero
// value is none.
type Bound struct {
	Value int64
	Limit string
	At    Place
}

// Limits tells which limits apply. It looks at user, host and address only.
func (p *Policy) Limits(q Request) Limits {
	q.Client = plainAddress(q.Client)
	var l Limits
	for i := range p.limits {
		if p.limits[i].who.check(&q, true) != NoMatcher {
			continue
		}
		b := p.limits[i].bounds
		l.Applying = append(l.Applying, b)
		l.Sessions.tighten(int64(b.Sessions), &b)
		l.RateUp.tighten(b.RateUp, &b)
		l.RateDown.tighten(b.RateDown, &b)
		l.RateUpPerSession.tighten(b.RateUpPerSession, &b)
		l.RateDownPerSession.tighten(b.RateDownPerSession, &b)
		l.TransferSize.tighten(b.TransferSize, &b)
		l.CommandsPerSecond.tighten(int64(b.CommandsPerSecond), &b)
	}
	return l
}

// Bounds lists what the limit bounds, as a person would say it.
func (l Limit) Bounds() []string {
	var list []string
	say := func(value int64, format string, text any) {
		if value > 0 {
			list = append(list, fmt.Sprintf(format, text))
		}
	}
	say(int64(l.Sessions), "%d sessions", l.Sessions)
	say(l.RateUp, "%s/s up", sizeText(l.RateUp))
	say(l.RateDown, "%s/s down", sizeText(l.RateDown))
	say(l.RateUpPerSession, "%s/s up in each session", sizeText(l.RateUpPerSession))
	say(l.RateDownPerSession, "%s/s down in each session", sizeText(l.RateDownPerSession))
	say(l.TransferSize, "%s in a transfer", sizeText(l.TransferSize))
	say(int64(l.CommandsPerSecond), "%d commands/s in each session", l.CommandsPerSecond)
	return list
}

// AllLimits lists the policy's limits in the order of the file, whether or not
// they apply to anybody.
func (p *Policy) AllLimits() []Limit {
	all := make([]Limit, len(p.limits))
	for i := range p.limits {
		all[i] = p.limits[i].bounds
	}
	return all
}

func (b *Bound) tighten(value int64, from *Limit) {
	if value > 0 && (b.Value == 0 || value < b.Value) {
		*b = Bound{value, from.Name, from.At}
	}
}

func (d *decoder) limit(b *hclsyntax.Block) {
	l := limit{bounds: Limit{Name: b.Labels[0], At: placeOf(b.DefRange())}}
	for i := range d.policy.limits {
		if first := d.policy.limits[i].bounds; first.Name == l.bounds.Name {
			d.errorf(b.DefRange(), "Duplicate name", "There is already a limit %q at line %d. Give this one another name.", first.Name, first.At.Line)
		}
	}
	before := len(d.diags)
	d.body(b.Body, append(d.whoFields(&l.who), d.boundFields(&l.bounds)...), nil)
	if len(d.diags) == before {
		d.idle(b.DefRange(), l.bounds)
	}
	d.policy.limits = append(d.policy.limits, l)
}

func (d *decoder) boundFields(l *Limit) []field {
	count := func(name string, to *int) field {
		return field{name, false, func(e hclsyntax.Expression) { *to = int(d.count(e)) }}
	}
	size := func(name string, to *int64) field {
		return field{name, false, func(e hclsyntax.Expression) { *to = d.size(e) }}
	}
	return []field{
		count("sessions", &l.Sessions),
		size("rate_up", &l.RateUp),
		size("rate_down", &l.RateDown),
		size("rate_up_per_session", &l.RateUpPerSession),
		size("rate_down_per_session", &l.RateDownPerSession),
		size("transfer_size", &l.TransferSize),
		count("commands_per_second", &l.CommandsPerSecond),
	}
}

// idle warns of what bounds nothing: a whole limit, or a session's rate that is
// no smaller than the one which all sessions share.
func (d *decoder) idle(at hcl.Range, l Limit) {
	if none := (Limit{Name: l.Name, At: l.At}); l == none {
		d.warnf(at, "Limit without a bound", "The limit %q limits nothing. Give it sessions, rate_up, rate_down, rate_up_per_session, rate_down_per_session, transfer_size or commands_per_second.", l.Name)
	}
	for _, r := range []struct {
		name            string
		shared, session int64
	}{{"rate_up", l.RateUp, l.RateUpPerSession}, {"rate_down", l.RateDown, l.RateDownPerSession}} {
		if r.shared > 0 && r.session >= r.shared {
			d.warnf(at, "Rate without effect", "In the limit %q, all sessions together have no more than %s allows, so that %s_per_session never counts. Make it smaller, or leave it out.", l.Name, r.name, r.name)
		}
	}
}

// count reads a whole number from 1 on.
func (d *decoder) count(e hclsyntax.Expression) int64 {
	v, ok := d.value(e)
	if !ok {
		return 0
	}
	if v.Type() == cty.Number {
		if n, accuracy := v.AsBigFloat().Int64(); accuracy == 0 && n >= 1 && n <= math.MaxInt32 {
			return n
		}
	}
	d.errorf(e.Range(), "Number expected", "The value must be a whole number from 1 to %d, without quotes. Leave the setting out for no limit.", math.MaxInt32)
	return 0
}

// size reads "10MiB", or a number of bytes.
func (d *decoder) size(e hclsyntax.Expression) int64 {
	v, ok := d.value(e)
	if !ok {
		return 0
	}
	switch v.Type() {
	case cty.Number:
		if n, accuracy := v.AsBigFloat().Int64(); accuracy == 0 && n >= 1 && n <= maxSize {
			return n
		}
	case cty.String:
		if n, ok := parseSize(v.AsString()); ok {
			return n
		}
	}
	d.errorf(e.Range(), "Size expected", "The value must be a number of bytes from 1 on, or text such as \"64KiB\", \"10MiB\" or \"2GiB\". Leave the setting out for no limit.")
	return 0
}

const maxSize = 1 << 60

// units are those of sizes. Each is a multiple of those behind it.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseSize(s string) (int64, bool) {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || n == 0 || n > uint64(maxSize/unit.bytes) {
			return 0, false
		}
		return int64(n) * unit.bytes, true
	}
	return 0, false
}

// sizeText writes a size with the largest unit that it is a multiple of.
func sizeText(bytes int64) string {
	for _, unit := range units {
		if bytes >= unit.bytes && bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}
