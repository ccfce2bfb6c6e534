package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// What a client may do with its data connection.
const (
	dataWell      = iota
	dataBreaks    // after some bytes
	dataEndsEarly // at once
	dataStalls    // after some bytes
	dataNever     // it is never opened
	dataLate      // it is opened when the 1yz has come
	dataKinds
)

// transfer opens a data connection and carries a file in the background.
func (c *fuzzClient) transfer(s *script) {
	verb := []string{"RETR", "STOR", "LIST", "APPE"}[s.pick(4)]
	opening := []string{"EPSV", "PASV", "EPRT"}[s.pick(3)]
	kind, size := s.pick(dataKinds), fuzzSizes()[s.pick(len(fuzzSizes()))]
	habits := s.pick(8)
	if habits&1 != 0 {
		c.say("REST")
	}
	o := c.ask(opening)
	pipelined := habits&6 == 6
	if !pipelined {
		c.hearPort(o)
	}
	number, file := c.move(verb)
	if pipelined {
		c.hearPort(o)
	}
	if kind == dataLate {
		c.await(func() bool { return c.begun(number) })
	}
	if kind == dataNever {
		return
	}
	// Now or never: later, the port may be that of the next transfer.
	if accept := o.open(); accept != nil {
		c.work.Go(func() {
			if conn := accept(); conn != nil {
				c.carry(conn, file, contents(number, size), kind)
			}
		})
	}
}

// move says a transfer command.
func (c *fuzzClient) move(verb string) (int, *carried) {
	number, file := c.sayPath(verb, c.target), &carried{upload: verb == "STOR" || verb == "APPE"}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[number] = file
	return number, file
}

// begun tells whether the command has had its 1yz, or anything else that names
// it.
func (c *fuzzClient) begun(number int) bool {
	for _, r := range c.heard {
		if numberOf(r.Text()) == number {
			return true
		}
	}
	return false
}

// A fuzzOpening is a data connection that was asked for: the client dials, or
// waits to be dialled.
type fuzzOpening struct {
	number int // of the command that asked
	to     netip.AddrPort
	ln     *net.TCPListener
}

// ask says PASV, EPSV or EPRT.
func (c *fuzzClient) ask(verb string) *fuzzOpening {
	if verb != "EPRT" {
		return &fuzzOpening{number: c.sayLine(verb)}
	}
	ln, err := listenTCP(loopback, 0)
	if err != nil {
		return &fuzzOpening{}
	}
	c.keep(ln)
	_ = ln.SetDeadline(time.Now().Add(150 * time.Millisecond))
	return &fuzzOpening{ln: ln, number: c.sayLine(fmt.Sprintf("EPRT |1|127.0.0.1|%d|", unmapped(ln.Addr()).Port()))}
}

// hearPort waits for the reply to ask. A client that has missed one cannot know
// whose the next is, and dials no more.
func (c *fuzzClient) hearPort(o *fuzzOpening) {
	if o.ln != nil || c.lost {
		return
	}
	heard := c.await(func() bool {
		for ; c.ports < len(c.heard) && !o.to.IsValid(); c.ports++ {
			switch r := c.heard[c.ports]; r.Code {
			case 229:
				port, _ := ftpparse.Parse229(r)
				o.to = netip.AddrPortFrom(loopback, port)
			case 227:
				o.to, _ = ftpparse.Parse227(r)
			}
		}
		return o.to.IsValid() || c.finals() > o.number+1 // refused: all are answered, the greeting is one more
	})
	c.lost = !heard
}

// finals counts what is no 1yz.
func (c *fuzzClient) finals() (n int) {
	for _, r := range c.heard {
		if r.Class() != ftpparse.Preliminary {
			n++
		}
	}
	return n
}

// open opens and returns what waits for it; nil: there is nothing to open.
func (o *fuzzOpening) open() func() *net.TCPConn {
	switch {
	case o.ln != nil:
		return func() *net.TCPConn {
			defer o.ln.Close()
			conn, err := o.ln.AcceptTCP()
			if err != nil {
				return nil
			}
			return conn
		}
	case o.to.IsValid():
		if conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(o.to)); err == nil {
			return func() *net.TCPConn { return conn }
		}
	}
	return nil
}

func (c *fuzzClient) keep(conn io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
}

// finConn remembers the peer's FIN, which crypto/tls does not tell from
// close_notify.
type finConn struct {
	*net.TCPConn
	ended atomic.Bool
}

func (c *finConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// carry sends or receives a file, well or not, and closes conn.
func (c *fuzzClient) carry(tcp *net.TCPConn, file *carried, data []byte, kind int) {
	defer tcp.Close()
	c.keep(tcp)
	_ = tcp.SetDeadline(time.Now().Add(longest))
	end := &finConn{TCPConn: tcp}
	var conn net.Conn = end
	if c.ways.has(wayPrivate) {
		conn = tls.Client(end, c.tls)
	}
	switch kind {
	case dataEndsEarly:
		data = nil
	case dataBreaks, dataStalls:
		c.breaks(conn, file, data[:len(data)/2])
		if kind == dataStalls {
			select {
			case <-c.over:
			case <-c.left:
			}
		}
		reset(tcp)
		return
	}
	if file.upload {
		_, err := conn.Write(data)
		c.record(file, data, err == nil)
	}
	if file.upload || kind == dataEndsEarly {
		closeWrite(conn, tcp)
	}
	got, err := io.ReadAll(conn)
	if !file.upload {
		private := c.ways.has(wayPrivate)
		c.record(file, got, err == nil && kind != dataEndsEarly && (!private || !end.ended.Load()))
	}
}

// breaks carries part of a file.
func (c *fuzzClient) breaks(conn net.Conn, file *carried, part []byte) {
	if !file.upload {
		_, _ = io.ReadFull(conn, make([]byte, 10))
		return
	}
	_, _ = conn.Write(part)
	c.record(file, part, false)
}

func closeWrite(conn net.Conn, tcp *net.TCPConn) {
	if t, ok := conn.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	_ = tcp.CloseWrite()
}

func (c *fuzzClient) record(file *carried, data []byte, clean bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	file.data, file.clean = data, clean
}
