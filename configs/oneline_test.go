package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func TestOneLineMeansTheSameAsManyLines(t *testing.T) {
	many := `
listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = ["main", "trial"]
  tls {
    mode = "implicit"
    data = "allow"
  }
  passive {
    ports = "40000-40100"
  }
}
upstream "legacy" {
  address         = "10.0.0.5:21"
  connect_timeout = "2s"
}
certificate "main" {
  files {
    cert = "fullchain.pem"
    key  = "key.pem"
  }
}
certificate "trial" {
  self_signed {
    names = ["localhost", "127.0.0.1"]
  }
}
log {
  level  = "warn"
  format = "console"
  output = "stderr"
}
`
	want, diags := decode([]source{{name: "f.hcl", text: []byte(many)}})
	if diags.Len() > 0 {
		t.Fatal(printed(t, diags))
	}
	for name, text := range map[string]string{
		"with commas": `
listener "ftp" { address = ":21", upstream = "legacy", certificate = ["main", "trial"], tls { mode = "implicit", data = "allow" }, passive { ports = "40000-40100" } }
upstream "legacy" { address = "10.0.0.5:21", connect_timeout = "2s" }
certificate "main" { files { cert = "fullchain.pem", key = "key.pem" } }
certificate "trial" { self_signed { names = ["localhost", "127.0.0.1"] } }
log   { level = "warn", format = "console", output = "stderr" }
`,
		"with commas at the end": `
listener "ftp" { address = ":21", upstream = "legacy", certificate = ["main", "trial"], tls { mode = "implicit", data = "allow", }, passive { ports = "40000-40100", }, }
upstream "legacy" { address = "10.0.0.5:21", connect_timeout = "2s", }
certificate "main" { files { cert = "fullchain.pem", key = "key.pem", }, }
certificate "trial" { self_signed { names = ["localhost", "127.0.0.1",], }, }
log { level = "warn", format = "console", output = "stderr", }
`,
		"without commas beside blocks": `
listener "ftp" { address = ":21", upstream = "legacy", certificate = ["main", "trial"] tls { mode = "implicit", data = "allow" } passive { ports = "40000-40100" } }
upstream "legacy" { address = "10.0.0.5:21", connect_timeout = "2s" }
certificate "main" { files { cert = "fullchain.pem", key = "key.pem" } }
certificate "trial" { self_signed { names = ["localhost", "127.0.0.1"] } }
log { level = "warn", format = "console", output = "stderr" }
`,
		"without a blank": `listener "ftp"{address=":21",upstream="legacy",certificate=["main","trial"],tls{mode="implicit",data="allow"},passive{ports="40000-40100"}}
upstream "legacy"{address="10.0.0.5:21",connect_timeout="2s"}
certificate "main"{files{cert="fullchain.pem",key="key.pem"}}
certificate "trial"{self_signed{names=["localhost","127.0.0.1"]}}
log{level="warn",format="console",output="stderr"}`,
		"with comments": `
# listener { a, b }
listener "ftp" { /* , */ address = ":21", /* { */ upstream = "legacy" /* } */, certificate = ["main", "trial"], tls { mode = "implicit", data = "allow" }, passive { ports = "40000-40100" } } # { a, b }
upstream "legacy" { address = "10.0.0.5:21", connect_timeout = "2s" } // log { a, b }
certificate "main" { files { cert = "fullchain.pem", key = "key.pem" } }
certificate "trial" { self_signed { names = ["localhost", "127.0.0.1"] } }
log { level = "warn", format = "console", output = "stderr" }
`,
		"within blocks of many lines": strings.Replace(
			strings.Replace(many, "tls {\n    mode = \"implicit\"\n    data = \"allow\"\n  }", `tls { mode = "implicit", data = "allow" }`, 1),
			"files {\n    cert = \"fullchain.pem\"\n    key  = \"key.pem\"\n  }", `files       { cert = "fullchain.pem", key = "key.pem" }`, 1,
		),
		"with the line ends of Windows": strings.ReplaceAll(`listener "ftp" { address = ":21", upstream = "legacy", certificate = ["main", "trial"], tls { mode = "implicit", data = "allow" }, passive { ports = "40000-40100" } }
upstream "legacy" { address = "10.0.0.5:21", connect_timeout = "2s" }
certificate "main" { files { cert = "fullchain.pem", key = "key.pem" } }
certificate "trial" { self_signed { names = ["localhost", "127.0.0.1"] } }
log { level = "warn", format = "console", output = "stderr" }
`, "\n", "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			got, diags := decode([]source{{name: "f.hcl", text: []byte(text)}})
			if diags.Len() > 0 {
				t.Fatal(printed(t, diags))
			}
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("settings differ (-many lines +one line):\n%s", diff)
			}
		})
	}
}

// What no setting of today takes is read all the same: objects, calls,
// templates, and blocks that only a later version knows.
func TestOneLineValues(t *testing.T) {
	for text, want := range map[string]string{
		`passive { ports = "1-2", networks = { "10.0.0.0/8" = "10.0.0.9", "::/0" = "::1" } }`:                     `passive{networks={ "10.0.0.0/8" = "10.0.0.9", "::/0" = "::1" };ports="1-2"}`,
		`eab { key_id = "…", mac_key = env("EAB_KEY", "b") }`:                                                     `eab{key_id="…";mac_key=env("EAB_KEY", "b")}`,
		`health { interval = "10s", timeout = "3s", failures = 3, path = "greeting" }`:                            `health{failures=3;interval="10s";path="greeting";timeout="3s"}`,
		`a { x = { b = 1, c = [1, { d = 2, e = 3 }] }, y = (1 + 2) * 3, z = x ? [1, 2] : "a, b" }`:                `a{x={ b = 1, c = [1, { d = 2, e = 3 }] };y=(1 + 2) * 3;z=x ? [1, 2] : "a, b"}`,
		`a { x = "${f(1, "}, {")}, %{ if t }y, %{ endif }", z = [for k, v in m : v if v != "a,b"] }`:              `a{x="${f(1, "}, {")}, %{ if t }y, %{ endif }";z=[for k, v in m : v if v != "a,b"]}`,
		"a { x = {\n  b = 1\n  c = 2\n}, y = 2 }":                                                                 "a{x={\n  b = 1\n  c = 2\n};y=2}",
		"a { x = 1, b \"l\" m {\n  y = 2\n  c { z = 3, d {} }\n} }":                                               `a{x=1;b "l" "m"{y=2;c{z=3;d{}}}}`,
		`certificate "m" { acme { names = ["a", "b"], dns { rfc2136 { server = "ns1:53", key = file("…") } } } }`: `certificate "m"{acme{names=["a", "b"];dns{rfc2136{key=file("…");server="ns1:53"}}}}`,
	} {
		t.Run(text, func(t *testing.T) {
			file, diags := parse(source{name: "f.hcl", text: []byte(text)})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got := outlined(file.Body.(*hclsyntax.Body), file.Bytes); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// outlined prints a body: settings by name, each with the text at its range,
// then the blocks.
func outlined(body *hclsyntax.Body, text []byte) string {
	var items []string
	for name, attr := range body.Attributes {
		items = append(items, name+"="+string(attr.Expr.Range().SliceBytes(text)))
	}
	slices.Sort(items)
	for _, b := range body.Blocks {
		header := string(b.TypeRange.SliceBytes(text))
		for _, label := range b.Labels {
			header += fmt.Sprintf(" %q", label)
		}
		items = append(items, header+"{"+outlined(b.Body, text)+"}")
	}
	return strings.Join(items, ";")
}

// A mistake is reported where it stands in the file, not where HCL met it.
func TestOneLineMistakesHaveTheirPlace(t *testing.T) {
	for text, want := range map[string][]string{
		`log { level = "info", format = "jsn" }`:           {`1:32 "jsn" Unknown value "jsn"`},
		`log { level = "inf", format = "jsn" }`:            {`1:15 "inf" Unknown value "inf"`, `1:31 "jsn" Unknown value "jsn"`},
		"\n\n" + `log { level = "info", fromat = "json" }`: {`3:23 fromat Unknown setting`},
		`log { output = "größe", level = info } x`:         {`1:33 info Missing quotes`, `1:40 x Missing newline after block definition`},
		`storage { dir = "ü", dir = "b" }`:                 {`1:22 dir Duplicate setting`},
		`log, { level = "info", format = "json" }`:         {`1:1 log Argument or block definition required`},
		`log {, level = "info" }`:                          {`1:6 , Unexpected comma`},
		`log { level = "info",, format = "json" }`:         {`1:22 , Unexpected comma`},
		`log { , }`:                                                      {`1:7 , Unexpected comma`},
		`log { level = "info" format = "json" }`:                         {`1:22 format Missing comma`},
		`log { level = "info", format }`:                                 {`1:23 format Argument or block definition required`},
		`log { level = "info", "format" = "json" }`:                      {`1:23 " Invalid argument name`},
		`log { level = , format = "json" }`:                              {`1:14  Missing expression`},
		`log { level = "info" "x", format = "json" }`:                    {`1:22 " Extra characters after expression`},
		`log { level = "info", format = ["json" }`:                       {`1:32 [ Unterminated tuple constructor expression`, `1:32 ["json" Invalid value for "format"`},
		"log { level = \"info\",\n  format = \"json\" }":                 {`1:21 , Block not closed on its line`},
		"log { level = \"info\", # why\n  format = \"json\" }":           {`1:21 , Block not closed on its line`},
		"log {\n  level  = \"info\",\n  format = \"json\"\n}":            {`2:18 , Unexpected comma after argument`},
		"log { level = \"info\", format = \"json\"\n":                    {`1:5 { Unclosed configuration block`, `1:37 " Block not closed on its line`},
		`listener "ftp" { address = ":1", upstream = "u", tls { mod } }`: {`1:56 mod Argument or block definition required`},
	} {
		t.Run(text, func(t *testing.T) {
			_, diags := decode([]source{{name: "f.hcl", text: []byte(text)}})
			var got []string
			for _, d := range diags.list {
				if d.Subject != nil && d.Subject.CanSliceBytes([]byte(text)) {
					at := d.Subject
					got = append(got, fmt.Sprintf("%d:%d %s %s", at.Start.Line, at.Start.Column, at.SliceBytes([]byte(text)), d.Summary))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

// A configuration has four blocks within each other; reading thousands must
// neither take forever nor overflow anything.
func TestOneLineBlocksNestWithinReason(t *testing.T) {
	text := strings.Repeat("a { x = 1, ", 50_000) + strings.Repeat("}", 50_000)
	if _, diags := parse(source{name: "f.hcl", text: []byte(text)}); !diags.HasErrors() {
		t.Error("accepted")
	}
}

func TestPlainHCLIsReadByHCLAlone(t *testing.T) {
	examples, err := filepath.Glob("examples/*.hcl")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"values":   "a { x = { b = 1, c = 2 } }\nb { x = [1, 2] }\nc { x = f(1, 2) }\n",
		"comments": "a { x = 1 /* , y = 2 */ } # , z = 3\nb { # x = 1, y = 2\n}\n/* c { x = 1, y = 2 } */\n",
		"texts":    "x = \"a { x = 1, y = 2 }\"\ny = <<EOT\na { x = 1, y = 2 }\nEOT\n",
		"template": "x = \"${f({ a = 1, b = 2 }, \"c { d = 1, e = 2 }\")}\"\n",
		"bodies":   "a {}\nb { x = 1 }\nc \"d\" e {\n  x = 1\n  f { y = 2 }\n}\n",
	}
	for _, file := range append(examples, "reference.hcl") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) != "one-line.hcl" {
			texts[file] = string(text)
		}
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			if !plainHCL([]byte(text)) {
				t.Fatal("HCL does not read this")
			}
			checkOutline(t, []byte(text))
		})
	}
}

func plainHCL(text []byte) bool {
	_, diags := hclsyntax.ParseConfig(text, "f.hcl", hcl.InitialPos)
	return !diags.HasErrors()
}

// checkOutline checks what holds for every text: plain HCL is left alone, and
// every range is one of the text as it was written.
func checkOutline(t *testing.T, text []byte) {
	t.Helper()
	f := source{name: "f.hcl", text: text}
	if found := newOutline(f).whole(len(text)).blocks; plainHCL(text) && len(found) > 0 {
		t.Errorf("HCL reads this; nothing is to be done at %s", found[0].open)
	}
	before := string(text)
	file, diags := parse(f)
	if string(text) != before || string(file.Bytes) != before {
		t.Error("the text was changed")
	}
	for _, d := range diags {
		checkRange(t, text, d.Subject)
		checkRange(t, text, d.Context)
	}
	checkNames(t, text, file.Body.(*hclsyntax.Body))
}

func checkRange(t *testing.T, text []byte, r *hcl.Range) {
	t.Helper()
	if r == nil {
		return
	}
	if r.Start.Byte < 0 || r.End.Byte < r.Start.Byte || len(text) < r.End.Byte {
		t.Fatalf("range %s is outside of the text", r)
	}
	if line := 1 + strings.Count(string(text[:r.Start.Byte]), "\n"); line != r.Start.Line {
		t.Errorf("range %s begins in line %d", r, line)
	}
}

// checkNames compares every name with the text at its range.
func checkNames(t *testing.T, text []byte, body *hclsyntax.Body) {
	t.Helper()
	for name, attr := range body.Attributes {
		checkRange(t, text, &attr.SrcRange)
		if got := string(attr.NameRange.SliceBytes(text)); got != name {
			t.Errorf("setting %q has the range of %q", name, got)
		}
	}
	for _, b := range body.Blocks {
		if got := string(b.TypeRange.SliceBytes(text)); got != b.Type {
			t.Errorf("block %q has the range of %q", b.Type, got)
		}
		checkNames(t, text, b.Body)
	}
}
