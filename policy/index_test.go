package policy

import (
	"fmt"
	"strings"
	"testing"
)

// An index has no more keys, and no more chunks of sets, than there are patterns,
// and a set has no more chunks than words.
func TestIndexesGrowWithThePatterns(t *testing.T) {
	const rules, each = 500, 20
	var b strings.Builder
	for i := range rules {
		var users, paths []string
		for j := range each {
			users = append(users, fmt.Sprintf(`"u%d-*"`, (i+j*7)%300))
			paths = append(paths, fmt.Sprintf(`"/%s/f%d"`, strings.Repeat("a", j), j*i))
		}
		fmt.Fprintf(&b, "rule \"r%d\" {\n users = [%s]\n paths = [%s]\n action = \"deny\"\n}\n", i, strings.Join(users, ", "), strings.Join(paths[1:], ", "))
	}
	p := compileInside(t, "policy \"p\" {\n"+b.String()+"}\n")
	if len(p.indexes) != 3 {
		t.Errorf("%d indexes", len(p.indexes))
	}
	for _, x := range p.indexes {
		chunks := 0
		for _, k := range x.keys {
			chunks += len(k.rules)
		}
		if len(x.keys) > rules*each || chunks > rules*each || chunks > len(x.keys)*len(x.open) {
			t.Errorf("aspect %d: %d keys, %d chunks", x.of, len(x.keys), chunks)
		}
	}
}
