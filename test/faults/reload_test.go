package faults

import (
	"crypto/tls"
	"testing"
)

// shown is the certificate of the latest handshake, by its serial number.
func (c *client) shown() string {
	c.t.Helper()
	conn, ok := c.conn.(*tls.Conn)
	if !ok {
		c.t.Fatal("the control connection is in clear text")
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// reload puts a configuration with another certificate into force, and returns the
// serial number of that.
func (r *rig) reload() string {
	r.t.Helper()
	if err := r.server.Reload(r.config()); err != nil {
		r.t.Fatal(err)
	}
	c := r.session()
	defer c.close()
	return c.shown()
}

// A session that has been shown no certificate is shown the newest one: nobody
// renews those of a configuration that is no longer in force. One that was shown a
// certificate keeps it, on its data connections too (RFC 4217 §15.1.1).
func TestReloadedCertificatesReachOpenSessions(t *testing.T) {
	r := newRig(t, func(s *settings) { s.ports = 4 })
	early, late := r.session(), r.dial()
	before := early.shown()
	after := r.reload()
	if after == before {
		t.Fatal("the certificate is the same")
	}
	late.secure()
	if got := late.shown(); got != after {
		t.Error("AUTH shows the certificate of the former configuration")
	}
	late.protect()
	late.login()

	early.config = early.config.Clone()
	early.config.ClientSessionCache = nil // a full handshake, which shows it
	var seen string
	early.config.VerifyConnection = func(cs tls.ConnectionState) error {
		seen = cs.PeerCertificates[0].SerialNumber.String()
		return nil
	}
	early.downloads(1000)
	if seen != before {
		t.Error("a data connection shows another certificate than the control connection did")
	}
	late.close()
	r.recoversAfter(early)
}
