package faults

import (
	"net"
	"testing"
)

// A client that offers Multipath TCP gets plain TCP, on control and on data: over
// several paths the kernel's counters of one would take a running file for a stalled
// one, and its end for delivered.
func TestNoMultipathTCP(t *testing.T) {
	if !offersMultipath(t, multipathListener(t)) {
		t.Skip("no Multipath TCP on this machine")
	}
	r := newRig(t)
	c := r.session()
	for what, address := range map[string]string{"control": r.addr.String(), "data": c.epsv().String()} {
		if offersMultipath(t, address) {
			t.Errorf("the %s connection is Multipath TCP", what)
		}
	}
}

// multipathListener listens as Go does when nobody says otherwise.
func multipathListener(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// offersMultipath dials with Multipath TCP and tells whether the other side took it.
func offersMultipath(t *testing.T, address string) bool {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	d.SetMultipathTCP(true)
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	is, err := conn.(*net.TCPConn).MultipathTCP()
	if err != nil {
		t.Fatal(err)
	}
	return is
}
