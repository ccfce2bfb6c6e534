package ftpparse_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

func TestParseFEAT(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines []string
		want  []string
	}{
		"as it should be":     {[]string{"211-Features:", " MLST type*;size*;", " REST STREAM", "211 End"}, []string{"MLST type*;size*;", "REST STREAM"}},
		"none":                {[]string{"211 No features"}, nil},
		"none in two lines":   {[]string{"211-Features:", "211 End"}, nil},
		"no leading blank":    {[]string{"211-Features:", "SIZE", "211 End"}, []string{"SIZE"}},
		"several and tabs":    {[]string{"211-Features:", "    SIZE", "\tMDTM", " \t UTF8", "211 End"}, []string{"SIZE", "MDTM", "UTF8"}},
		"code on each line":   {[]string{"211-Features:", "211-SIZE", "211- MDTM", "211 End"}, []string{"SIZE", "MDTM"}},
		"empty lines":         {[]string{"211-Features:", "", " ", "\t", "211-", " SIZE", "211 End"}, []string{"SIZE"}},
		"blanks at the end":   {[]string{"211-Features:", " REST STREAM ", "211 End"}, []string{"REST STREAM "}},
		"control bytes":       {[]string{"211-Features:", " SIZE\r", " \x1b[2J", " MD\x00TM", " X\x7f", " UTF8", "211 End"}, []string{"UTF8"}},
		"a feature like code": {[]string{"211-Features:", " 211-X", "211 End"}, []string{"211-X"}},
		"a tab inside":        {[]string{"211-Features:", " AUTH\tTLS", "211 End"}, []string{"AUTH\tTLS"}},
		"case is kept":        {[]string{"211-Features:", " mlst Type*;", "211 End"}, []string{"mlst Type*;"}},
	} {
		features, err := ftpparse.ParseFEAT(ftpparse.Reply{Code: 211, Lines: test.lines})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, f := range features {
			got = append(got, f.Line)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	for _, r := range []ftpparse.Reply{ftpparse.NewReply(500, "FEAT?"), ftpparse.NewMultiline(214, "a", []string{"SIZE"}, "b"), {}} {
		if features, err := ftpparse.ParseFEAT(r); !errors.Is(err, ftpparse.ErrSyntax) || features != nil {
			t.Errorf("ParseFEAT(%q) = %v, %v; want ErrSyntax", r.Lines, features, err)
		}
	}
}

func TestFormatFEAT(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		features []ftpparse.Feature
		want     string
	}{
		{nil, "211-Features:\r\n211 End\r\n"},
		{[]ftpparse.Feature{{Line: "AUTH TLS"}, {Line: "MLST type*;"}}, "211-Features:\r\n AUTH TLS\r\n MLST type*;\r\n211 End\r\n"},
		{[]ftpparse.Feature{{Line: "A\r\n211 End\r\n230 in"}}, "211-Features:\r\n A  211 End  230 in\r\n211 End\r\n"},
	} {
		if got := string(ftpparse.FormatFEAT(test.features).AppendTo(nil)); got != test.want {
			t.Errorf("FormatFEAT(%v) = %q, want %q", test.features, got, test.want)
		}
	}
}

func TestFeatureName(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"MLST type*;size*;": "MLST", "rest stream": "REST", "UTF8": "UTF8", "AUTH\tTLS": "AUTH", "": "", "ſize": "ſIZE", "\xfcx": "\xfcX",
	} {
		if got := (ftpparse.Feature{Line: line}).Name(); got != want {
			t.Errorf("Name of %q = %q, want %q", line, got, want)
		}
	}
}
