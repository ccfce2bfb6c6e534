package tlsterm

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// maxAnswer bounds one answer of an authority: certificates and problem
	// documents have some kilobytes.
	maxAnswer = 1 << 20
	// maxAnswers bounds what an authority answers in one round, each answer
	// counting for answerCost at least: it decides itself how many there are.
	maxAnswers = 32 << 20
	answerCost = 4 << 10
	// maxHeader bounds the header of an answer.
	maxHeader = 256 << 10
	// requestTimeout bounds one request and its answer.
	requestTimeout = 30 * time.Second
)

// An answerError says what an authority, or a web service, does that is not put
// up with.
type answerError string

func (e answerError) Error() string { return string(e) }

// errRoundTooLong ends a round: an authority may say itself when it wants to be
// asked again, and could name a day that never comes.
var errRoundTooLong = errors.New("the order was given up: it took longer than any should")

// errNoClient reports that certmagic is not made as it was.
var errNoClient = errors.New("the HTTP client of certmagic is not where it was; this version cannot be used")

// An authorityTransport keeps what an authority sends within bounds, and what we
// send it private: acmez reads each answer to its end, and goes wherever the
// directory or a redirect says.
type authorityTransport struct {
	next  *http.Transport
	spent atomic.Int64 // in this round
	most  int64        // of it
}

// newAuthorityTransport puts bounds to the client that the issuer has made for
// itself. certmagic offers no way to set it.
func newAuthorityTransport(issuer *certmagic.ACMEIssuer) (*authorityTransport, error) {
	field := reflect.ValueOf(issuer).Elem().FieldByName("httpClient")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*http.Client]() || field.IsNil() {
		return nil, errNoClient
	}
	client := (*http.Client)(field.UnsafePointer())
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil, errNoClient
	}
	transport.MaxResponseHeaderBytes = maxHeader
	transport.IdleConnTimeout = requestTimeout // else one stays open between any two orders
	bounded := &authorityTransport{next: transport, most: maxAnswers}
	client.Transport, client.Timeout = bounded, requestTimeout
	return bounded, nil
}

// begin starts a round.
func (t *authorityTransport) begin() { t.spent.Store(0) }

// close leaves no connection behind.
func (t *authorityTransport) close() { t.next.CloseIdleConnections() }

// forOCSP is the proxy function of certmagic's requests about revocation, each of
// which has a client of its own whose connection nobody closes.
func forOCSP(r *http.Request) (*url.URL, error) {
	r.Close = true
	return http.ProxyFromEnvironment(r)
}

// RoundTrip implements [http.RoundTripper].
func (t *authorityTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, answerError(fmt.Sprintf("the authority sends us to %s, which is no https URL", r.URL.Redacted()))
	}
	if t.spent.Add(answerCost) > t.most {
		return nil, answerError("the authority's answers do not come to an end")
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{ReadCloser: response.Body, transport: t, left: maxAnswer, host: r.URL.Host}
	return response, nil
}

// A boundedBody fails where it becomes too long: what was cut off must not pass
// for the whole.
type boundedBody struct {
	io.ReadCloser
	transport *authorityTransport
	left      int
	host      string
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	b.left -= n
	switch spent := b.transport.spent.Add(int64(n)); {
	case b.left < 0:
		return 0, answerError(fmt.Sprintf("%s sends an answer of more than %d bytes", b.host, maxAnswer))
	case spent > b.transport.most:
		return 0, answerError("the authority's answers do not come to an end")
	}
	return n, err
}
