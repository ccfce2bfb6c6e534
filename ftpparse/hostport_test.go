package ftpparse_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

func TestParsePORT(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]string{
		"10,0,0,1,7,229":              "10.0.0.1:2021",
		"255,255,255,255,255,255":     "255.255.255.255:65535",
		"0,0,0,0,0,0":                 "0.0.0.0:0", // for the caller to judge
		"127,0,0,1,0,21":              "127.0.0.1:21",
		"010,000,000,001,007,229":     "10.0.0.1:2021",
		"":                            "",
		"10,0,0,1,7":                  "",
		"10,0,0,1,7,":                 "",
		"10,0,0,1,7,229,":             "",
		"10,0,0,1,7,229,1":            "",
		"10,0,0,1,7,256":              "",
		"256,0,0,1,7,2":               "",
		"10,0,0,1,7,65536":            "",
		"10,0,0,1,7,4294967297":       "",
		"10,0,0,1,7,-1":               "",
		"10,0,0,1,7,+1":               "",
		"10,0,0,1,7,0x1":              "",
		"10, 0, 0, 1, 7, 229":         "",
		" 10,0,0,1,7,229":             "",
		"10,0,0,1,7,229 ":             "",
		"(10,0,0,1,7,229)":            "",
		"10.0.0.1.7.229":              "",
		"10,,0,1,7,229":               "",
		"٣,0,0,1,7,229":               "", // a digit, but none of ours
		"10,0,0,1,7,229\x00":          "",
		"18446744073709551617,0,0,1,": "",
	} {
		got, err := ftpparse.ParsePORT(argument)
		checkHostPort(t, "ParsePORT", argument, got, err, want)
	}
}

func TestParseEPRT(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]string{
		"|1|10.0.0.1|2021|":          "10.0.0.1:2021",
		"|2|2001:db8::1|2021|":       "[2001:db8::1]:2021",
		"|2|::|0|":                   "[::]:0", // for the caller to judge
		"!1!10.0.0.1!2021!":          "10.0.0.1:2021",
		"91910.0.0.1920219":          "10.0.0.1:2021", // 9 is a delimiter like any other
		"111110.0.0.1120211":         "",
		"~2~::1~65535~":              "[::1]:65535",
		"":                           "",
		"|":                          "",
		"|1|10.0.0.1|2021":           "",
		"|1|10.0.0.1|2021||":         "",
		"|1|10.0.0.1|2021|x":         "",
		"|1|10.0.0.1|2021| ":         "",
		" |1|10.0.0.1|2021|":         "",
		" 1 10.0.0.1 2021 ":          "",
		"\x7f1\x7f10.0.0.1\x7f1\x7f": "",
		"|1|10.0.0.1|65536|":         "",
		"|1|10.0.0.1|-1|":            "",
		"|1|10.0.0.1|+1|":            "",
		"|1|10.0.0.1||":              "",
		"|1||2021|":                  "",
		"||10.0.0.1|2021|":           "",
		"|1|10.0.0.01|2021|":         "",
		"|1|10.0.0|2021|":            "",
		"|1|::1|2021|":               "",
		"|2|10.0.0.1|2021|":          "",
		"|2|::ffff:10.0.0.1|2021|":   "",
		"|1|::ffff:10.0.0.1|2021|":   "",
		"|2|fe80::1%eth0|2021|":      "",
		"|2|fe80::1%25|2021|":        "",
		"|2|[::1]|2021|":             "",
		"|1|localhost|2021|":         "",
		"|x|10.0.0.1|2021|":          "",
		"|-1|10.0.0.1|2021|":         "",
		"|1 |10.0.0.1|2021|":         "",
	} {
		got, err := ftpparse.ParseEPRT(argument)
		checkHostPort(t, "ParseEPRT", argument, got, err, want)
	}
	for _, argument := range []string{"|3|x|2021|", "|0|10.0.0.1|2021|", "|01|10.0.0.1|2021|", "|99999999999999999999|x|1|"} {
		if _, err := ftpparse.ParseEPRT(argument); !errors.Is(err, ftpparse.ErrFamily) {
			t.Errorf("ParseEPRT(%q) = %v, want ErrFamily", argument, err)
		}
	}
}

// checkHostPort compares what parse made of text with want; "" is ErrSyntax.
func checkHostPort(t *testing.T, parse, text string, got netip.AddrPort, err error, want string) {
	t.Helper()
	switch {
	case want == "" && (!errors.Is(err, ftpparse.ErrSyntax) || got.IsValid()):
		t.Errorf("%s(%q) = %v, %v; want ErrSyntax", parse, text, got, err)
	case want != "" && (err != nil || got.String() != want):
		t.Errorf("%s(%q) = %v, %v; want %s", parse, text, got, err, want)
	}
}

func TestParseEPSV(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]ftpparse.EPSVArgument{
		"": ftpparse.EPSVAny, "1": ftpparse.EPSV1, "2": ftpparse.EPSV2,
		"ALL": ftpparse.EPSVAll, "all": ftpparse.EPSVAll, "aLl": ftpparse.EPSVAll,
	} {
		if got, err := ftpparse.ParseEPSV(argument); err != nil || got != want {
			t.Errorf("ParseEPSV(%q) = %v, %v; want %v", argument, got, err, want)
		}
	}
	for argument, want := range map[string]error{
		"0": ftpparse.ErrFamily, "3": ftpparse.ErrFamily, "12": ftpparse.ErrFamily, "01": ftpparse.ErrFamily,
		" ": ftpparse.ErrSyntax, " 1": ftpparse.ErrSyntax, "1 ": ftpparse.ErrSyntax, "-1": ftpparse.ErrSyntax,
		"ALL ": ftpparse.ErrSyntax, "ALLE": ftpparse.ErrSyntax, "1x": ftpparse.ErrSyntax,
	} {
		if _, err := ftpparse.ParseEPSV(argument); !errors.Is(err, want) {
			t.Errorf("ParseEPSV(%q) = %v, want %v", argument, err, want)
		}
	}
}

func TestParse227(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Entering Passive Mode (127,0,0,1,141,33).":      "127.0.0.1:36129",
		"Entering passive mode (127,0,0,1,141,33)":       "127.0.0.1:36129",
		"=127,0,0,1,141,33":                              "127.0.0.1:36129",
		"127,0,0,1,141,33":                               "127.0.0.1:36129",
		"Passive: 127, 0, 0, 1, 141,\t33 ok":             "127.0.0.1:36129",
		"3 of 10,20,30 ports, (127,0,0,1,141,33)":        "127.0.0.1:36129",
		"x1,127,0,0,1,141":                               "1.127.0.0:397",
		"127,0,0,1,141,33,1,2":                           "127.0.0.1:36129",
		"(0,0,0,0,4,0)":                                  "0.0.0.0:1024",
		"(127,0,0,1,0,0)":                                "", // port 0
		"(256,0,0,1,141,33)":                             "",
		"(127,0,0,1,141,256) or (127,0,0,1,141,33)":      "",
		"(127,0,0,1,141,99999999999999999999999999)":     "",
		"(127 ,0,0,1,141,33)":                            "",
		"(127,0,0,1,141)":                                "",
		"(127.0.0.1,141,33)":                             "",
		"":                                               "",
		"Entering Passive Mode":                          "",
		"(::1,141,33)":                                   "",
		"127,0,0,1,141,-33":                              "",
		"number 1234567890123456789 (127,0,0,1,141,33).": "127.0.0.1:36129",
	} {
		got, err := ftpparse.Parse227(ftpparse.NewReply(227, text))
		checkHostPort(t, "Parse227", text, got, err, want)
	}
}

func TestParse227LooksAtEveryLineOfA227Only(t *testing.T) {
	t.Parallel()
	const text = "(127,0,0,1,141,33)"
	for _, r := range []ftpparse.Reply{
		ftpparse.NewMultiline(227, "Passive", []string{text}, "End"),
		ftpparse.NewMultiline(227, "Passive", nil, text),
		ftpparse.NewMultiline(227, "Passive, 1,2", []string{"3,4,5,6"}, text),
	} {
		got, err := ftpparse.Parse227(r)
		checkHostPort(t, "Parse227", r.Lines[1], got, err, "127.0.0.1:36129")
	}
	for _, r := range []ftpparse.Reply{ftpparse.NewReply(200, text), {}} {
		got, err := ftpparse.Parse227(r)
		checkHostPort(t, "Parse227", r.Text(), got, err, "")
	}
}

// The code is not a part of the text, even where a number could start with it.
func TestParse227DoesNotTakeTheCodeForANumber(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"227 ,0,0,1,4,1", "227-,0,0,1,4,1"} {
		r := ftpparse.Reply{Code: 227, Lines: []string{line}}
		got, err := ftpparse.Parse227(r)
		checkHostPort(t, "Parse227", line, got, err, "")
	}
}

func TestParse229(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint16{
		"Entering Extended Passive Mode (|||2021|)":  2021,
		"Entering Extended Passive Mode (|||2021|).": 2021,
		"(!!!65535!)":         65535,
		"(|||1|) and (|||2|)": 1,
		"Extended Passive Mode OK (|1|127.0.0.1|2021|)": 2021,
		"(|2|2001:db8::1|2021|)":                        2021,
		"(xxxyx) (|||2021|)":                            2021,
		"(really) (|||2021|)":                           2021,
		"((((2021()":                                    2021,
		")()))2021))":                                   2021,
		"(|||02021|)":                                   2021,
		"":                                              0,
		"Entering Extended Passive Mode":                0,
		"Entering Extended Passive Mode |||2021|": 0,
		"(|||2021)":                  0,
		"(|||2021|":                  0,
		"(||2021|)":                  0,
		"(||||2021|)":                0,
		"(|||0|)":                    0,
		"(|||65536|)":                0,
		"(|||-1|)":                   0,
		"(|||+1|)":                   0,
		"(||| 2021|)":                0,
		"(   2021 )":                 0,
		"(|||99999999999999999999|)": 0,
		"(|||0|) then (|||2021|)":    0, // the first of its form counts
		"227 Entering Passive Mode (127,0,0,1,141,33).":          0,
		"Entering Extended Passive Mode (\x7f\x7f\x7f2021\x7f)":  0,
		"Entering Extended Passive Mode (\xa6\xa6\xa62021\xa6).": 0,
	} {
		got, err := ftpparse.Parse229(ftpparse.NewReply(229, text))
		if got != want || (want == 0) != errors.Is(err, ftpparse.ErrSyntax) {
			t.Errorf("Parse229(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	if _, err := ftpparse.Parse229(ftpparse.NewReply(200, "(|||2021|)")); !errors.Is(err, ftpparse.ErrSyntax) {
		t.Errorf("Parse229 of a 200 = %v, want ErrSyntax", err)
	}
	r := ftpparse.NewMultiline(229, "Extended", []string{"(|||2021|)"}, "End")
	if port, err := ftpparse.Parse229(r); err != nil || port != 2021 {
		t.Errorf("Parse229 of several lines = %d, %v; want 2021", port, err)
	}
}

func TestFormatHostPort(t *testing.T) {
	t.Parallel()
	four := netip.MustParseAddrPort("10.1.2.3:2021")
	mapped := netip.MustParseAddrPort("[::ffff:10.1.2.3]:2021")
	sixth := netip.MustParseAddrPort("[2001:db8::1]:2021")
	zoned := netip.MustParseAddrPort("[fe80::1%eth0]:2021")
	wire := func(c ftpparse.Command) string { return string(c.AppendTo(nil)) }
	says := func(r ftpparse.Reply) string { return string(r.AppendTo(nil)) }
	for _, test := range []struct{ got, want string }{
		{says(ftpparse.Format227(four)), "227 Entering Passive Mode (10,1,2,3,7,229).\r\n"},
		{says(ftpparse.Format227(mapped)), "227 Entering Passive Mode (10,1,2,3,7,229).\r\n"},
		{says(ftpparse.Format227(sixth))[:4], "425 "},
		{says(ftpparse.Format227(netip.AddrPort{}))[:4], "425 "},
		{says(ftpparse.Format229(2021)), "229 Entering Extended Passive Mode (|||2021|)\r\n"},
		{says(ftpparse.Format229(65535)), "229 Entering Extended Passive Mode (|||65535|)\r\n"},
		{wire(ftpparse.FormatPORT(four)), "PORT 10,1,2,3,7,229\r\n"},
		{wire(ftpparse.FormatPORT(mapped)), "PORT 10,1,2,3,7,229\r\n"},
		{wire(ftpparse.FormatPORT(sixth)), "EPRT |2|2001:db8::1|2021|\r\n"},
		{wire(ftpparse.FormatEPRT(four)), "EPRT |1|10.1.2.3|2021|\r\n"},
		{wire(ftpparse.FormatEPRT(mapped)), "EPRT |1|10.1.2.3|2021|\r\n"},
		{wire(ftpparse.FormatEPRT(sixth)), "EPRT |2|2001:db8::1|2021|\r\n"},
		{wire(ftpparse.FormatEPRT(zoned)), "EPRT |2|fe80::1|2021|\r\n"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
