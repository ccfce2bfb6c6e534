package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// inside stands in every error of these tests for what no client may learn.
const inside = "backend7.internal:2121 /srv/ftp"

func failed(s side, step string, err error) *sideError {
	return &sideError{Side: s, Step: step, Err: fmt.Errorf("%w: %s", err, inside)}
}

func TestClosingReply(t *testing.T) {
	final := func(code int) ftpparse.Reply { return ftpparse.NewReply(code, "the upstream's own") }
	for _, c := range []struct {
		name string
		err  *sideError
		said int
		want int // 0: what the upstream said
	}{
		{name: "all went well", said: 226},
		{name: "all went well, the upstream failed", said: 451},
		{name: "ABOR", err: failed(sideClient, "transfer", errAborted), said: 226},
		{name: "ABOR", err: failed(sideClient, "transfer", errAborted), said: 426},
		{name: "ABOR before the 1yz", err: failed(sideUpstream, "await preliminary reply", errAborted), said: 225},
		{name: "refused", err: failed(sideUpstream, "await preliminary reply", errRefused), said: 550},
		{name: "refused", err: failed(sideUpstream, "await preliminary reply", errRefused), said: 350},

		{name: "client not there", err: failed(sideClient, stepOpen, errNeverOpened), said: 226, want: 425},
		{name: "client not there", err: failed(sideClient, stepOpen, errNeverOpened), said: 426, want: 425},
		{name: "client's TLS", err: failed(sideClient, stepOpen, errDataHandshake), said: 226, want: 522},
		{name: "client's TLS", err: failed(sideClient, stepOpen, errDataHandshake), said: 550, want: 522},
		{name: "client's proof", err: failed(sideClient, stepOpen, errUnprovenSender), said: 226, want: 522},
		{name: "upstream not there", err: failed(sideUpstream, stepOpen, errNeverOpened), said: 226, want: 425},

		{name: "client broke", err: failed(sideClient, "read", io.ErrUnexpectedEOF), said: 226, want: 426},
		{name: "client broke", err: failed(sideClient, "read", io.ErrUnexpectedEOF), said: 250, want: 426},
		{name: "client broke", err: failed(sideClient, "read", io.ErrUnexpectedEOF), said: 350, want: 426},
		{name: "client broke", err: failed(sideClient, "read", io.ErrUnexpectedEOF), said: 426},
		{name: "client broke", err: failed(sideClient, "read", io.ErrUnexpectedEOF), said: 552},
		{name: "truncated", err: failed(sideClient, "read", errTruncated), said: 226, want: 426},
		{name: "stalled", err: failed(sideClient, "transfer", errStalled), said: 226, want: 426},
		{name: "upstream broke", err: failed(sideUpstream, "write", io.ErrClosedPipe), said: 226, want: 451},
		{name: "upstream broke", err: failed(sideUpstream, "write", io.ErrClosedPipe), said: 452},
		{name: "a protected reply", err: failed(sideClient, "read", io.ErrUnexpectedEOF), said: 631, want: 426},
	} {
		t.Run(fmt.Sprintf("%s %d", c.name, c.said), func(t *testing.T) {
			got := closingReply(outcome{err: c.err}, final(c.said))
			if c.want == 0 {
				if got.Code != c.said || got.Text() != "the upstream's own" {
					t.Fatalf("%v instead of the upstream's reply", got)
				}
				return
			}
			wantOwn(t, got, c.want)
		})
	}
}

// wantOwn wants a reply of ours that gives nothing away.
func wantOwn(t *testing.T, got ftpparse.Reply, code int) {
	t.Helper()
	if got.Code != code {
		t.Errorf("%v instead of a %d", got, code)
	}
	if text := string(got.AppendTo(nil)); strings.Contains(text, "internal") || strings.Contains(text, "srv") {
		t.Errorf("a client learns too much from %q", text)
	}
}

func TestOpenFailure(t *testing.T) {
	for err, code := range map[error]int{
		errNeverOpened: 425, errSessionOver: 425, io.EOF: 425,
		errDataHandshake: 522, errUnprovenSender: 522,
	} {
		wantOwn(t, openFailure(fmt.Errorf("%w: %s", err, inside)), code)
	}
	if openFailure(errDataHandshake).Text() == openFailure(errUnprovenSender).Text() {
		t.Error("a client that must resume is not told so")
	}
}

func TestFarewell(t *testing.T) {
	upstreamGone := &sideError{Side: sideUpstream, Step: "read reply", Err: io.EOF}
	for _, c := range []struct {
		err  error
		want string // in the text; "": nobody is told
	}{
		{errQuit, ""},
		{&sideError{Side: sideClient, Step: "read command", Err: io.EOF}, ""},
		{&sideError{Side: sideClient, Step: "read command", Err: io.ErrUnexpectedEOF}, ""},
		{upstreamGone, "server is not available"},
		{&sideError{Side: sideUpstream, Step: "AUTH", Err: errNoTLS}, "server is not available"},
		{&sideError{Side: sideUpstream, Step: "greeting", Err: errGreeting}, "server is not available"},
		{&sideError{Side: sideUpstream, Step: "session", Err: errUpstreamEnds}, "server is not available"},
		{&sideError{Side: sideUpstream, Step: "await reply", Err: errReplyTimeout}, "in time"},
		{&sideError{Side: sideUpstream, Step: "await reply", Err: errFinalTimeout}, "in time"},
		{errIdle, "no command for too long"},
		{errLoginTimeout, "login took too long"},
		{&sideError{Side: sideClient, Step: "handshake", Err: errLoginTimeout}, "login took too long"},
		{errLoginFailures, "failed logins"},
		{errMalformed, "malformed"},
		{errEarlyData, "Unexpected data"},
		{errTrailingData, "Unexpected data"},
		{errDraining, "stopping"},
		{context.Canceled, "stopping"},
		{errTooMany, "Too many sessions"},
		{errIllegalStep, "closing the control connection"},
		{errors.New(""), "closing the control connection"},
	} {
		r, told := farewell(fmt.Errorf("%w: %s", c.err, inside))
		if told != (c.want != "") {
			t.Errorf("%v: somebody is told: %v", c.err, told)
		}
		if !told {
			continue
		}
		wantOwn(t, r, 421)
		if !strings.Contains(r.Text(), c.want) {
			t.Errorf("%v: %q says nothing of %q", c.err, r.Text(), c.want)
		}
	}
}

func TestMalformedReply(t *testing.T) {
	for err, code := range map[error]int{
		ftpparse.ErrLineTooLong: 500, ftpparse.ErrVerb: 500, ftpparse.ErrControlByte: 501, ftpparse.ErrTelnet: 501,
	} {
		wantOwn(t, malformedReply(fmt.Errorf("%w: %s", err, inside)), code)
	}
}

func TestSideErrors(t *testing.T) {
	if atSide(sideUpstream, "read", nil) != nil {
		t.Error("success became an error")
	}
	err := fmt.Errorf("transfer: %w", atSide(sideUpstream, "read", io.EOF))
	if !errors.Is(err, io.EOF) || sideOf(err) != sideUpstream {
		t.Errorf("%v is at side %v", err, sideOf(err))
	}
	if want := "transfer: upstream: read: EOF"; err.Error() != want {
		t.Errorf("%q instead of %q", err, want)
	}
	if sideOf(io.EOF) != sideClient {
		t.Error("an error that names no side is the client's")
	}
}
