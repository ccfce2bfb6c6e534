package policy

import (
	"path"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	tests := []struct{ directory, argument, want string }{
		{"/", "", "/"},
		{"/", "a", "/a"},
		{"/in", "a", "/in/a"},
		{"/in/", "./a//b/", "/in/a/b"},
		{"/in", "/a", "/a"},
		{"/in", "..", "/"},
		{"/in", "../../..", "/"},
		{"/in", "/..", "/"},
		{"/a/b", "../c", "/a/c"},
		{"/a/../b", "c", "/b/c"},
		{"/a", "...", "/a/..."},
		{"/a", "..b", "/a/..b"},
		{"/a", " b ", "/a/ b "},
		{"/a", "x/../y", "/a/y"},
		{"//a//", "//b//c//", "/b/c"},
	}
	for _, tt := range tests {
		if got := string(clean(nil, tt.directory, tt.argument)); got != tt.want {
			t.Errorf("%q in %q: %q, want %q", tt.argument, tt.directory, got, tt.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "..", "/..//.", "a/../../b", "/a/./b/", "....//", "\xff/..", "a/..b/.../"} {
		f.Add("/in/here", s)
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, directory, argument string) {
		directory = "/" + directory
		head := []byte("untouched")
		all := string(clean(head, directory, argument))
		got, kept := strings.CutPrefix(all, "untouched")
		if !kept {
			t.Fatalf("%q in %q overwrote what was there: %q", argument, directory, all)
		}
		want := path.Join(directory, argument)
		if strings.HasPrefix(argument, "/") {
			want = path.Clean(argument)
		}
		if got != want {
			t.Fatalf("%q in %q: %q, path.Clean says %q", argument, directory, got, want)
		}
		for component := range strings.SplitSeq(got[1:], "/") {
			if component == ".." || component == "." || component == "" && got != "/" {
				t.Fatalf("%q in %q: %q is not clean", argument, directory, got)
			}
		}
		if again := string(clean(nil, "/elsewhere", got)); again != got {
			t.Fatalf("%q becomes %q when cleaned again", got, again)
		}
	})
}
