package proxy

import (
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// After a QUIT the client's end of the control connection is no sign that its
// upload was cut short; after one that was denied it is.
func TestDeniedQUITIsNoFarewell(t *testing.T) {
	s := &session{}
	s.work.leaving.Store(true) // as when the line was read
	if err := s.deny(ftpparse.Command{Verb: "QUIT"}, policy.Decision{Reply: policy.Reply{Code: 502, Text: "No."}}); err != nil {
		t.Fatal(err)
	}
	if s.work.leaving.Load() {
		t.Error("the client may leave in the middle of an upload")
	}
	if e := s.queue.next(); e == nil || e.answer.Code != 502 {
		t.Errorf("%+v", e)
	}
}
