package tlsterm

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// freePort returns one that is free on all of loopback.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return strconv.Itoa(portOf(t, ln.Addr().String()))
}

// answers reports whether http-01 is answered at an address.
func answers(t *testing.T, address string) bool {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get("http://" + address + "/")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && strings.Contains(string(body), "nothing here but ACME challenges")
}

// A new configuration may write the address otherwise: the port is ours until the
// former one has gone, and somebody answers all the time but for a moment.
func TestChallengesMove(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, then string
		everywhere  bool // both are answered at all addresses
	}{
		{"all, written otherwise", ":", "0.0.0.0:", true},
		{"from all to one", ":", "127.0.0.1:", true},
		{"from one to all", "127.0.0.1:", ":", true},
		{"one, written otherwise", "localhost:", "127.0.0.1:", false},
		{"to another", "127.0.0.1:", "127.0.0.2:", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port := freePort(t)
			c := &Challenges{}
			first := &ACME{cfg: ACMEConfig{Challenge: HTTP01, Address: tt.first + port}}
			second := &ACME{cfg: ACMEConfig{Challenge: HTTP01, Address: tt.then + port}}
			one, err := c.answer(t.Context(), first)
			if err != nil {
				t.Fatal(err)
			}
			two, err := c.answer(t.Context(), second)
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range []string{"127.0.0.1:", "127.0.0.2:"} {
				if got := answers(t, host+port); got != (tt.everywhere || host == "127.0.0.1:") {
					t.Errorf("at %s there is an answer: %t", host, got)
				}
			}
			one.release()
			if host := strings.Replace(two.address, "[::]", "127.0.0.1", 1); !answers(t, host) {
				t.Error("the new one ends with the former")
			}
			two.release()
			if answers(t, "127.0.0.1:"+port) || answers(t, "127.0.0.2:"+port) || len(c.open) != 0 {
				t.Error("it does not end")
			}
		})
	}
}

// What cannot be had leaves the former where it was.
func TestChallengesThatCannotMoveStay(t *testing.T) {
	port := freePort(t)
	foreign, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	c := &Challenges{}
	held, err := c.answer(t.Context(), &ACME{cfg: ACMEConfig{Challenge: HTTP01, Address: "127.0.0.1:" + port}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.answer(t.Context(), &ACME{cfg: ACMEConfig{Challenge: HTTP01, Address: ":" + port}}); !errors.Is(err, ErrAddressInUse) {
		t.Errorf("got %v", err)
	}
	if _, err := c.answer(t.Context(), &ACME{cfg: ACMEConfig{Challenge: TLSALPN01, Address: ":" + port}}); err == nil || !strings.Contains(err.Error(), "http-01 is answered until now: a restart is needed") {
		t.Errorf("got %v", err)
	}
	if !answers(t, "127.0.0.1:"+port) {
		t.Error("nobody answers any more")
	}
	held.release()
	if answers(t, "127.0.0.1:"+port) || len(c.open) != 0 {
		t.Error("it does not end")
	}
}
