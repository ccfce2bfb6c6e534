package configs

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// Each testdata/mistakes/NAME.hcl holds a mistake, and NAME.txt what an operator
// is told about it.
func TestMistakesAreExplained(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.hcl")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d files (%v), want at least 30", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".hcl")
		t.Run(name, func(t *testing.T) {
			settings, diags := Load(file)
			if diags.Len() == 0 {
				t.Fatal("no diagnostic")
			}
			if (settings == nil) != diags.HasErrors() {
				t.Errorf("settings %v, errors %v: settings must be nil exactly with errors", settings != nil, diags.HasErrors())
			}
			golden(t, strings.TrimSuffix(file, ".hcl")+".txt", printed(t, diags))
		})
	}
}

func printed(t *testing.T, d Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.Print(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("diagnostics differ (-want +got):\n%s", diff)
	}
}

func load(t *testing.T, path string) *Settings {
	t.Helper()
	settings, diags := Load(path)
	if diags.Len() > 0 {
		t.Fatalf("%s does not load clean:\n%s", path, printed(t, diags))
	}
	return settings
}

// write puts files into a temporary folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	listenerText    = "listener \"ftp\" {\n  address = \"127.0.0.1:0\"\n  upstream = \"legacy\"\n  certificate = \"main\"\n}\n"
	upstreamText    = "upstream \"legacy\" { address = \"10.0.0.5:21\" }\n"
	certificateText = "certificate \"main\" {\n  self_signed {}\n}\n"
	minimalText     = listenerText + upstreamText + certificateText
)

func TestFolderIsReadAsOneFile(t *testing.T) {
	dir := write(t, map[string]string{
		"10-listeners.hcl":   listenerText,
		"20-upstreams.hcl":   upstreamText,
		"30-certificate.hcl": certificateText,
		"notes.txt":          "this is not read {",
		".hidden.hcl":        "nor is this {",
	})
	s := load(t, dir)
	if len(s.Listeners) != 1 || len(s.Upstreams) != 1 || len(s.Certificates) != 1 {
		t.Errorf("got %d listeners, %d upstreams, %d certificates; want one each", len(s.Listeners), len(s.Upstreams), len(s.Certificates))
	}
}

func TestFolderTellsWhichFileIsWrong(t *testing.T) {
	dir := write(t, map[string]string{
		"a.hcl": minimalText + "limits { sessions = 5 }\n",
		"b.hcl": "limits { sessions = 6 }\n",
	})
	_, diags := Load(dir)
	got := printed(t, diags)
	for _, want := range []string{
		"b.hcl line 1",
		`There is already a "limits" block at ` + filepath.Join(dir, "a.hcl") + " line 10",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestUnreadableConfigurationIsOneSentence(t *testing.T) {
	empty := t.TempDir()
	for name, path := range map[string]string{
		"missing file": filepath.Join(empty, "missing.hcl"),
		"empty folder": empty,
	} {
		t.Run(name, func(t *testing.T) {
			settings, diags := Load(path)
			got := strings.TrimSpace(printed(t, diags))
			if settings != nil || !diags.HasErrors() || strings.Contains(got, "\n") || !strings.Contains(got, path) {
				t.Errorf("want one line that names %s, got\n%s", path, got)
			}
		})
	}
}

func TestOversizedFileIsRefused(t *testing.T) {
	dir := write(t, map[string]string{"big.hcl": minimalText + strings.Repeat("#\n", maxFile/2)})
	if _, diags := Load(dir); !strings.Contains(printed(t, diags), "larger than") {
		t.Errorf("want a refusal, got\n%s", printed(t, diags))
	}
}

func TestColourIsForTerminals(t *testing.T) {
	_, diags := Load("testdata/mistakes/tls_mode.hcl")
	var coloured bytes.Buffer
	if err := diags.Print(&coloured, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(coloured.String(), "\x1b[") || strings.Contains(printed(t, diags), "\x1b[") {
		t.Error("colour must be there when asked for, and only then")
	}
}

// What asks for nothing this version lacks may stand in the file.
func TestDocumentedDefaultsOfLaterSettingsAreAccepted(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": `
listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
  transparent = "off"
}
upstream "legacy" {
  address        = "10.0.0.5:21"
  balance        = "round_robin"
  source         = ""
  proxy_protocol = "off"
}
` + certificateText})
	load(t, dir)
}

func TestRelativePathsBelongToTheFilesFolder(t *testing.T) {
	dir := write(t, map[string]string{"f.hcl": listenerText + upstreamText + `
certificate "main" {
  files {
    cert = "tls/cert.pem"
    key  = "/etc/key.pem"
  }
}
storage { dir = "state" }
log { output = "logs/ftp.log" }
`})
	s := load(t, dir)
	got := []string{s.Certificates[0].Files.Cert, s.Certificates[0].Files.Key, s.Storage, s.Log.Output}
	want := []string{filepath.Join(dir, "tls/cert.pem"), "/etc/key.pem", filepath.Join(dir, "state"), filepath.Join(dir, "logs/ftp.log")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/mistakes/*.hcl", "examples/*.hcl", "reference.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkOutline(t, text)
		settings, diags := decode([]source{{name: "fuzz.hcl", text: text}})
		printed(t, diags)
		if (settings == nil) != diags.HasErrors() {
			t.Error("settings must be nil exactly with errors")
		}
		if settings != nil && len(settings.Listeners) == 0 {
			t.Error("accepted without a listener")
		}
	})
}
