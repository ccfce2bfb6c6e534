package ftpparse_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

func TestParse257(t *testing.T) {
	tests := []struct{ text, want string }{
		{`"/" is the current directory`, "/"},
		{`"/incoming"`, "/incoming"},
		{`"/a ""quoted"" name" is cwd`, `/a "quoted" name`},
		{`""""`, `"`},
		{`Current directory is "/x" now "/y".`, "/x"},
		{`"C:\data" is current`, `C:\data`},
		{"\"/gr\xfc\xdfe\"", "/gr\xfc\xdfe"},
		{`""`, ""},
		{`"/open`, ""},
		{`"/open""`, ""},
		{`/no/quotes`, ""},
		{"\"/a\x00b\"", ""},
	}
	for _, tt := range tests {
		got, err := ftpparse.Parse257(ftpparse.Reply{Code: 257, Lines: []string{"257 " + tt.text}})
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, ftpparse.ErrSyntax) {
			t.Errorf("%q: got %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
	if _, err := ftpparse.Parse257(ftpparse.NewReply(250, `"/x"`)); !errors.Is(err, ftpparse.ErrSyntax) {
		t.Errorf("code 250: %v", err)
	}
}

// What Format257 writes is read back the same, whatever the path.
func Fuzz257(f *testing.F) {
	for _, path := range []string{"/", `/a"b`, `""`, "/ä", `"`} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := ftpparse.Parse257(ftpparse.Format257(path, "is the current directory."))
		if path == "" {
			if err == nil {
				t.Fatal("an empty path was accepted")
			}
			return
		}
		want := strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(path)
		if err != nil || got != want {
			t.Fatalf("%q came back as %q, %v", path, got, err)
		}
	})
}
