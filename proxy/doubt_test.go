package proxy

import (
	"strings"
	"testing"
)

func TestUncertain(t *testing.T) {
	for queue, want := range map[string]string{
		"": "", "NOOP!": "", "ABOR": "", "RETR~ ABOR^": "", "RETR=": "",
		"ABOR^ NOOP": "", "RETR= ABOR^ NOOP": "", "RETR? NOOP": "", "RETR? ABOR^ NOOP": "", "RETR? ABOR": "",
		"ABOR^": "ABOR", "RETR= ABOR^": "ABOR", "RETR! ABOR^": "ABOR",
		"RETR?": "RETR", "RETR? NOOP!": "RETR", "RETR? ABOR!": "RETR", "RETR? ABOR^": "RETR ABOR",
	} {
		var got []string
		transfer, abor := queueOf(queue).uncertain()
		if transfer {
			got = append(got, "RETR")
		}
		if abor {
			got = append(got, "ABOR")
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%q: uncertain is %q", queue, got)
		}
	}
}

func TestBusy(t *testing.T) {
	for queue, want := range map[string]bool{
		"": false, "NOOP NOOP": false, "RETR": false, "NOOP RETR": false, "RETR~ NOOP!": false, "RETR= NOOP NOOP": false,
		"RETR NOOP": true, "RETR~ NOOP": true, "RETR~ NOOP! PWD": true, "NOOP RETR~ NOOP": true, "RETR~ ABOR^": true,
	} {
		if got := queueOf(queue).busy(); got != want {
			t.Errorf("%q: busy is %v", queue, got)
		}
	}
}

// 226 may be the end of a mumbled transfer or the reply to its ABOR, if there is a
// question behind them to tell.
func TestSharers(t *testing.T) {
	for _, c := range []struct {
		queue string
		code  int
		want  string
	}{
		{"RETR? ABOR^ NOOP", 226, "RETR ABOR"},
		{"RETR? NOOP! ABOR^ NOOP", 226, "RETR ABOR"},
		{"RETR? ABOR^ NOOP", 426, ""},
		{"RETR? ABOR^", 226, ""},
		{"RETR? NOOP ABOR^", 226, ""},
		{"RETR? NOOP", 226, ""},
		{"RETR~ ABOR^ NOOP", 226, ""},
		{"ABOR^ NOOP", 226, ""},
	} {
		transfer, abor := queueOf(c.queue).sharers(c.code)
		if got := strings.TrimSpace(verbOf(transfer) + " " + verbOf(abor)); got != c.want {
			t.Errorf("%q: %d may belong to %q instead of %q", c.queue, c.code, got, c.want)
		}
	}
}

// A refusal behind an optional ABOR may be that of what was asked behind it; what
// only one of the two can have is not withheld.
func TestRivals(t *testing.T) {
	for _, c := range []struct {
		queue   string
		code    int
		settled bool
		want    string
	}{
		{queue: "ABOR^ NOOP", code: 500, want: "ABOR NOOP"},
		{queue: "ABOR^ NOOP", code: 503, want: "ABOR NOOP"},
		{queue: "ABOR^ NOOP", code: 421, want: "ABOR NOOP"},
		{queue: "RETR= ABOR^ NOOP", code: 502, want: "ABOR NOOP"},
		{queue: "RETR? ABOR^ NOOP", code: 502, want: "ABOR NOOP"},
		{queue: "RETR? ABOR^ NOOP", code: 552, want: ""},
		{queue: "ABOR^ NOOP", code: 426, want: ""},
		{queue: "ABOR^ NOOP", code: 226, want: ""},
		{queue: "ABOR^ NOOP", code: 200, want: ""},
		{queue: "ABOR^", code: 502, want: ""},
		{queue: "ABOR NOOP", code: 502, want: ""},
		{queue: "RETR~ ABOR^ NOOP", code: 502, want: ""},
		{queue: "PWD ABOR^ NOOP", code: 502, want: ""},
	} {
		abor, behind := queueOf(c.queue).rivals(c.code, c.settled)
		if got := strings.TrimSpace(verbOf(abor) + " " + verbOf(behind)); got != c.want {
			t.Errorf("%q: %d may belong to %q instead of %q", c.queue, c.code, got, c.want)
		}
	}
}
