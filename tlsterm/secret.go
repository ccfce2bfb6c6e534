package tlsterm

import "fmt"

// A Secret is a key or a password. However it is printed, encoded or logged, it
// shows that it is there and nothing else.
type Secret struct{ text string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text, for the one place that sends or uses it.
func (s Secret) Reveal() string { return s.text }

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.text == "" }

// String is what takes the secret's place in messages.
func (s Secret) String() string {
	if s.text == "" {
		return "(none)"
	}
	return "(hidden)"
}

// Format covers every verb: %q, %x and %#v would otherwise print the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText covers encoders, such as JSON's.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
