package configs

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// acmeText is a configuration whose certificate has these lines in acme.
func acmeText(lines ...string) string {
	return listenerText + upstreamText + `
certificate "main" {
  acme {
    ` + strings.Join(lines, "\n    ") + `
  }
}
storage { dir = "state" }
`
}

func TestSecretsComeFromOutside(t *testing.T) {
	t.Setenv("FTPSPROXY_TEST_KEY", "ZnJvbSB0aGUgZW52aXJvbm1lbnQ")
	for value, want := range map[string]string{
		`env("FTPSPROXY_TEST_KEY")`: "ZnJvbSB0aGUgZW52aXJvbm1lbnQ",
		`file("key.txt")`:           "ZnJvbSBhIGZpbGU",
		`"aW4gdGhlIHRleHQ"`:         "aW4gdGhlIHRleHQ",
	} {
		dir := write(t, map[string]string{
			"key.txt": "ZnJvbSBhIGZpbGU\r\n",
			"f.hcl":   acmeText(`names = ["ftp.example.com"]`, `eab { key_id = "k", mac_key = `+value+` }`),
		})
		if got := load(t, filepath.Join(dir, "f.hcl")).Certificates[0].ACME.EAB.MACKey.Reveal(); got != want {
			t.Errorf("%s: %q", value, got)
		}
	}
}

// Whatever is wrong, and wherever: no diagnostic and no summary shows a secret.
func TestSecretsAreNeverPrinted(t *testing.T) {
	const hidden = "Top-Secret_423"
	t.Setenv("FTPSPROXY_TEST_KEY", hidden)
	eab := func(s string) []string { return []string{`names = ["ftp.example.com"]`, s} }
	for name, lines := range map[string][]string{
		"unknown setting beside it": eab(`eab { key_id = "k", mac_key = "` + hidden + `", colour = "red" }`),
		"syntax error behind it":    eab(`eab { key_id = "k", mac_key = "` + hidden + `" "again" }`),
		"unfinished text":           eab(`eab { key_id = "k", mac_key = "` + hidden),
		"a list":                    eab(`eab { key_id = "k", mac_key = ["` + hidden + `"] }`),
		"not quoted":                eab(`eab { key_id = "k", mac_key = ` + hidden + ` }`),
		"not base64, from outside":  eab(`eab { key_id = "k", mac_key = "${env("FTPSPROXY_TEST_KEY")}!" }`),
		"a heredoc":                 eab("eab {\n key_id = \"k\"\n mac_key = <<EOT\n" + hidden + "\nEOT\n }"),
		"a quote in it":             eab(`eab { key_id = "k", mac_key = "a\"` + hidden + `" "again" }`),
		"no equals sign":            eab(`eab { key_id = "k", mac_key "` + hidden + `" }`),
		"a colon":                   eab(`eab { key_id = "k", "mac_key": "` + hidden + `" }`),
		"single quotes":             eab(`eab { key_id = "k", mac_key = '` + hidden + `' }`),
		"digits first":              eab("eab {\n key_id = \"k\"\n mac_key = 9" + hidden + "\n }"),
		"an open heredoc":           eab("eab {\n key_id = \"k\"\n mac_key = <<EOT\n" + hidden + " ${\n }"),
		"two texts":                 eab("eab {\n key_id = \"k\"\n mac_key = \"a\" \"" + hidden + "\"\n }"),
		"two equals signs":          eab("eab {\n key_id = \"k\"\n mac_key == \"" + hidden + "\"\n }"),
		"a block":                   eab("eab {\n key_id = \"k\"\n mac_key { x = \"" + hidden + "\" }\n }"),
		"a broken block":            eab("eab {\n key_id = \"k\"\n mac_key {\n x \"" + hidden + "\" = 1\n }"),
		"bare":                      eab("eab {\n key_id = \"k\"\n mac_key " + hidden + "\n }"),
		"on the next line":          eab("eab {\n key_id = \"k\"\n mac_key =\n\"" + hidden + "\"\n }"),
		"behind a call":             eab("eab {\n key_id = \"k\"\n mac_key = env(\"A\") \"" + hidden + "\"\n }"),
		"in a wrong place":          {`names = ["ftp.example.com"]`, `mac_key = "` + hidden + `"`},
		"misspelt":                  eab(`eab { key_id = "k", mackey = "` + hidden + `" }`),
		"a password in a URL": {
			`names = ["ftp.example.com"]`, `challenge = "dns-01"`,
			`dns { webhook { url = "https://me:` + hidden + `@dns.internal/acme" } }`,
		},
		"a TSIG key": {
			`names = ["ftp.example.com"]`, `challenge = "dns-01"`,
			`dns { rfc2136 { server = "ns1", zone = "example.com", key_name = "k", key_algorithm = "md5", key = "` + hidden + `" } }`,
		},
	} {
		dir := write(t, map[string]string{"f.hcl": acmeText(lines...)})
		settings, diags := Load(filepath.Join(dir, "f.hcl"))
		if settings != nil || !diags.HasErrors() {
			t.Errorf("%s: accepted", name)
		}
		if text := printed(t, diags); strings.Contains(text, hidden) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	dir := write(t, map[string]string{"f.hcl": acmeText(eab(`eab { key_id = "k", mac_key = "` + hidden + `" }`)...)})
	var b strings.Builder
	if err := load(t, filepath.Join(dir, "f.hcl")).Summary(&b); err != nil || strings.Contains(b.String(), hidden) {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestSecretFileIsBounded(t *testing.T) {
	dir := write(t, map[string]string{
		"long":  strings.Repeat("x", maxSecret+1),
		"empty": "\n",
		"f.hcl": acmeText(`names = ["ftp.example.com"]`, `eab { key_id = "k", mac_key = file("long") }`),
		"g.hcl": acmeText(`names = ["ftp.example.com"]`, `eab { key_id = "k", mac_key = file("empty") }`),
	})
	for file, want := range map[string]string{"f.hcl": "larger than 65536 bytes", "g.hcl": "must not be empty"} {
		if _, diags := Load(filepath.Join(dir, file)); !strings.Contains(printed(t, diags), want) {
			t.Errorf("want %q, got\n%s", want, printed(t, diags))
		}
	}
}

func TestPasswordsOfCertificatesReachTheProxy(t *testing.T) {
	_, s := clientsSettings(t, `login = "only"`, `login_password = "house"`, `map = "email"`, `mode = "optional"`)
	login := build(t, s).Listeners[0].TLS.Clients
	if login == nil || !login.Only || login.Required || login.Names != tlsterm.NameFromEmail || login.Password.Reveal() != "house" {
		t.Errorf("%+v", login)
	}
}
