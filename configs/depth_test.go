package configs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Each of these, repeated often enough, overflows the stack when HCL reads it.
func TestNestingIsBounded(t *testing.T) {
	for _, s := range []string{"(", "[", "!", "-", "{a=", "\"${", "a{\n", "1?1:", "[("} {
		text := "listener \"a\" {\n  address = " + strings.Repeat(s, 15000)
		if s == "a{\n" {
			text = strings.Repeat(s, 15000)
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

// Without brackets within each other, but evaluated that way, the first within
// the second and so on.
func TestChainsAreBounded(t *testing.T) {
	chain := func(s string, links int) string {
		lines := strings.Repeat(strings.Repeat(s, 1000)+"\n", links/1000) + strings.Repeat(s, links%1000)
		return "log {\n  level = ([]\n" + lines + ")\n}\n"
	}
	all := newOutline(source{name: "a.hcl", text: []byte("a = b+1*1/1%1<1<=1>1>=1==1!=1&&b||b[0].b")}).tokens
	if n := len(slices.DeleteFunc(slices.Clone(all), func(t hclsyntax.Token) bool { return !isLink(t.Type) })); n != 14 {
		t.Errorf("%d links of 14", n)
	}
	settings, diags := decode([]source{{name: "long.hcl", text: []byte(chain("+1", maxLinks))}})
	if settings != nil || diags.list[0].Summary != "Nested too deeply" {
		t.Errorf("%v", diags.list)
	}
	// The longest that is read is evaluated, too; its list is a link of its own.
	for _, s := range []string{"+1", "[*]"} {
		settings, diags := decode([]source{{name: "long.hcl", text: []byte(chain(s, (maxLinks-1)/(len(s)-1)))}})
		if settings != nil || !diags.HasErrors() || strings.Contains(diags.list[0].Summary, "deeply") {
			t.Errorf("%q: %d diagnostics", s, diags.Len())
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

// HCL would print each of these lines, whole, for each of the mistakes in it.
func TestLinesAreBounded(t *testing.T) {
	line := strings.Repeat("a b ", 1<<20)
	_, diags := decode([]source{{name: "long.hcl", text: []byte("listener \"a\" {\n  address = " + line + "\n}\n")}})
	want := fmt.Sprintf("Error: Line too long\n\n  on long.hcl line 2:\n  (source code not available)\n\nA line has at most %d bytes.", maxLine)
	if got := printed(t, diags); !strings.HasPrefix(got, want) || len(got) > 1000 {
		t.Errorf("%.1000s", got)
	}

	value := strings.Repeat("x", maxLine-len(`a = ""`))
	if _, diags := parse(source{name: "a.hcl", text: []byte("a = \"" + value + "\"\n")}); diags.HasErrors() {
		t.Errorf("the longest line: %.300v", diags)
	}
	if _, diags := parse(source{name: "a.hcl", text: []byte("a = \"" + value + "x\"\n")}); !diags.HasErrors() {
		t.Error("a longer one was read")
	}
}

// For each mistake HCL counts the characters from the file's start.
func TestDiagnosticsAreBounded(t *testing.T) {
	const n = 40000
	settings, diags := decode([]source{{name: "many.hcl", text: []byte(strings.Repeat("frobnicate \"x\" {}\n", n))}})
	want := maxReading / (n * len("frobnicate \"x\" {}\n"))
	if settings != nil || !diags.HasErrors() || diags.Len() != want+1 {
		t.Fatalf("settings %t, %d diagnostics, want %d", settings != nil, diags.Len(), want+1)
	}
	if got := printed(t, diags); !strings.HasSuffix(got, fmt.Sprintf("Error: Too many diagnostics\n\n%d further diagnostics are left out.\n\n", n-want)) {
		t.Errorf("…%s", got[len(got)-300:])
	}
}
