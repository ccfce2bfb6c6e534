package proxy

import (
	"strings"
	"testing"
)

func TestTypeName(t *testing.T) {
	for argument, want := range map[string]string{
		"": "A", " ": "A", "A": "A", "i": "I", "A N": "A N", "e t ": "E T", "L 8": "L 8", "L 255": "L 255",
		strings.Repeat("x", 4000): "XXXXX", "I\nsession=7": "I\nSES",
	} {
		if got := typeName(argument); got != want {
			t.Errorf("%q: %q instead of %q", argument, got, want)
		}
	}
}
