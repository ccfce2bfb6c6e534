package faults

import (
	"crypto/tls"
	"testing"
	"time"
)

// An upstream that changes its mind after its 150 is believed at once, also when
// the client has not opened its data connection, or not begun its handshake.
func TestRefusalAfterThePreliminaryReplyIsNotHeldBack(t *testing.T) {
	patient := func(s *settings) { s.limits.DataTimeout = time.Hour }
	for _, private := range []bool{false, true} {
		for _, verb := range []string{"RETR", "STOR"} {
			for _, dials := range []bool{false, true} {
				name := verb + map[bool]string{false: ", clear upstream", true: ", private upstream"}[private] +
					map[bool]string{false: ", client stays away", true: ", client is silent"}[dials]
				t.Run(name, func(t *testing.T) {
					change := []func(*settings){patient}
					if private {
						change = append(change, explicitly(t, tls.VersionTLS13))
					}
					r := newRig(t, change...)
					r.upstream.on(verb, func(v *visit, _ string) {
						v.reply("150 here it comes")
						if conn, err := v.open(); err == nil {
							_ = conn.Close()
						}
						v.reply("451 or not")
					})
					c := r.session()
					port := c.epsv()
					if dials {
						conn, err := dialFrom("", port)
						if err != nil {
							t.Fatal(err)
						}
						r.keep(conn)
					}
					c.say(verb + " a")
					c.hear(150)
					c.hear(451)
					r.upstream.behave()
					r.recoversAfter(c)
				})
			}
		}
	}
}
