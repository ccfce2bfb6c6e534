package conversation_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ftpsproxy/ftpsproxy/test/conversation"
)

func TestParserRefusesSlips(t *testing.T) {
	for _, c := range []struct{ name, text, complaint string }{
		{"unknown phrase", "C jumps", `C cannot do "jumps"`},
		{"phrase of the other side", "U connects", "U cannot do"},
		{"phrase of the other side's leg", "CD starts TLS as somebody else", "CD cannot do"},
		{"unknown actor", "D> NOOP", "looks like a step"},
		{"small letter", "c> NOOP", "looks like a step"},
		{"blank before the sign", "C > NOOP", `C cannot do "> NOOP"`},
		{"no blank after the sign", "C>NOOP", "looks like a step"},
		{"indented", " C> NOOP", "looks like a step"},
		{"unknown escape", `C> \q`, "unknown escape"},
		{"lone backslash", `C> \`, "lone backslash"},
		{"unknown placeholder", "C> {where}", "unknown placeholder"},
		{"open brace", "C> {port", "no closing brace"},
		{"trailing blank", "C> NOOP ", "blanks at the end"},
		{"unknown steps", "logon", `no steps are called "logon"`},
		{"stranger speaks", "S> hello", "S knows no >"},
		{"log speaks", "L> hello", "L knows no >"},
		{"lines on a data connection", "CD>> hello", "CD knows no >>"},
		{"unknown directive", "listner: control=allow", "unknown directive"},
		{"unknown setting", "listener: contrl=allow", "unknown setting"},
		{"unknown value", "listener: control=maybe", "unknown value"},
		{"directive without a blank", "listener:control=allow", "looks like a step or a directive"},
		{"directive too late", "C connects\nlimits: line=100", "directive after the first step"},
		{"no steps", "Just prose.", "no steps"},
		{"bad number", "limits: line=many", "invalid syntax"},
		{"bad count", "CD sends many bytes", "CD cannot do"},
		{"unknown policy", "policy: lax", `no policy is called "lax"`},
		{"policy too late", "C connects\npolicy: wrong", "directive after the first step"},
		{"policy with a mistake", "policy: wrong", "Did you mean"},
		{"policy with a rule without effect", "P takes policy idle", "never"},
		{"proxy speaks", "P> hello", "looks like a step"},
		{"proxy jumps", "P jumps", `P cannot do "jumps"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{
				"slip.txt":           {Data: []byte("A slip.\n\n" + c.text + "\n")},
				"policies/wrong.hcl": {Data: []byte("policy \"wrong\" {\n  rule \"a\" {\n    commands = [\"STRO\"]\n    action = \"deny\"\n  }\n}\n")},
				"policies/idle.hcl":  {Data: []byte("policy \"idle\" {\n  rule \"a\" {\n    action = \"deny\"\n  }\n  rule \"b\" {\n    action = \"allow\"\n  }\n}\n")},
			}
			_, err := conversation.ParseFile(files, "slip.txt")
			if err == nil {
				t.Fatal("the parser has not noticed")
			}
			if !strings.Contains(err.Error(), c.complaint) {
				t.Errorf("complaint %q does not contain %q", err, c.complaint)
			}
		})
	}
}

func TestParserKeepsPlaces(t *testing.T) {
	files := fstest.MapFS{
		"a.txt":           {Data: []byte("A rule\nof two lines.\n\nlimits: line=128\nhello\nC> x\n")},
		"steps/hello.txt": {Data: []byte("A comment.\n\nC< 220 *\n")},
	}
	s, err := conversation.ParseFile(files, "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "a" || s.About != "A rule of two lines." || s.Settings.Limits.Line != 128 {
		t.Errorf("got %q, %q, line=%d", s.Name, s.About, s.Settings.Limits.Line)
	}
	if len(s.Steps) != 2 {
		t.Fatalf("got %d steps", len(s.Steps))
	}
	for i, want := range []conversation.Step{
		{File: "steps/hello.txt", Line: 3, Actor: "C", Action: "<", Argument: "220 *"},
		{File: "a.txt", Line: 6, Actor: "C", Action: ">", Argument: "x"},
	} {
		if s.Steps[i] != want {
			t.Errorf("step %d is %+v, expected %+v", i, s.Steps[i], want)
		}
	}
}

// Every fragment is used, by a conversation or by another fragment: an unused one
// is never played.
func TestEveryFragmentIsUsed(t *testing.T) {
	all := textOf(t, "testdata") + textOf(t, "testdata/steps")
	entries, err := os.ReadDir("testdata/steps")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".txt")
		if !strings.Contains(all, "\n"+name+"\n") {
			t.Errorf("no conversation uses %s", name)
		}
	}
}

// textOf is what stands in the files of a folder.
func textOf(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		b, err := os.ReadFile(folder + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// Every policy is used by a conversation.
func TestEveryPolicyIsUsed(t *testing.T) {
	all := textOf(t, "testdata") + textOf(t, "testdata/steps")
	entries, err := os.ReadDir("testdata/policies")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".hcl")
		if !strings.Contains(all, "policy: "+name+"\n") && !strings.Contains(all, "P takes policy "+name+"\n") {
			t.Errorf("no conversation uses %s", name)
		}
	}
}
