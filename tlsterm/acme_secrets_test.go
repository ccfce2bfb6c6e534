package tlsterm

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/certmagic"
)

// Neither the libraries' steps nor what an authority or a service repeats puts a
// secret into an event, which goes to the log.
func TestACMETellsNoSecrets(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, authorityOptions{eab: true})
	key := base64.RawURLEncoding.EncodeToString([]byte("the key of a customer, which is long enough"))
	if err := a.db.AddExternalAccountKeyByID("customer-1", key); err != nil {
		t.Fatal(err)
	}
	var repeated atomic.Int32
	a.odd = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/sign-me-up") || repeated.Add(1) > 1 {
			return false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Replay-Nonce", "bm9uY2U")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]string{"type": "urn:ietf:params:acme:error:unauthorized", "detail": fmt.Sprintf("%v %s", r.Header, body)})
		return true
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer service.Close()
	const token = "token-of-the-webhook"
	solver, err := unaliased(Webhook{URL: service.URL, Token: NewSecret(token)}.Solver())
	if err != nil {
		t.Fatal(err)
	}
	storage := newStorage(t)
	w := a.wish(t, storage, func(c *ACMEConfig) {
		c.EAB = &EAB{KeyID: "customer-1", MACKey: NewSecret(key)}
		c.Challenge, c.DNS = DNS01, solver
	}, "secrets.test").start(t)
	if e := w.await(t, ACMEFailed); !strings.HasPrefix(e.Text, "the authority refuses: map[") {
		t.Errorf("the authority's refusal is not told: %q", e.Text)
	}
	if e := w.await(t, ACMEFailed); !strings.Contains(e.Text, "it answers 403 Forbidden: Bearer (hidden)") {
		t.Errorf("the webhook's refusal is not told: %q", e.Text)
	}
	w.Close()

	secrets := []string{key, token, "PRIVATE KEY"}
	keys, err := storage.List(t.Context(), "acme", true)
	if err != nil {
		t.Fatal(err)
	}
	accounts := 0
	for _, name := range keys {
		if strings.HasSuffix(name, ".key") {
			secrets = append(secrets, lines(t, storage, name)...)
			accounts++
		}
	}
	if accounts != 1 {
		t.Errorf("%d accounts", accounts)
	}
	for _, secret := range secrets {
		if strings.Contains(w.told(), secret) {
			t.Errorf("%q was told:\n%s", secret, w.told())
		}
	}
}

// lines of what is stored under a name, between the first and the last.
func lines(t *testing.T, storage certmagic.Storage, name string) []string {
	t.Helper()
	data, err := storage.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return all[1 : len(all)-1]
}
