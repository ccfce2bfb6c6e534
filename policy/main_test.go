package policy_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// compileText compiles the one policy block in a text.
func compileText(t testing.TB, name, text string) (*policy.Policy, hcl.Diagnostics, *hcl.File) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := file.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "policy", LabelNames: []string{"name"}}}})
	if diags.HasErrors() || len(content.Blocks) != 1 {
		t.Fatalf("%d policies, %v", len(content.Blocks), diags)
	}
	p, found := policy.Compile(content.Blocks[0], time.LoadLocation)
	return p, found, file
}

// compile compiles the inside of a policy without mistakes.
func compile(t testing.TB, inside string) *policy.Policy {
	t.Helper()
	p, diags, file := compileText(t, "policy.hcl", "policy \"p\" {\n"+inside+"\n}\n")
	if diags.HasErrors() {
		t.Fatal(printed(t, diags, file))
	}
	return p
}

// printed is what a person would see.
func printed(t testing.TB, diags hcl.Diagnostics, file *hcl.File) string {
	t.Helper()
	var b bytes.Buffer
	files := map[string]*hcl.File{}
	for _, d := range diags {
		if d.Subject != nil {
			files[d.Subject.Filename] = file
		}
	}
	if err := hcl.NewDiagnosticTextWriter(&b, files, 0, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// command reads a line as a client sends it.
func command(t testing.TB, line string) ftpparse.Command {
	t.Helper()
	c, err := ftpparse.ParseCommand([]byte(line))
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return c
}

// in is a request of a client that has logged in and stands in a directory.
func in(t testing.TB, directory, line string) policy.Request {
	t.Helper()
	return policy.Request{
		Command: command(t, line), Directory: directory, User: "partner-7",
		Session: policy.Session{LoggedIn: true}, TransferType: "I", Time: time.Unix(1764063000, 0),
	}
}
