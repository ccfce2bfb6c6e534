package ftpparse_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

func TestParseAUTH(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]ftpparse.Mechanism{
		"TLS": ftpparse.MechanismTLS, "tls": ftpparse.MechanismTLS, "TLS-C": ftpparse.MechanismTLS,
		"SSL": ftpparse.MechanismSSL, "Ssl": ftpparse.MechanismSSL, "TLS-P": ftpparse.MechanismSSL,
	} {
		if got, err := ftpparse.ParseAUTH(argument); err != nil || got != want {
			t.Errorf("ParseAUTH(%q) = %v, %v; want %v", argument, got, err, want)
		}
	}
	for argument, want := range map[string]error{
		"GSSAPI": ftpparse.ErrMechanism, "KERBEROS_V4": ftpparse.ErrMechanism, "TLSX": ftpparse.ErrMechanism, "X": ftpparse.ErrMechanism,
		"": ftpparse.ErrSyntax, " TLS": ftpparse.ErrSyntax, "TLS ": ftpparse.ErrSyntax, "TLS\xff": ftpparse.ErrSyntax,
		"TLS C": ftpparse.ErrSyntax, "TLS\t": ftpparse.ErrSyntax, "TLſ": ftpparse.ErrSyntax, "TLS\x7f": ftpparse.ErrSyntax,
	} {
		if _, err := ftpparse.ParseAUTH(argument); !errors.Is(err, want) {
			t.Errorf("ParseAUTH(%q) = %v, want %v", argument, err, want)
		}
	}
}

func TestParsePBSZ(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]uint32{"0": 0, "00": 0, "16384": 16384, "4294967295": 1<<32 - 1} {
		if got, err := ftpparse.ParsePBSZ(argument); err != nil || got != want {
			t.Errorf("ParsePBSZ(%q) = %d, %v; want %d", argument, got, err, want)
		}
	}
	for _, argument := range []string{"", " ", "0 ", " 0", "-1", "+1", "4294967296", "0x10", "1_000", "1e3", "x"} {
		if _, err := ftpparse.ParsePBSZ(argument); !errors.Is(err, ftpparse.ErrSyntax) {
			t.Errorf("ParsePBSZ(%q) = %v, want ErrSyntax", argument, err)
		}
	}
}

func TestParsePROT(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]ftpparse.ProtectionLevel{
		"C": ftpparse.ProtectionClear, "c": ftpparse.ProtectionClear, "S": ftpparse.ProtectionSafe,
		"E": ftpparse.ProtectionConfidential, "P": ftpparse.ProtectionPrivate, "p": ftpparse.ProtectionPrivate,
	} {
		if got, err := ftpparse.ParsePROT(argument); err != nil || got != want {
			t.Errorf("ParsePROT(%q) = %v, %v; want %v", argument, got, err, want)
		}
	}
	for _, argument := range []string{"", " ", "X", "P ", " P", "PP", "CLEAR", "ſ"} {
		if _, err := ftpparse.ParsePROT(argument); !errors.Is(err, ftpparse.ErrSyntax) {
			t.Errorf("ParsePROT(%q) = %v, want ErrSyntax", argument, err)
		}
	}
}

func TestProtectionLevelString(t *testing.T) {
	t.Parallel()
	for level, want := range map[ftpparse.ProtectionLevel]string{
		ftpparse.ProtectionClear: "clear", ftpparse.ProtectionSafe: "safe",
		ftpparse.ProtectionConfidential: "confidential", ftpparse.ProtectionPrivate: "private",
		7: "ProtectionLevel(7)",
	} {
		if got := level.String(); got != want {
			t.Errorf("String of %d = %q, want %q", int(level), got, want)
		}
	}
}

func TestParseHOST(t *testing.T) {
	t.Parallel()
	longLabel, longName := strings.Repeat("a", 63), strings.Repeat("a.", 126)+"a"
	for argument, want := range map[string]string{
		"ftp.example.com":                  "ftp.example.com",
		"FTP.Example.COM":                  "ftp.example.com",
		"ftp.example.com.":                 "ftp.example.com",
		"localhost":                        "localhost",
		"xn--bcher-kva.example":            "xn--bcher-kva.example",
		"1-2.example":                      "1-2.example",
		"192.0.2.1":                        "192.0.2.1",
		"[192.0.2.1]":                      "192.0.2.1",
		"[2001:DB8::1]":                    "2001:db8::1",
		"[2001:db8:0:0:0:0:0:1]":           "2001:db8::1",
		longLabel + ".example":             longLabel + ".example",
		longName:                           longName,
		"":                                 "",
		".":                                "",
		"..":                               "",
		"ftp..example":                     "",
		".example":                         "",
		"example..":                        "",
		"-ftp.example":                     "",
		"ftp-.example":                     "",
		"ftp example":                      "",
		" ftp.example":                     "",
		"ftp.example ":                     "",
		"ftp.example:21":                   "",
		"ftp/../etc":                       "",
		"bücher.example":                   "",
		"FTP.EXAMPLE\u212a":                "", // the Kelvin sign, lower case k
		"*.example.com":                    "",
		"2001:db8::1":                      "",
		"[2001:db8::1":                     "",
		"2001:db8::1]":                     "",
		"[]":                               "",
		"[ftp.example]":                    "",
		"[fe80::1%eth0]":                   "",
		"[2001:db8::1]:21":                 "",
		"[[2001:db8::1]]":                  "",
		"a" + longLabel + ".example":       "",
		longName + "a":                     "",
		longName + ".a":                    "",
		"ftp.example.com\x00.evil.example": "",
	} {
		got, err := ftpparse.ParseHOST(argument)
		if got != want || (want == "") != errors.Is(err, ftpparse.ErrSyntax) {
			t.Errorf("ParseHOST(%q) = %q, %v; want %q", argument, got, err, want)
		}
	}
}
