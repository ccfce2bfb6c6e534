package policy

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestHoldingsOfExpressions(t *testing.T) {
	for source, want := range map[string]string{
		`abc`:                    "abc",
		`^ABC$`:                  "abc",
		`(?i)word9`:              "word9",
		`a.*bcd.e`:               "a bcd e",
		`\.(exe|js|php)$`:        ". exe|js|php",
		`(abc|d)+x`:              "abc|d x",
		`(?:ab){2,3}`:            "ab",
		`[0-9]{3}z7`:             "z7",
		`\x{FFFD}ab`:             "ab",
		`Éa`:                     "Éa",
		`ab?`:                    "a",
		`(a|b?)`:                 "",
		`(a.bc|d|e.f)`:           "bc|d|e",
		`(ab)*`:                  "",
		`a{0,3}`:                 "",
		`[a-c]+`:                 "",
		``:                       "",
		`^$`:                     "",
		`(?i)k`:                  "", // the Kelvin sign, too
		`(?i)mask-s1`:            "ma - 1",
		`(?i)éa`:                 "a",
		`\x{FFFD}`:               "", // any byte that is not UTF-8
		strings.Repeat("ab|", 9): "",
	} {
		var got []string
		for _, h := range holdings(regexp.MustCompile(source)) {
			slices.Sort(h)
			got = append(got, strings.Join(h, "|"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q", source, got)
		}
	}
}

// Whatever an expression matches holds one of its literals.
func FuzzHoldings(f *testing.F) {
	for _, source := range []string{`(?i)mask-s1`, `\x{FFFD}ab|Éa`, `(?i:k)1|x[ab]{2}(c|dd)`, `(?i)ſtra(ß|ss)e`, `a(?-i)B(?i)c`, `^\w+\s?é\b`} {
		for _, text := range []string{"MAS\u212a-\u017f1", "\xffab", "éa", "K1", "\u212a1", "xabdd", "STRASSE", "straße", "aBC", "ab é"} {
			f.Add(source, text)
		}
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		re, err := newRegexp(source)
		if err != nil || !re.MatchString(text) {
			return
		}
		lowered := string(appendLower(nil, text))
		for _, h := range holdings(re) {
			if !slices.ContainsFunc(h, func(s string) bool { return strings.Contains(lowered, s) }) {
				t.Errorf("%q matches %q, which holds none of %q", source, text, h)
			}
		}
	})
}

// What tells patterns apart is looked for, not what all of them hold.
func TestTheRarestIsLookedFor(t *testing.T) {
	p := compileInside(t, "policy \"p\" {"+`
 rule "a" {
  arguments = ["^a1.*reports", "b2.*reports"]
  paths     = ["/reports/**/a1*/*x", "/reports/*b2*/**"]
  action    = "deny"
 }
 rule "b" {
  arguments = ["reports|(c3)"]
  paths     = ["/reports/*b2?c3*"]
  action    = "deny"
 }
}
`)
	for of, want := range map[aspect]string{argument: "a1 b2 c3 reports", pathInside: "a1 b2 c3"} {
		var got []string
		for _, x := range p.indexes {
			for _, k := range x.keys {
				if x.of == of {
					got = append(got, k.text)
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("aspect %d: %q", of, got)
		}
	}
}

// Indexes of what patterns hold are there only where they tell rules apart.
func TestIndexesOfMiddles(t *testing.T) {
	for inside, want := range map[string][]aspect{
		`users = ["a*", "*b"]`:                  nil,
		`users = ["a*", "*b*"]`:                 {userInside},
		`hosts = ["*.A.*"]`:                     {hostInside},
		`paths = ["/a/**", "**/*.exe", "/b/c"]`: {pathTrait},
		`paths = ["**/*x*"]`:                    {pathInside},
		`paths = ["/a/x*y*/z"]`:                 {pathStart, pathTrait, pathInside},
		`arguments = ["a", "b"]`:                {argument},
		`arguments = ["a", "[0-9]"]`:            nil,
	} {
		p := compileInside(t, "policy \"p\" {\n rule \"r\" {\n "+inside+"\n action = \"deny\"\n}\n}\n")
		var got []aspect
		for _, x := range p.indexes {
			if x.of.anywhere() != (x.pairs != nil) {
				t.Errorf("%s: aspect %d has no pairs, or some", inside, x.of)
			}
			got = append(got, x.of)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: indexes %d", inside, got)
		}
	}
}
