package tlsterm

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mholt/acmez/v3"
)

// Webhook has a web service put the records of dns-01 into the zone. URL with
// "/present" or "/cleanup" appended is sent {"fqdn": …, "value": …} by POST; the
// service answers with a status of 2xx once the record can be asked for.
type Webhook struct {
	URL      string // https; http only to this machine
	Username string // for basic authentication; empty: none
	Password Secret
	Token    Secret // for bearer authentication; empty: none
}

// Solver checks the settings.
func (w Webhook) Solver() (acmez.Solver, error) {
	u, err := url.Parse(w.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("give an https URL without a user, a password or a query")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("%s must be an https URL: whoever reads along could prove control of the names", u.Redacted())
	}
	if w.Username != "" && !w.Token.Empty() {
		return nil, errors.New("give a user name and a password, or a token, not both")
	}
	client := &http.Client{
		Timeout: dnsPatience,
		// A redirect would take the password elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader},
	}
	return newDNSSolver(webhookSolver{w, u, client}, aliases{}), nil
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

type webhookSolver struct {
	Webhook
	base   *url.URL
	client *http.Client
}

func (s webhookSolver) put(ctx context.Context, r record) error {
	return s.post(ctx, "present", r)
}

func (s webhookSolver) remove(ctx context.Context, r record) error {
	ctx, cancel := cleanupContext(ctx, dnsTimeout)
	defer cancel()
	return s.post(ctx, "cleanup", r)
}

func (s webhookSolver) post(ctx context.Context, action string, r record) error {
	fail := func(err error) error {
		return &solverError{what: action, how: "webhook at " + s.base.Host, err: err}
	}
	body, err := json.Marshal(map[string]string{"fqdn": r.owner, "value": r.text})
	if err != nil {
		return fail(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base.JoinPath(action).String(), bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	request.Header.Set("Content-Type", "application/json")
	switch {
	case !s.Token.Empty():
		request.Header.Set("Authorization", "Bearer "+s.Token.Reveal())
	case s.Username != "":
		request.SetBasicAuth(s.Username, s.Password.Reveal())
	}
	response, err := s.client.Do(request)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = cause(failed.Err) // the host is named already
	}
	if err != nil {
		return fail(err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 == 2 {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxReply))
	return fail(errorText(oneLine(s.hide("it answers " + response.Status + ": " + string(said)))))
}

// maxReply is how much of a reply is looked at. It is more than is shown, so that
// no secret is cut in two before it can be found.
const maxReply = 256 << 10

// hide keeps a service that repeats what it was sent from having it logged.
func (s webhookSolver) hide(said string) string {
	basic := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + s.Password.Reveal()))
	for _, secret := range []Secret{s.Password, s.Token, NewSecret(basic)} {
		if !secret.Empty() {
			said = strings.ReplaceAll(said, secret.Reveal(), secret.String())
		}
	}
	return said
}
