package conversation

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// load compiles testdata/policies/NAME.hcl. A mistake in it, or a rule that can
// never match, is one of the script.
func (p *parser) load(name string) error {
	if p.script.Policies[name] != nil {
		return nil
	}
	file := path.Join("policies", name+".hcl")
	text, err := fs.ReadFile(p.files, file)
	if err != nil {
		return fmt.Errorf("no policy is called %q", name)
	}
	compiled, err := compile(file, text)
	if err != nil {
		return err
	}
	p.script.Policies[name] = compiled
	return nil
}

func compile(file string, text []byte) (*policy.Policy, error) {
	parsed, diags := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	content, diags := parsed.Body.Content(&hcl.BodySchema{
		Blocks: []hcl.BlockHeaderSchema{{Type: "policy", LabelNames: []string{"name"}}},
	})
	if diags.HasErrors() {
		return nil, diags
	}
	if len(content.Blocks) != 1 {
		return nil, fmt.Errorf("%s holds %d policies, not one", file, len(content.Blocks))
	}
	compiled, diags := policy.Compile(content.Blocks[0], time.LoadLocation)
	if diags.HasErrors() {
		return nil, diags
	}
	for _, d := range diags {
		if d.Summary == "Rule without effect" {
			return nil, d
		}
	}
	return compiled, nil
}

// policyTaken is the name in "P takes policy NAME".
func policyTaken(s Step) (name string, ok bool) {
	if s.Actor != "P" {
		return "", false
	}
	return strings.CutPrefix(s.Action, "takes policy ")
}

// proxyPhrase is what is done to the proxy while sessions run.
func proxyPhrase(s Step) func(*stage) error {
	if name, ok := policyTaken(s); ok {
		return func(st *stage) error { return st.subject.Reload(st.script.Policies[name]) }
	}
	if s.Action == "takes no policy" {
		return func(st *stage) error { return st.subject.Reload(nil) }
	}
	return nil
}
