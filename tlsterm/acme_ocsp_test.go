package tlsterm

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// An authority that says by OCSP (RFC 6960) that a certificate is revoked, and
// nothing by its renewal information.
func TestACMEReplacesRevokedByOCSP(t *testing.T) {
	t.Parallel()
	var a *authority
	var revoked atomic.Pointer[string]
	ready := make(chan struct{})
	responder := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-ready
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		request, err := ocsp.ParseRequest(body)
		if err != nil {
			t.Error(err)
			return
		}
		// Past the middle of its life, so that the next look asks again.
		answer := ocsp.Response{
			SerialNumber: request.SerialNumber, Status: ocsp.Good,
			ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Minute),
		}
		if serial := revoked.Load(); serial != nil && *serial == request.SerialNumber.String() {
			answer.Status, answer.RevokedAt, answer.RevocationReason = ocsp.Revoked, time.Now(), ocsp.Superseded
		}
		issuer := a.ca.GetIntermediateCert(0).Cert
		response, err := ocsp.CreateResponse(issuer, issuer, answer, a.ca.GetIntermediateKey(0))
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = w.Write(response)
	}))
	var asking connections
	responder.Config.ConnState = asking.observe
	responder.Start()
	defer responder.Close()
	a = newAuthority(t, authorityOptions{ocsp: responder.URL, keys: "rsa"})
	close(ready)

	w := a.wish(t, newStorage(t), nil, "z.test").start(t)
	w.await(t, ACMEReplaced)
	first := w.certificate("")
	if len(first.OCSPStaple) == 0 {
		t.Error("the response is not stapled")
	}
	serial := first.Leaf.SerialNumber.String()
	revoked.Store(&serial)
	w.await(t, ACMEReplaced)
	if second := w.certificate(""); bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Error("the revoked certificate is still served")
	}
	w.Close()
	asking.awaitNone(t)
	a.connections.awaitNone(t)
}
