package tlsterm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// lookedAt tells each time a certificate is looked at.
type lookedAt struct {
	certmagic.Storage
	looks chan struct{}
}

func (s lookedAt) Load(ctx context.Context, key string) ([]byte, error) {
	if strings.HasSuffix(key, ".crt") {
		select {
		case s.looks <- struct{}{}:
		default:
		}
	}
	return s.Storage.Load(ctx, key)
}

// An authority that says nothing about when it wants to be asked again, or that
// recommends to have renewed every certificate yesterday, is neither asked nor given
// orders at each look.
func TestACMEPacing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, host    string // of its own: certmagic knows challenges by name
		yesterday     bool
		pacing        pacing
		orders, asked int32 // at most, after many looks
	}{
		{name: "asked about renewal", host: "asked.test", pacing: pacing{rest: time.Hour}, orders: 1, asked: 2},
		{name: "yesterday", host: "yesterday.test", yesterday: true, pacing: pacing{again: time.Hour}, orders: 1, asked: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, authorityOptions{})
			var asked atomic.Int32
			a.odd = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "renewalInfo") {
					return false
				}
				asked.Add(1)
				if tt.yesterday {
					w.Header().Set("Content-Type", "application/json")
					_, _ = fmt.Fprintf(w, `{"suggestedWindow": {"start": %q, "end": %q}}`, stamp(time.Now().Add(-48*time.Hour)), stamp(time.Now().Add(-24*time.Hour)))
				}
				return tt.yesterday
			}
			looked := lookedAt{newStorage(t), make(chan struct{})}
			w := a.wish(t, looked, nil, tt.host)
			w.rest, w.again, w.every = tt.pacing.rest, tt.pacing.again, time.Millisecond
			w.start(t)
			w.await(t, ACMEReplaced)
			for range 100 { // a round loads it some times
				select {
				case <-looked.looks:
				case <-time.After(patience):
					t.Fatal("nobody looks")
				}
			}
			w.Close()
			if orders := a.orders.Load(); orders > tt.orders || asked.Load() > tt.asked {
				t.Errorf("%d orders, asked about renewal %d times\n%s", orders, asked.Load(), w.told())
			}
		})
	}
}
