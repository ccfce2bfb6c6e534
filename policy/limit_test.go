package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

func TestLimits(t *testing.T) {
	p := compile(t, `
limit "everybody" {
  sessions            = 100
  commands_per_second = 50
  transfer_size       = "2GiB"
}
limit "partners" {
  users     = ["partner-*"]
  sessions  = 4
  rate_up   = "10MiB"
  rate_down = 52428800
}
limit "from outside" {
  from                = ["198.51.100.0/24"]
  rate_up             = "1MiB"
  transfer_size       = "3GiB"
  rate_up_per_session = "128KiB"
}
limit "host" {
  hosts    = ["slow.example.com"]
  rate_up  = "64KiB"
  sessions = 4

  rate_up_per_session   = 65535
  rate_down_per_session = "1KiB"
}`)
	bound := func(value int64, limit string, line int) policy.Bound {
		return policy.Bound{Value: value, Limit: limit, At: policy.Place{File: "policy.hcl", Line: line}}
	}
	q := policy.Request{User: "partner-7", Client: netip.MustParseAddr("198.51.100.4")}
	q.TLS.SNI = "slow.example.com"
	got := p.Limits(q)
	var names []string
	for _, l := range got.Applying {
		names = append(names, l.Name)
	}
	if want := "everybody partners from outside host"; strings.Join(names, " ") != want {
		t.Errorf("applying: %q", names)
	}
	got.Applying = nil
	want := policy.Limits{
		Sessions: bound(4, "partners", 8), RateUp: bound(64<<10, "host", 20), RateDown: bound(50<<20, "partners", 8),
		RateUpPerSession: bound(65535, "host", 20), RateDownPerSession: bound(1<<10, "host", 20),
		TransferSize: bound(2<<30, "everybody", 3), CommandsPerSecond: bound(50, "everybody", 3),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	none := compile(t, "limit \"a\" {\n users = [\"x\"]\n sessions = 1\n}").Limits(q)
	if diff := cmp.Diff(policy.Limits{}, none); diff != "" {
		t.Error(diff)
	}
	// Nobody is let off a network's limit because the address is not known.
	q.Client = netip.Addr{}
	if got := p.Limits(q); got.RateUp.Limit != "host" || len(got.Applying) != 4 {
		t.Errorf("%+v", got)
	}
}

// What a limit bounds is said with the units that people write.
func TestBoundsInWords(t *testing.T) {
	p := compile(t, `
limit "all" {
  sessions              = 4
  rate_up               = "1536KiB"
  rate_down             = 1000
  rate_up_per_session   = "1MiB"
  rate_down_per_session = "512B"
  transfer_size         = "1024GiB"
  commands_per_second   = 20
}
limit "one" {
  users         = ["nobody"]
  transfer_size = "3GiB"
}`)
	all := p.AllLimits()
	if len(all) != 2 || all[1].Name != "one" || all[1].At.Line != 12 {
		t.Fatalf("%+v", all)
	}
	want := "4 sessions, 1536KiB/s up, 1000B/s down, 1MiB/s up in each session, 512B/s down in each session, 1TiB in a transfer, 20 commands/s in each session; 3GiB in a transfer"
	if got := strings.Join(all[0].Bounds(), ", ") + "; " + strings.Join(all[1].Bounds(), ", "); got != want {
		t.Errorf("%s", got)
	}
}
