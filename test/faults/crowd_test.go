package faults

import "testing"

// A place is where a session may stand when something happens to it.
type place struct {
	name  string
	reach func(*client) // from an open control connection
}

func places() []place {
	return []place{
		{"just connected", func(*client) {}},
		{"greeted", func(c *client) { c.hear(220) }},
		{"after AUTH", func(c *client) { c.hear(220); c.do(234, "AUTH TLS") }},
		{"inside the handshake", func(c *client) {
			c.hear(220)
			c.do(234, "AUTH TLS")
			_, _ = c.tcp.Write([]byte{22, 3, 1, 2, 0, 1, 0})
		}},
		{"inside TLS", func(c *client) { c.hear(220); c.secure() }},
		{"between USER and PASS", func(c *client) { c.hear(220); c.secure(); c.do(331, "USER anna") }},
		{"logged in", (*client).arrive},
		{"inside a command line", func(c *client) {
			c.arrive()
			_, _ = c.conn.Write([]byte("STOR a.t"))
		}},
		{"after EPSV", func(c *client) { c.arrive(); c.epsv() }},
		{"with a data connection that waits", func(c *client) { c.arrive(); c.open(c.epsv()) }},
		{"after EPRT", func(c *client) { c.arrive(); c.prepare(true) }},
		{"before the data connection", func(c *client) { c.arrive(); c.epsv(); c.do(150, "RETR 5000") }},
		{"inside the handshake on data", func(c *client) {
			c.arrive()
			c.transfer("RETR 5000").sendRaw([]byte{22, 3, 1, 2, 0, 1, 0})
		}},
		{"in an upload", func(c *client) { c.arrive(); c.transfer("STOR a").send(bulk(1000)) }},
		{"in a download", func(c *client) { c.arrive(); c.transfer("RETR 30000000").handshake() }},
		{"in an active upload", func(c *client) { c.arrive(); c.prepare(true).transfer("STOR a").send(bulk(1000)) }},
	}
}

// arrive logs in with private data.
func (c *client) arrive() {
	c.t.Helper()
	c.hear(220)
	c.secure()
	c.protect()
	c.login()
}

// 200 clients come at once, stand everywhere in their sessions, and vanish.
func TestManySessionsVanish(t *testing.T) {
	for name, vanish := range map[string]func(*rig){
		"FIN": (*rig).closeClients,
		"RST": (*rig).resetClients,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.ports = 120 })
			var clients []*client
			for range 200 {
				clients = append(clients, r.connect())
			}
			where := places()
			for i, c := range clients {
				where[i%len(where)].reach(c)
			}
			vanish(r)
			r.recoversWith(3)
		})
	}
}

// One after the other, so that each place is seen alone.
func TestSessionVanishes(t *testing.T) {
	for _, p := range places() {
		for name, vanish := range map[string]func(*rig){
			"FIN": (*rig).closeClients,
			"RST": (*rig).resetClients,
		} {
			t.Run(p.name+" "+name, func(t *testing.T) {
				r := newRig(t)
				p.reach(r.connect())
				vanish(r)
				r.recovers()
			})
		}
	}
}

// Clients that come and go faster than they are served.
func TestConnectionsThatCloseAtOnce(t *testing.T) {
	r := newRig(t)
	for i := range 300 {
		conn, err := dialFrom("", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			reset(conn)
		} else if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.recovers()
}
