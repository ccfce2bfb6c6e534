package tlsterm

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What an authority sends is read into memory, and as often as it likes: there are
// bounds to both, and nothing is sent in the clear because it says so.
func TestHostileAuthority(t *testing.T) {
	t.Parallel()
	many := bytes.Repeat([]byte("\n"), maxAnswer)
	endless := func(w http.ResponseWriter, kind string, status int) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		for {
			if _, err := w.Write(many); err != nil {
				return
			}
		}
	}
	tests := []struct {
		name string
		odd  func(a *authority, w http.ResponseWriter, r *http.Request) bool
		want string
	}{
		{"an endless directory", func(_ *authority, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/dir" {
				endless(w, "application/json", http.StatusOK)
			}
			return r.URL.Path == "/dir"
		}, "sends an answer of more than 1048576 bytes"},
		{"an endless problem", func(_ *authority, w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/order-plz") {
				endless(w, "application/problem+json", http.StatusForbidden)
			}
			return strings.HasSuffix(r.URL.Path, "/order-plz")
		}, "sends an answer of more than 1048576 bytes"},
		{"a certificate above each certificate", func(a *authority, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, "/certZ/") {
				return false
			}
			w.Header().Set("Content-Type", "application/pem-certificate-chain")
			w.Header().Set("Replay-Nonce", "bm9uY2U")
			w.Header().Set("Link", `<https://`+r.Host+r.URL.Path+`>; rel="up"`)
			_, _ = w.Write(many)
			return true
		}, "the authority's answers do not come to an end"},
		{"a directory in the clear", func(_ *authority, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/dir" {
				http.Redirect(w, r, "http://"+r.Host+"/dir", http.StatusTemporaryRedirect)
			}
			return r.URL.Path == "/dir"
		}, "/dir, which is no https URL"},
		{"a time that never comes", func(_ *authority, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Retry-After", "1000000000")
			return false
		}, errRoundTooLong.Error()},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Of its own: certmagic knows challenges by name.
			name := fmt.Sprintf("hostile%d.test", i)
			a := newAuthority(t, authorityOptions{})
			a.odd = func(w http.ResponseWriter, r *http.Request) bool { return tt.odd(a, w, r) }
			w := a.wish(t, newStorage(t), nil, name)
			if tt.want == errRoundTooLong.Error() {
				w.limit = time.Second
			}
			if err := w.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			if bounds := w.stewards[0].magic.Load().bounds; bounds.most != maxAnswers {
				t.Errorf("a round may have %d bytes", bounds.most)
			} else {
				bounds.most = 4 << 20 // what a busy machine can carry in the time of a test
			}
			w.start(t)
			if e := w.await(t, ACMEFailed); !strings.Contains(e.Text, tt.want) || len(e.Text) > maxProblem {
				t.Errorf("%q has no %q", e.Text, tt.want)
			}
		})
	}
}

// A body that is as long as it may be is whole; one that is longer is not taken
// for whole.
func TestBoundedBody(t *testing.T) {
	for _, length := range []int{0, maxAnswer, maxAnswer + 1} {
		body := &boundedBody{
			ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", length))),
			transport:  &authorityTransport{most: maxAnswers}, left: maxAnswer, host: "ca.test",
		}
		data, err := io.ReadAll(body)
		if whole := length <= maxAnswer; whole != (err == nil) || whole && len(data) != length {
			t.Errorf("of %d bytes %d are read, %v", length, len(data), err)
		}
	}
}
