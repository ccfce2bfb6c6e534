package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// readings prints what the policy made of a command: the forms, and the places.
// "?" is a place that cannot be known; behind a path, "*" is all below it, "<"
// what RNFR named, "~" an unlikely reading.
func readings(e policy.Explanation) string {
	var forms, places []string
	for _, r := range e.Readings {
		forms = append(forms, r.Command)
		places = places[:0]
		for _, p := range r.Paths {
			s := p.Path
			if p.Unknown {
				s = "?"
			}
			for _, mark := range []struct {
				is   bool
				text string
			}{{p.Below, "*"}, {p.From, "<"}, {p.Odd, "~"}} {
				if mark.is {
					s += mark.text
				}
			}
			places = append(places, s)
		}
	}
	slices.Sort(places)
	return strings.Join(forms, "+") + ": " + strings.Join(places, " | ")
}

func TestReadings(t *testing.T) {
	p := compile(t, "")
	tests := []struct{ line, want string }{
		{"NOOP", "NOOP: "},
		{"RETR a", "RETR: /in/a"},
		{"retr a", "RETR: /in/a"},
		{"RETR /a/../b//c/.", "RETR: /b/c"},
		{"RETR", "RETR: /in"},
		{"XCWD ..", "CWD: /"},
		{"CWD", "CWD: /in | ?"},
		{"CWD  ", "CWD: /in | /in/  | ?"},
		{`RETR \\host\c$\a`, `RETR: /in/\\host\c$\a | /in/hostc$a | ?`},
		{`RETR \/?/a`, `RETR: /in/\/?/a | /in/\* | /?/a | /* | ?`},
		{`RETR ""/a`, `RETR: /in/""/a | /in | /a`},
		{`RETR /b"/../"a`, `RETR: /"a | /a`},
		{"CDUP", "CDUP: /"},
		{"XCUP anything", "CDUP: /"},
		{"RETR  a", "RETR: /in/ a | /in/a"},
		{"RETR  /a ", "RETR: /a | /a  | /in/ /a "},
		{"RETR \t/a", "RETR: /a | /in/\t/a"},
		{"RETR a b", "RETR: /in/a b"},
		{`RETR "/a"`, `RETR: /a | /in/"/a"`},
		{`RETR '/a'`, `RETR: /a | /in/'/a'`},
		{`RETR 'A.B(C)'`, `RETR: /in/'A.B(C)' | /in/A.B(C) | ?`},
		{`RETR 'a`, `RETR: /in/'a | /in/a`},
		{`RETR o'b'`, `RETR: /in/o'b'`},
		{`RETR "/a ""b"""`, `RETR: /a "b" | /a b | /in/"/a ""b"""`},
		{`RETR "/a`, `RETR: /a | /in/"/a`},
		{`RETR ..\a`, `RETR: /a | /in/..\a | /in/..a`},
		{`RETR \.\./a`, `RETR: /a | /in/\.\./a`},
		{`RETR C:\a`, `RETR: /C:/a | /a | /in/C:\a | /in/C:a`},
		{`RETR c:..\a`, `RETR: /a | /c:../a | /in/c:..\a | /in/c:..a`},
		{`RETR /C:/a`, `RETR: /C:/a`},
		{`RETR /C:/a:b/c`, `RETR: /C:/a/c | /C:/a:b/c`},
		{`RETR b/C:/a`, `RETR: /in/b/C/a | /in/b/C:/a`},
		{"RETR a.exe.", "RETR: /in/a.exe | /in/a.exe."},
		{"RETR a.exe::$DATA", "RETR: /in/a.exe | /in/a.exe::$DATA"},
		{"RETR a.exe:x", "RETR: /in/a.exe | /in/a.exe:x"},
		{"RETR a:$I30:$INDEX_ALLOCATION/b", "RETR: /a:$I30:$INDEX_ALLOCATION/b | /in/$I30/b | /in/a:$I30:$INDEX_ALLOCATION/b"},
		{"RETR sub:$I30:$INDEX_ALLOCATION/b", "RETR: /in/sub/b | /in/sub:$I30:$INDEX_ALLOCATION/b"},
		{"STOR 10:30.csv", "STOR: /in/10 | /in/10:30.csv"},
		{"RETR sec>/a", "RETR: /in* | /in/sec>/a"},
		{"RETR a.e<", "RETR: /in* | /in/a.e<"},
		{"RETR .. /a", "RETR: /a | /in/.. /a"},
		{"RETR .../a", "RETR: /in/.../a | ?"},
		{"RETR ~", "RETR: /in/~ | ?"},
		{"RETR ~root/a", "RETR: /in/~root/a | ?"},
		{"STOR ~$a.doc", "STOR: /in/~$a.doc"},
		{"STOR a~", "STOR: /in/a~"},
		{"RETR /fin*/a", "RETR: /* | /fin*/a"},
		{"RETR sub/[ab].txt", "RETR: /in/sub* | /in/sub/[ab].txt"},
		{"RETR {/a,b}", "RETR: /in/{/a,b} | ?"},
		{"RETR {/a/,b}c", "RETR: /in/{/a/,b}c | ?"},
		{"RETR {~root,b}c", "RETR: /in/{~root,b}c | ?"},
		{"RETR {.}.", "RETR: /in/{.} | /in/{.}. | ?"},
		{"STOR {12}.txt", "STOR: /in* | /in/{12}.txt"},
		{"RETR .*/a", "RETR: /in/.*/a | ?"},
		{"RETR */../../a", "RETR: /a | ?"},
		{"LIST", "LIST: /in"},
		{"LIST -la", "LIST: /in | /in/-la~"},
		{"LIST -la sub", "LIST: /in/-la sub~ | /in/sub"},
		{"LIST -l -a sub", "LIST: /in/-a sub~ | /in/-l -a sub~ | /in/sub"},
		{"LIST -la ../x", "LIST: /in/-la ../x~ | /in/-la/x~ | /x"},
		{"LIST -la /../x", "LIST: /in/x | /x"},
		{"LIST -laR sub", "LIST: /in/-laR sub*~ | /in/sub*"},
		{"LIST --recursive", "LIST: /in* | /in/--recursive*~"},
		{"LIST -l../x", "LIST: /in | /in/-l../x~ | /in/-l/x~ | /x"},
		{"STAT -R/ /in", "STAT path: / /in* | /* | /in* | /in/-R/ /in*~ | /in/-R/in*~"},
		{"LIST a -R/x", "LIST: /in/a* | /in/a -R/x* | /x*"},
		{"LIST -r", "LIST: /in | /in/-r~"},
		{"LIST /a /b", "LIST: /a | /a /b | /a/b | /b"},
		{"LIST /a -R", "LIST: /a -R* | /a*"},
		{"LIST *", "LIST: /in* | /in/*"},
		{"NLST *.csv", "NLST: /in* | /in/*.csv"},
		{"NLST -la", "NLST: /in | /in/-la~ | ?"},
		{"NLST -la /a", "NLST: /a | /in/-la /a~ | /in/-la/a~ | /in/a"},
		{"NLST -a x/a", "NLST: /a | /in/-a x/a~ | /in/x/a"},
		{"NLST -l -a /a", "NLST: /a | /in/-a /a~ | /in/-l -a /a~ | /in/-l -a/a~ | /in/a /a~ | /in/-a/a~ | /in/a/a~"},
		{"NLST  -a x/a", "NLST: /in/ -a x/a~ | /in/-a x/a~ | /in/x/a"},
		{"NLST a -b", "NLST: /in/a | /in/a -b"},
		{"MLSD", "MLSD: /in"},
		{"MLSD /a", "MLSD: /a"},
		{"MLSD a b", "MLSD: /in/a b"},
		{"MLSD -", "MLSD: /in | /in/- | /in/-~ | ?"},
		{"MLSD -a x../b", "MLSD: /b | /in/-a x../b | /in/-a x../b~ | /in/-a x/b | /in/-a x/b~ | /in/x../b | /in/x/b"},
		{"STAT", "STAT: "},
		{"STAT  ", "STAT+STAT path: /in | /in/ "},
		{"STAT -l", "STAT path: /in | /in/-l~"},
		{"STAT /a", "STAT path: /a"},
		{"SIZE /a", "SIZE: /a"},
		{"MDTM /a", "MDTM: /a"},
		{"MDTM 20260101000000", "MDTM: /in/20260101000000"},
		{"MDTM 20260101000000 /a", "MDTM+MDTM time path: /a | /in/20260101000000 /a~ | /in/20260101000000/a~"},
		{"MDTM 20260101000000.5+60 ../a", "MDTM+MDTM time path: /a | /in/20260101000000.5+60 ../a~ | /in/20260101000000.5+60/a~"},
		{"MDTM 2026 a", "MDTM: /in/2026 a"},
		{"MDTM 20260101 ../a", "MDTM+MDTM time path: /a | /in/20260101 ../a | /in/20260101/a"},
		{"MDTM 2xxxxxxx /a", "MDTM+MDTM time path: /a | /in/2xxxxxxx /a | /in/2xxxxxxx/a"},
		{"MDTM 2xxx\txxx /a", "MDTM+MDTM time path: /a | /in/2xxx\txxx /a | /in/2xxx\txxx/a"},
		{"MDTM 202601010000\tx ../a", "MDTM+MDTM time path: /a | /in/202601010000\tx ../a~ | /in/202601010000\tx/a~ | /in/x ../a | /in/x/a"},
		{"MDTM 2xxxxxxxxxxxxx /a", "MDTM+MDTM time path: /a | /in/2xxxxxxxxxxxxx /a | /in/2xxxxxxxxxxxxx/a"},
		{"MDTM 2xxxxxxxxxxxxx.x /a", "MDTM+MDTM time path: /a | /in/2xxxxxxxxxxxxx.x /a | /in/2xxxxxxxxxxxxx.x/a"},
		{"MDTM 2xxxxxxxx a", "MDTM: /in/2xxxxxxxx a"},
		{"MDTM xxxxxxxx a", "MDTM: /in/xxxxxxxx a"},
		{"MDTM  20260101 a", "MDTM: /in/ 20260101 a | /in/20260101 a"},
		{"MFMT 20260101000000 /a b", "MFMT: /a b"},
		{"MFMT 2\tx ../a", "MFMT: /a | /in/x ../a | /in/x/a"},
		{"THMB JPG 80\tx 60 /a", "THMB: /a | /in/60 /a | /in/60/a"},
		{"MFMT /a", "MFMT: /a"},
		{"MFF modify=1;UNIX.mode=0644; /a", "MFF: /a"},
		{"THMB JPG 80 60 /a", "THMB: /a"},
		{"XCRC /a", "XCRC: /a"},
		{"XCRC /a 0 100", "XCRC: /a | /a 0 100~ | /a 0~"},
		{`XCRC "/a b" 0 100`, `XCRC: /a b | /a b 0 100~ | /a b~ | /in/"/a b" 0 100~`},
		{"XSHA256 a", "XSHA256: /in/a"},
		{"HASH /a", "HASH: /a"},
		{"MMD5 /a, /b", "MMD5: /a | /a, /b~ | /a,/b~ | /b"},
		{`COMB "/a b" /c`, `COMB: /a b | /a b /c~ | /a b/c~ | /a b~ | /c | /in/"/a b" /c~ | /in/"/a b"/c~`},
		{"STOU", "STOU: /in"},
		{"STOU /a", "STOU: / | /a | /in"},
		{"STOU b/a", "STOU: /in | /in/b | /in/b/a"},
		{"RMDA /a", "RMDA: /a*"},
		{"RNFR /a", "RNFR: /a*"},
		{"RNTO /b", "RNTO: /b | /from/x*<"},
		{"SITE CHMOD 644 /a b", "SITE CHMOD: /a b"},
		{"SITE  chmod  644  /a", "SITE CHMOD: /a | /in/ /a"},
		{`SITE "CHMOD" 644 /a`, "SITE CHMOD: /a"},
		{"SITE CHMOD /a", "SITE CHMOD: /a"},
		{"SITE CHMOD -x /a", "SITE CHMOD: /a"},
		{"SITE CHMOD -R 777 /a", "SITE CHMOD: /a | /in/777 /a | /in/777/a"},
		{"SITE UTIME 20260101000000 /a", "SITE UTIME: /a"},
		{"SITE UTIME /a 20260101000000 20260101000000 20260101000000 UTC", "SITE UTIME: /a | /a 20260101000000 | /a 20260101000000 20260101000000"},
		{"SITE UTIME /a", "SITE UTIME: ?"},
		{"SITE CPFR /a", "SITE CPFR: /a"},
		{"SITE SYMLINK /a /b", "SITE SYMLINK: /a | /a /b~ | /a/b~ | /b"},
		{"SITE HELP CHMOD", "SITE HELP: "},
		{"SITE FROB /a", "SITE: ?"},
		{"SITE FROB", "SITE: "},
		{"SITE", "SITE: "},
		{"OPTS UTF8 ON", "OPTS: "},
		{"PRET RETR /a", "PRET: /a"},
		{"PRET LIST -la /a", "PRET: /a | /in/-la /a~ | /in/-la/a~"},
		{"PRET NOOP", "PRET: ?"},
		{"FROB /a", "an unknown verb: ?"},
		{"FROB", "an unknown verb: "},
		{"PASS /a", "PASS: "},
	}
	for _, tt := range tests {
		q := in(t, "/in", tt.line)
		q.RenameFrom = policy.Source{Argument: "x", Directory: "/from"}
		if got := readings(p.Explain(q)); got != sorted(tt.want) {
			t.Errorf("%s\n got %s\nwant %s", tt.line, got, sorted(tt.want))
		}
	}
}

// sorted puts the places of an expectation in order.
func sorted(want string) string {
	form, places, _ := strings.Cut(want, ": ")
	list := strings.Split(places, " | ")
	slices.Sort(list)
	return form + ": " + strings.Join(slices.Compact(list), " | ")
}

// Where the working directory is not known, absolute paths still are.
func TestReadingsWithoutADirectory(t *testing.T) {
	p := compile(t, "")
	for _, directory := range []string{"", `C:\data`, "DKA0:[DATA]", "/a\x00b", "/a\rb"} {
		for line, want := range map[string]string{
			"RETR /a": "RETR: /a", "RETR a": "RETR: ?", "LIST": "LIST: ?", "CDUP": "CDUP: ?", "RETR /a*": "RETR: /* | /a*",
			"LIST b*": "LIST: ?", "RNTO /b": "RNTO: /b | ?*<",
		} {
			q := in(t, directory, line)
			got := readings(p.Explain(q))
			if got != sorted(want) && got != sorted(strings.ReplaceAll(want, "LIST: ?", "LIST: ?* | ?")) {
				t.Errorf("in %q, %s\n got %s\nwant %s", directory, line, got, want)
			}
		}
	}
}

// An argument that could be read in more ways than are followed means an unknown
// place, whatever the first readings are.
func TestReadingsAreBounded(t *testing.T) {
	p := compile(t, "rule \"r\" {\n paths = [\"/in/**\"]\n action = \"allow\"\n}\n")
	var words strings.Builder
	for i := range 40 {
		fmt.Fprintf(&words, " w%d", i)
	}
	if d := p.Decide(in(t, "/in", "LIST a"+words.String())); d.Action != policy.Deny {
		t.Errorf("%+v", d)
	}
	if d := p.Decide(in(t, "/in", "LIST a b c")); d.Action != policy.Allow {
		t.Errorf("%+v", d)
	}
}

func TestControlBytesAreRefusedBeforeAnyRule(t *testing.T) {
	p := compile(t, "default = \"allow\"\n mode = \"monitor\"\n")
	for _, argument := range []string{"a\x00b", "a\rb", "a\nDELE b"} {
		q := in(t, "/", "STOR x")
		q.Command.Argument = argument
		if d := p.Decide(q); d.Passes() || d.Reason != policy.ByControlByte || d.Reply.Code != 501 {
			t.Errorf("%q: %+v", argument, d)
		}
		q = in(t, "/", "RNTO x")
		q.RenameFrom.Argument = argument
		if d := p.Decide(q); d.Passes() {
			t.Errorf("from %q: %+v", argument, d)
		}
		if e := p.Explain(q); e.Decision.Passes() || len(e.Readings) != 0 {
			t.Errorf("from %q: %+v", argument, e)
		}
	}
}
