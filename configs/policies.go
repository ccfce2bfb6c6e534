package configs

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// Policy is one policy block. The policy package knows its grammar; here it is
// handed on unread.
type Policy struct {
	Name string

	compiled *policy.Policy // nil after a mistake
	at       hcl.Range
}

// Policy returns the compiled policy of that name, or nil.
func (s *Settings) Policy(name string) *policy.Policy {
	for _, p := range s.Policies {
		if p.Name == name {
			return p.compiled
		}
	}
	return nil
}

func (d *decoder) policy(b *hcl.Block) {
	p := Policy{Name: d.name(b), at: b.DefRange}
	var diags hcl.Diagnostics
	p.compiled, diags = policy.Compile(b, time.LoadLocation)
	d.diags = append(d.diags, diags...)
	d.settings.Policies = append(d.settings.Policies, p)
}
