package policy

import (
	"math"
	"strconv"
	"strings"

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

	Sessions          int   // at the same time
	RateUp            int64 // bytes per second that clients send
	RateDown          int64 // bytes per second that clients receive
	TransferSize      int64 // bytes of one transfer
	CommandsPerSecond int
}

// Limits are the limits that apply to a session.
type Limits struct {
	// Applying lists them in the order of the file. Where a bound is shared,
	// each of them counts: the one with the smaller number may have fewer
	// sessions to share it.
	Applying []Limit

	Sessions, RateUp, RateDown      Bound
	TransferSize, CommandsPerSecond Bound
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
		l.TransferSize.tighten(b.TransferSize, &b)
		l.CommandsPerSecond.tighten(int64(b.CommandsPerSecond), &b)
	}
	return l
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
	var sessions, commands int64
	fields := append(d.whoFields(&l.who),
		field{"sessions", false, func(e hclsyntax.Expression) { sessions = d.count(e) }},
		field{"commands_per_second", false, func(e hclsyntax.Expression) { commands = d.count(e) }},
		field{"rate_up", false, func(e hclsyntax.Expression) { l.bounds.RateUp = d.size(e) }},
		field{"rate_down", false, func(e hclsyntax.Expression) { l.bounds.RateDown = d.size(e) }},
		field{"transfer_size", false, func(e hclsyntax.Expression) { l.bounds.TransferSize = d.size(e) }},
	)
	before := len(d.diags)
	d.body(b.Body, fields, nil)
	l.bounds.Sessions, l.bounds.CommandsPerSecond = int(sessions), int(commands)
	if none := (Limit{Name: l.bounds.Name, At: l.bounds.At}); l.bounds == none && len(d.diags) == before {
		d.warnf(b.DefRange(), "Limit without a bound", "The limit %q limits nothing. Give it sessions, rate_up, rate_down, transfer_size or commands_per_second.", l.bounds.Name)
	}
	d.policy.limits = append(d.policy.limits, l)
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

func parseSize(s string) (int64, bool) {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}} {
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
