package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// maxSecret bounds the file of a secret: keys and passwords are short, and a
// mistaken path to a log must not become one.
const maxSecret = 64 << 10

// secret reads a password or a key. The check must not quote it.
func secret(dst *tlsterm.Secret, check func(string) error) reader {
	return func(v cty.Value, _ hcl.Range) error {
		if v.Type() != cty.String {
			return fmt.Errorf("the value must be text, env(\"NAME\") or file(\"path\"), not %s", kind(v.Type()))
		}
		text := v.AsString()
		if text == "" {
			return errors.New("the value must not be empty")
		}
		if check != nil {
			if err := check(text); err != nil {
				return err
			}
		}
		*dst = tlsterm.NewSecret(text)
		return nil
	}
}

// oneLineSecret refuses what could not be sent in a line of a protocol.
func oneLineSecret(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("the value holds a line break or another control character")
	}
	return nil
}

// secretFunctions are what a secret's value may call.
func (d *decoder) secretFunctions() *hcl.EvalContext {
	one := []function.Parameter{{Name: "name", Type: cty.String}}
	dir := d.dir
	return &hcl.EvalContext{Functions: map[string]function.Function{
		"env": function.New(&function.Spec{
			Params: one, Type: function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				name := args[0].AsString()
				text := os.Getenv(name)
				if text == "" {
					return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "the environment variable %s is not set", name)
				}
				return cty.StringVal(text), nil
			},
		}),
		"file": function.New(&function.Spec{
			Params: one, Type: function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				text, err := readSecret(dir, args[0].AsString())
				if err != nil {
					return cty.UnknownVal(cty.String), function.NewArgError(0, err)
				}
				return cty.StringVal(text), nil
			},
		}),
	}}
}

// readSecret reads a file; a relative name belongs to the configuration's
// folder. The line break that editors put at the end is no part of a secret.
func readSecret(dir, name string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s is larger than %d bytes", name, maxSecret)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// secretName finds what names a secret in a text, also where a syntax error, such
// as a missing equals sign, hides what it belongs to.
var secretName = regexp.MustCompile(`\b(mac_key|login_password|password|token|key)"?[ \t]*([=:]?)[ \t]*`)

// quotedText is a text in quotes, or what there is of it on its line.
var quotedText = regexp.MustCompile(`^"(?:\\.|[^"\\\n])*`)

// urlPassword is a password, and the user, in a URL.
var urlPassword = regexp.MustCompile(`://([^/"\s@]*)@`)

// hideSecrets returns a copy of a file's text, of the same length, for the
// snippets in diagnostics.
func hideSecrets(text []byte) []byte {
	shown := bytes.Clone(text)
	for _, m := range urlPassword.FindAllSubmatchIndex(text, -1) {
		hide(shown[m[2]:m[3]])
	}
	for _, m := range secretName.FindAllSubmatchIndex(text, -1) {
		value := literal(text[m[1]:], m[4] < m[5])
		// A key with a dot is a file's name.
		if isKey := string(text[m[2]:m[3]]) == "key"; !isKey || !bytes.Contains(value, []byte(".")) {
			hide(shown[m[1] : m[1]+len(value)])
		}
	}
	return shown
}

// literal returns what stands at the start of a text in place of a secret: a text
// in quotes or, behind an equals sign, the line, in whose place there should be
// one. Not a call, a comparison or a heredoc, whose lines are the decoder's to hide.
func literal(text []byte, assigned bool) []byte {
	if quoted := quotedText.Find(text); quoted != nil || !assigned {
		return quoted
	}
	for _, other := range []string{"env(", "file(", "=", "<<"} {
		if bytes.HasPrefix(text, []byte(other)) {
			return nil
		}
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return bytes.TrimRight(line, " \t\r}")
}

// hideSecret keeps the value of a setting out of diagnostics, unless it only
// says where the secret is.
func (d *decoder) hideSecret(e hcl.Expression) {
	if call, ok := e.(*hclsyntax.FunctionCallExpr); ok && (call.Name == "env" || call.Name == "file") {
		return
	}
	at := e.Range()
	if f := d.settings.sources[at.Filename]; f != nil && at.CanSliceBytes(f.Bytes) {
		hide(at.SliceBytes(f.Bytes))
	}
}

func hide(text []byte) {
	for i, c := range text {
		if c != '"' && c != '\n' && c != '\r' {
			text[i] = '*'
		}
	}
}
