package ftpparse_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// names returns the names of the verbs for which choose holds.
func names(choose func(ftpparse.Verb) bool) string {
	var all []string
	for v := range ftpparse.Verbs() {
		if choose(v) {
			all = append(all, v.Name)
		}
	}
	return strings.Join(all, " ")
}

func TestVerbsAreSortedAndWellFormed(t *testing.T) {
	t.Parallel()
	last := ""
	for v := range ftpparse.Verbs() {
		if v.Name <= last {
			t.Errorf("%s stands behind %s", v.Name, last)
		}
		last = v.Name
		if err := (ftpparse.Command{Verb: v.Name}).Valid(); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	if last == "" {
		t.Error("no verbs")
	}
}

func TestLookupFindsEveryVerbInAnyCase(t *testing.T) {
	t.Parallel()
	for v := range ftpparse.Verbs() {
		for _, spelling := range []string{v.Name, strings.ToLower(v.Name), v.Name[:1] + strings.ToLower(v.Name[1:])} {
			if got, ok := ftpparse.Lookup(spelling); !ok || got != v {
				t.Errorf("Lookup(%q) = %+v, %t", spelling, got, ok)
			}
		}
	}
	for _, verb := range []string{"", " ", "RET", "RETRX", "RETR ", " RETR", "AAAA", "ZZZZ", "ſite", strings.Repeat("A", 100)} {
		if v, ok := ftpparse.Lookup(verb); ok || v != (ftpparse.Verb{}) {
			t.Errorf("Lookup(%q) = %+v, %t", verb, v, ok)
		}
	}
}

func TestRegistryHasTheVerbsOfTheStandards(t *testing.T) {
	t.Parallel()
	for source, verbs := range map[string]string{
		"RFC 959": `USER PASS ACCT CWD CDUP SMNT QUIT REIN PORT PASV TYPE STRU MODE RETR STOR STOU APPE ALLO REST
			RNFR RNTO ABOR DELE RMD MKD PWD LIST NLST SITE SYST STAT HELP NOOP`,
		"RFC 775":  "XMKD XRMD XPWD XCUP",
		"RFC 1123": "XCWD",
		"RFC 1639": "LPRT LPSV",
		"RFC 2228": "AUTH ADAT PROT PBSZ CCC MIC CONF ENC",
		"RFC 2389": "FEAT OPTS",
		"RFC 2428": "EPRT EPSV",
		"RFC 2640": "LANG",
		"RFC 3659": "MDTM SIZE MLST MLSD",
		"RFC 7151": "HOST",
		"in use": `CLNT MFMT MFCT MFF HASH RANG XCRC XMD5 XSHA XSHA1 XSHA256 XSHA512 MD5 MMD5 AVBL DSIZ COMB CSID
			SSCN CPSV RMDA THMB`,
	} {
		for verb := range strings.FieldsSeq(verbs) {
			if _, ok := ftpparse.Lookup(verb); !ok {
				t.Errorf("%s: no %s", source, verb)
			}
		}
	}
}

func TestXFormsAreThePlainVerb(t *testing.T) {
	t.Parallel()
	for v := range ftpparse.Verbs() {
		plain, ok := ftpparse.Lookup(v.Canonical)
		if !ok || plain.Canonical != plain.Name {
			t.Errorf("%s stands for %s, which is no plain verb", v.Name, v.Canonical)
		}
		plain.Name = v.Name
		if plain != v {
			t.Errorf("%s differs from %s in more than its name", v.Name, v.Canonical)
		}
	}
	got := names(func(v ftpparse.Verb) bool { return v.Name != v.Canonical })
	if want := "XCUP XCWD XMKD XPWD XRMD"; got != want {
		t.Errorf("X-forms are %s, want %s", got, want)
	}
}

func TestTransferVerbs(t *testing.T) {
	t.Parallel()
	for direction, want := range map[ftpparse.Direction]string{
		ftpparse.Download: "RETR",
		ftpparse.Upload:   "APPE STOR STOU",
		ftpparse.Listing:  "LIST MLSD NLST",
	} {
		if got := names(func(v ftpparse.Verb) bool { return v.Transfer == direction }); got != want {
			t.Errorf("direction %d is %s, want %s", direction, got, want)
		}
	}
}

// The lists that decide what a log shows and what a stranger may say are spelled
// out: a verb enters or leaves them on purpose.
func TestSecretAndEarlyVerbs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		list, got, want string
	}{
		{"secret", names(func(v ftpparse.Verb) bool { return v.Secret }), "ACCT ADAT CONF ENC MIC PASS"},
		{
			"before login", names(func(v ftpparse.Verb) bool { return v.BeforeLogin }),
			"ACCT ADAT AUTH CCC CLNT CONF CSID ENC FEAT HELP HOST LANG MIC NOOP OPTS PASS PBSZ PROT QUIT REIN SSCN SYST USER",
		},
	} {
		if test.got != test.want {
			t.Errorf("%s: %s\nwant %s", test.list, test.got, test.want)
		}
	}
}

func TestArgumentKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[ftpparse.ArgumentKind]string{
		ftpparse.ArgumentNone:           "ABOR CCC CDUP CPSV ESTA ESTP FEAT LPSV NOOP PASV PWD QUIT REIN SYST XCUP XPWD",
		ftpparse.ArgumentOptionsPath:    "LIST NLST STAT",
		ftpparse.ArgumentTimePath:       "MDTM",
		ftpparse.ArgumentWordPath:       "MFCT MFF MFMT",
		ftpparse.ArgumentDimensionsPath: "THMB",
		ftpparse.ArgumentPaths:          "COMB MMD5",
	} {
		if got := names(func(v ftpparse.Verb) bool { return v.Argument == kind }); got != want {
			t.Errorf("kind %d is %s, want %s", kind, got, want)
		}
	}
	// Whatever alters or shows files says which of them.
	paths := strings.Fields(names(func(v ftpparse.Verb) bool { return v.Argument.HasPath() }))
	for verb := range strings.FieldsSeq(`APPE CWD DELE LIST MDTM MFMT MKD MLSD MLST NLST RETR RMD RNFR RNTO SIZE SMNT STAT
		STOR STOU XCWD XMKD XRMD XCRC HASH`) {
		if !slices.Contains(paths, verb) {
			t.Errorf("%s has no path", verb)
		}
	}
	for verb := range strings.FieldsSeq("USER PASS TYPE REST PORT SITE OPTS HOST HELP") {
		if slices.Contains(paths, verb) {
			t.Errorf("%s has a path", verb)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	if got := testing.AllocsPerRun(100, func() { ftpparse.Lookup("xsha512") }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
