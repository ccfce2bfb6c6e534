package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// A table is the result of the matrix: a row for each server and way to reach
// it, a column for each client.
type table struct {
	mu    sync.Mutex
	tried map[tableCell]int
	bad   map[tableCell]int
	asked map[tableCell]int // skipped: the machine lacks something
}

type tableCell struct{ server, upstream, client string }

func (c combination) tableCell() tableCell {
	return tableCell{c.value(serverName), c.value(upstreamTLS), c.value(clientName)}
}

func (t *table) note(c combination, failed, skipped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tried == nil {
		t.tried, t.bad, t.asked = map[tableCell]int{}, map[tableCell]int{}, map[tableCell]int{}
	}
	at := c.tableCell()
	t.asked[at]++
	if skipped {
		return
	}
	t.tried[at]++
	if failed {
		t.bad[at]++
	}
}

// String is the table: how many sessions were held in full, of how many tried.
func (t *table) String() string {
	var b strings.Builder
	all := values()
	fmt.Fprintf(&b, "%-20s", "server, upstream")
	for _, client := range all[clientName] {
		fmt.Fprintf(&b, "%10s", client)
	}
	for _, server := range all[serverName] {
		for _, upstream := range all[upstreamTLS] {
			fmt.Fprintf(&b, "\n%-20s", server+", "+upstream)
			for _, client := range all[clientName] {
				fmt.Fprintf(&b, "%10s", t.cell(tableCell{server, upstream, client}))
			}
		}
	}
	return b.String()
}

func (t *table) cell(at tableCell) string {
	switch {
	case t.asked[at] == 0:
		return "-"
	case t.tried[at] == 0:
		return "skipped"
	case t.bad[at] > 0:
		return fmt.Sprintf("FAIL %d/%d", t.tried[at]-t.bad[at], t.tried[at])
	default:
		return fmt.Sprintf("ok %d/%d", t.tried[at], t.tried[at])
	}
}

// show logs the table and what was left out, and leaves both for test/run to
// print: go test shows the log of a failed test only.
func (t *table) show(tb testing.TB, r roster) {
	tb.Helper()
	text := t.String() + "\n\nLeft out:\n" + strings.Join(r.reasons(), "\n") + "\n"
	tb.Log("\n" + text)
	cache := filepath.Join(machine.Repository(tb), "test/.cache")
	if _, err := os.Stat(cache); err != nil {
		return
	}
	if err := os.WriteFile(filepath.Join(cache, "matrix.txt"), []byte(text), 0o644); err != nil {
		tb.Error(err)
	}
}

// reasons lists why combinations are left out, with their number.
func (r roster) reasons() []string {
	count := map[string]int{}
	eachCombination(func(c combination) {
		if reason := r.leftOut(c); reason != "" {
			count[reason]++
		}
	})
	var list []string
	for reason, n := range count {
		list = append(list, fmt.Sprintf("%6d  %s", n, reason))
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(a[8:], b[8:]) })
	return list
}

// summary is what the README says of the matrix.
func (r roster) summary() string {
	all := values()
	tried := map[tableCell]bool{}
	for _, c := range r.covering() {
		tried[c.tableCell()] = true
	}
	var b strings.Builder
	b.WriteString("| server | clear | explicit TLS | implicit TLS |\n|---|---|---|---|\n")
	for _, server := range all[serverName] {
		b.WriteString("| " + server + " |")
		for _, upstream := range all[upstreamTLS] {
			with := 0
			for _, client := range all[clientName] {
				if tried[tableCell{server, upstream, client}] {
					with++
				}
			}
			switch with {
			case 0:
				b.WriteString(" has none |")
			case len(all[clientName]):
				b.WriteString(" all clients |")
			default:
				fmt.Fprintf(&b, " %d of %d clients |", with, len(all[clientName]))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestReadmeShowsTheMatrix keeps the README's summary, behind its mark, in step.
func TestReadmeShowsTheMatrix(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(machine.Repository(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const mark = "<!-- matrix -->\n"
	want := mark + newRoster(t).summary()
	if !strings.Contains(string(text), want) {
		t.Errorf("the README does not show this:\n%s", want)
	}
}
