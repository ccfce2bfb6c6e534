package configs

import (
	"bytes"
	"strings"
	"testing"
)

// Each of these, repeated often enough, overflows the stack when HCL reads it.
func TestNestingIsBounded(t *testing.T) {
	for _, s := range []string{"(", "[", "!", "-", "{a=", "\"${", "a{\n", "1?1:", "[("} {
		text := "listener \"a\" {\n  address = " + strings.Repeat(s, 20000)
		if s == "a{\n" {
			text = strings.Repeat(s, 20000)
		}
		settings, diags := decode([]source{{name: "deep.hcl", text: []byte(text)}})
		var b bytes.Buffer
		if err := diags.Print(&b, false); err != nil {
			t.Fatal(err)
		}
		if settings != nil || !strings.Contains(b.String(), "Nested too deeply") {
			t.Errorf("%q: %.300s", s, b.String())
		}
	}
}

func TestOrdinaryNestingIsRead(t *testing.T) {
	text := "a = " + strings.Repeat("[", maxNesting-1) + strings.Repeat("]", maxNesting-1) + "\n"
	if _, diags := parse(source{name: "a.hcl", text: []byte(text)}); diags.HasErrors() {
		t.Error(diags)
	}
	if _, diags := parse(source{name: "a.hcl", text: []byte(strings.Repeat("a { b = \"x-${1 - 1}\" }\n", 500))}); strings.Contains(diags.Error(), "deeply") {
		t.Error(diags)
	}
}
