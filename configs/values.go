package configs

import (
	"errors"
	"fmt"
	"math"
	"net/mail"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
)

// capital makes a sentence of an error.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// kind names a type for people.
func kind(t cty.Type) string {
	switch {
	case t == cty.String:
		return "text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType():
		return "a list"
	}
	return "an object"
}

// didYouMean ends a sentence with the nearest known name, if one is near.
func didYouMean(given string, known []string) string {
	best := nearest(strings.ToLower(given), known)
	if best == "" || !strings.ContainsFunc(given, unicode.IsLetter) { // numbers are all near to each other
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// nearest is the known name with the fewest letters to change, or else the shortest
// of which the given one is a part. Short words are all near to each other.
func nearest(given string, known []string) string {
	best, distance := "", 3
	if len(given) < 5 {
		distance = 2
	}
	for _, k := range known {
		if n := levenshtein.Distance(given, k, nil); n < distance {
			best, distance = k, n
		}
	}
	if best != "" || len(given) < 3 {
		return best
	}
	for _, k := range known {
		if strings.Contains(k, given) && (best == "" || len(k) < len(best)) {
			best = k
		}
	}
	return best
}

func asText(v cty.Value, example string) (string, error) {
	if v.Type() != cty.String {
		return "", fmt.Errorf("the value must be text such as %q, not %s", example, kind(v.Type()))
	}
	return v.AsString(), nil
}

// text reads a string through a parser of its own.
func text[T any](dst *T, example string, parse func(string) (T, error)) reader {
	return func(v cty.Value, _ hcl.Range) error {
		s, err := asText(v, example)
		if err != nil {
			return err
		}
		parsed, err := parse(s)
		if err != nil {
			return err
		}
		*dst = parsed
		return nil
	}
}

func boolean(dst *bool) reader {
	return func(v cty.Value, _ hcl.Range) error {
		if v.Type() != cty.Bool {
			return fmt.Errorf("the value must be true or false without quotes, not %s", kind(v.Type()))
		}
		*dst = v.True()
		return nil
	}
}

// choice is one word of an enumeration and what it stands for.
type choice[T any] struct {
	word  string
	value T
}

// oneOf reads an enumeration.
func oneOf[T any](dst *T, choices ...choice[T]) reader {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = c.word
	}
	return text(dst, words[0], func(s string) (T, error) {
		for _, c := range choices {
			if c.word == s {
				return c.value, nil
			}
		}
		var none T
		return none, mistake{
			fmt.Sprintf("Unknown value %q", s),
			fmt.Sprintf("It must be one of %s.%s", quoted(words), didYouMean(s, words)),
		}
	})
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = strconv.Quote(w)
	}
	return strings.Join(q, ", ")
}

// duration reads a time span of at least the given length.
func duration(dst *time.Duration, least time.Duration) reader {
	return text(dst, "90s", func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil:
			return 0, fmt.Errorf("%q is not a duration; write a number and its unit, such as \"90s\", \"10m\" or \"1h30m\"", s)
		case d < least && least <= time.Nanosecond:
			return 0, fmt.Errorf("%q is not a positive duration; there is no value for \"never\"", s)
		case d < least:
			return 0, fmt.Errorf("%q is too short; it must be at least %q", s, least)
		}
		return d, nil
	})
}

// delay is a duration that may be zero.
func delay(dst *time.Duration) reader {
	return text(dst, "30s", func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is not a duration of zero or more; write a number and its unit, such as \"30s\"", s)
		}
		return d, nil
	})
}

// count reads a whole number of at least the given value.
func count(dst *int, least int) reader {
	return func(v cty.Value, _ hcl.Range) error {
		if v.Type() != cty.Number {
			return fmt.Errorf("the value must be a number without quotes, such as %d, not %s", max(least, 1), kind(v.Type()))
		}
		return wholeNumber(dst, v, least)
	}
}

func wholeNumber(dst *int, v cty.Value, least int) error {
	var n int
	if err := gocty.FromCtyValue(v, &n); err != nil || n > math.MaxInt32 {
		return fmt.Errorf("the value must be a whole number from %d to %d", least, math.MaxInt32)
	}
	if n < least {
		return fmt.Errorf("the value must be at least %d, not %d", least, n)
	}
	*dst = n
	return nil
}

// size reads bytes: a plain number, or text with a binary unit.
func size(dst *int, least int) reader {
	return func(v cty.Value, at hcl.Range) error {
		if v.Type() == cty.Number {
			return wholeNumber(dst, v, least)
		}
		s, err := asText(v, "64KiB")
		if err != nil {
			return err
		}
		n, err := parseSize(s)
		if err != nil {
			return err
		}
		return wholeNumber(dst, cty.NumberIntVal(n), least)
	}
}

func parseSize(s string) (int64, error) {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}} {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
		if err != nil {
			break
		}
		return int64(n) * unit.bytes, nil
	}
	return 0, fmt.Errorf("%q is not a size; write a number of bytes, or text such as \"64KiB\", \"10MiB\" or \"1GiB\"", s)
}

// path reads a file name; a relative one belongs to the configuration's folder.
func (d *decoder) path(dst *string) reader {
	dir := d.dir
	return text(dst, "/etc/ftpsproxy/key.pem", func(s string) (string, error) {
		switch {
		case s == "" || strings.ContainsRune(s, 0):
			return "", errors.New("the path must not be empty")
		case filepath.IsAbs(s):
			return filepath.Clean(s), nil
		}
		return filepath.Join(dir, s), nil
	})
}

// greeting reads the text of our 220: one line.
func greeting(s string) (string, error) {
	if s == "" {
		return "", errors.New("the greeting must not be empty")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", errors.New("the greeting is one line without control characters")
	}
	return s, nil
}

// printable reads text that goes into a line of a protocol.
func printable(s string) (string, error) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", fmt.Errorf("%q has control characters", s)
	}
	return s, nil
}

// mailbox reads one address, without a name beside it.
func mailbox(s string) (string, error) {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return "", fmt.Errorf("%q is not an e-mail address such as \"ops@example.com\"", s)
	}
	return s, nil
}

// list reads a list of texts, none of them twice. It says what is wrong with each.
func list(dst *[]string, example string, parse func(string) (string, error)) reader {
	return func(v cty.Value, at hcl.Range) error {
		if !v.Type().IsTupleType() {
			return fmt.Errorf("the value must be a list such as [%q], not %s", example, kind(v.Type()))
		}
		var items []string
		var wrong []error
		for i, element := range v.AsValueSlice() {
			item, err := listItem(element, at, example, parse)
			if err == nil && slices.Contains(items, item) {
				err = fmt.Errorf("%q stands in the list twice", item)
			}
			if err != nil {
				wrong = append(wrong, &elementError{i, err})
				continue
			}
			items = append(items, item)
		}
		if v.LengthInt() == 0 {
			return fmt.Errorf("the list is empty; name at least one, such as [%q]", example)
		}
		*dst = items
		return errors.Join(wrong...)
	}
}

func listItem(element cty.Value, at hcl.Range, example string, parse func(string) (string, error)) (item string, err error) {
	if element.IsNull() {
		return "", errors.New("the list holds null")
	}
	err = text(&item, example, parse)(element, at)
	return item, err
}

// An elementError is about one element of a list.
type elementError struct {
	index int
	err   error
}

func (e *elementError) Error() string { return e.err.Error() }
func (e *elementError) Unwrap() error { return e.err }

// reference reads the name of another block; whether it exists is found out
// when all blocks are known.
func reference(dst *Ref) reader {
	return func(v cty.Value, at hcl.Range) error {
		name, err := asText(v, "main")
		*dst = Ref{Name: name, at: at}
		return err
	}
}

// references reads one name or a list of names.
func references(dst *[]Ref) reader {
	return func(v cty.Value, at hcl.Range) error {
		if v.Type() == cty.String {
			*dst = []Ref{{Name: v.AsString(), at: at}}
			return nil
		}
		var names []string
		if !v.Type().IsTupleType() {
			return fmt.Errorf("the value must be a name such as \"main\", or a list of names, not %s", kind(v.Type()))
		}
		if err := list(&names, "main", func(s string) (string, error) { return s, nil })(v, at); err != nil {
			return err
		}
		*dst = nil
		for _, name := range names {
			*dst = append(*dst, Ref{Name: name, at: at})
		}
		return nil
	}
}

// located remembers where a value stands.
func located(at *hcl.Range, read reader) reader {
	return func(v cty.Value, here hcl.Range) error {
		*at = here
		return read(v, here)
	}
}
