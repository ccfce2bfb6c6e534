package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// The ready-made policies keep what they promise: each tests itself, with commands
// that must pass and commands that must not.
func TestExamplePoliciesPassTheirTests(t *testing.T) {
	files, err := filepath.Glob("examples/policy-*.hcl")
	if err != nil || len(files) < 6 {
		t.Fatalf("found %d policies (%v), want at least 6", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			settings := load(t, file)
			if len(settings.Policies) != 1 {
				t.Fatalf("%d policies", len(settings.Policies))
			}
			name := settings.Policies[0].Name
			passed := map[bool]int{}
			for _, r := range settings.Policy(name).Test() {
				if !r.Passed {
					t.Errorf("%s: %q", r.Name, r.Diff)
				}
				passed[r.Explanation.Decision.Action == policy.Allow]++
			}
			if passed[true] < 2 || passed[false] < 3 {
				t.Errorf("%d tests of what passes and %d of what does not", passed[true], passed[false])
			}
		})
	}
}

// People copy from the policies: they look as the formatter would write them.
func TestExamplePoliciesAreFormatted(t *testing.T) {
	files, err := filepath.Glob("examples/policy-*.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "reference.hcl") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(hclwrite.Format(text)) != string(text) {
			t.Errorf("%s is not formatted", file)
		}
	}
}
