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

// secretName finds what names a secret in a text.
var secretName = regexp.MustCompile(`\b(mac_key|login_password|password|token|key)\b"?[ \t]*[=:]?[ \t]*`)

// harmlessValue is what may be shown behind such a name: where the secret is, or a
// file's name, which has a dot, as the value of a key.
var harmlessValue = regexp.MustCompile(`^(?:(?:env|file)\("[^"\n]*"\)|"[^"\n]*\.[^"\n]*")[ \t]*(?:[,}#\r\n]|//|$)`)

// urlPassword is a password, and the user, in a URL.
var urlPassword = regexp.MustCompile(`://([^/"\s@]*)@`)

// quotedText is a text in quotes.
var quotedText = regexp.MustCompile(`^"(?:\\.|[^"\\\n])*`)

// hideSecrets returns a copy of a file's text, of the same length, for the
// snippets in diagnostics. In a damaged file, which the parser could not read,
// everything is hidden that may be a part of a secret. In others the text behind
// the name is enough, for settings in a wrong place: the decoder hides the rest.
func hideSecrets(text []byte, damaged bool) []byte {
	shown := bytes.Clone(text)
	for _, m := range urlPassword.FindAllSubmatchIndex(text, -1) {
		hide(shown[m[2]:m[3]])
	}
	for _, m := range secretName.FindAllSubmatchIndex(text, -1) {
		value, isKey := text[m[1]:], string(text[m[2]:m[3]]) == "key"
		switch {
		case harmlessValue.Match(value) && (isKey || value[0] != '"'):
		case damaged || bytes.HasPrefix(value, []byte("{")): // no secret is a block
			hide(shown[m[1] : m[1]+extent(value)])
		default:
			hide(shown[m[1] : m[1]+len(quotedText.Find(value))])
		}
	}
	return shown
}

// extent is how far a value may go that nobody can read: to the end of its line, of
// the next one where this one only opens something, or of a heredoc.
func extent(text []byte) int {
	line, rest, _ := bytes.Cut(text, []byte{'\n'})
	end := min(len(line)+1, len(text))
	if marker, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("<<")); ok {
		for inner := range bytes.Lines(rest) {
			end += len(inner)
			if bytes.Equal(bytes.TrimSpace(inner), bytes.TrimPrefix(marker, []byte("-"))) {
				return end
			}
		}
		return len(text)
	}
	if len(bytes.Trim(line, " \t\r{[(=:")) > 0 {
		return len(line)
	}
	next, _, _ := bytes.Cut(rest, []byte{'\n'})
	return end + len(next)
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
