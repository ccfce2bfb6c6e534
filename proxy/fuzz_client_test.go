package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A fuzzClient says what its script tells it, and remembers what it said and
// heard. It reads replies all the time, and carries files beside that.
type fuzzClient struct {
	ground *ground
	ways   way
	tcp    *net.TCPConn
	conn   net.Conn // tcp, or TLS over it
	tls    *tls.Config
	drain  func()
	work   sync.WaitGroup
	over   chan struct{} // closed when the control connection has ended
	news   chan struct{} // a reply has come
	left   chan struct{} // closed when the client gives everything up

	mu    sync.Mutex
	said  []string // lines without their ends
	heard []ftpparse.Reply
	files map[int]*carried
	conns []io.Closer
	ports int  // so many of heard were looked at for ports
	lost  bool // it cannot know whose a port is
}

func newFuzzClient(g *ground, w way, tcp *net.TCPConn, drain chan struct{}) *fuzzClient {
	c := &fuzzClient{
		ground: g, ways: w, tcp: tcp, conn: tcp, files: map[int]*carried{},
		drain: sync.OnceFunc(func() { close(drain) }),
		over:  make(chan struct{}), news: make(chan struct{}, 1), left: make(chan struct{}),
		tls: &tls.Config{RootCAs: g.roots, ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(1)},
	}
	if w.has(wayPrivate) {
		c.conn = tls.Client(tcp, c.tls)
	}
	return c
}

// play follows the script, ends the session in its way, and returns when the
// control connection has ended.
func (c *fuzzClient) play(s *script) {
	c.work.Go(c.listen)
	c.await(func() bool { return len(c.heard) > 0 })
	if s.pick(8) != 7 {
		c.say("USER")
		c.say("PASS")
	}
	const most = 40
	for range most {
		if len(s.bytes) == 0 || c.isOver() {
			break
		}
		c.act(s)
	}
	switch {
	case c.ways.has(wayReset):
		reset(c.tcp)
	case c.ways.has(wayHangUp):
		_ = c.tcp.Close()
	case c.ways.has(waySilent):
	default:
		c.say("QUIT")
	}
	<-c.over
}

// stop gives up what still runs and waits for it.
func (c *fuzzClient) stop() {
	close(c.left)
	c.mu.Lock()
	for _, conn := range c.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	c.mu.Unlock()
	_ = c.tcp.Close()
	c.work.Wait()
}

// listen reads replies to the end.
func (c *fuzzClient) listen() {
	defer close(c.over)
	defer c.tcp.Close() //nolint:errcheck // it has ended
	reader := ftpparse.NewReplyReader(c.conn, 65536, 1<<20)
	for {
		r, err := reader.Read()
		if err != nil {
			return
		}
		c.mu.Lock()
		c.heard = append(c.heard, r)
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
	}
}

func (c *fuzzClient) isOver() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// await waits for something heard, not for ever: it may never come.
func (c *fuzzClient) await(condition func() bool) bool {
	giveUp := time.NewTimer(400 * time.Millisecond)
	defer giveUp.Stop()
	for {
		c.mu.Lock()
		ok := condition()
		c.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-c.news:
		case <-c.over:
			return false
		case <-giveUp.C:
			return false
		}
	}
}

// say sends a command with its number, which it returns.
func (c *fuzzClient) say(verb string) int {
	c.mu.Lock()
	number := len(c.said)
	c.mu.Unlock()
	return c.sayLine(fmt.Sprintf("%s #%d", verb, number))
}

func (c *fuzzClient) sayLine(line string) int {
	c.mu.Lock()
	number := len(c.said)
	c.said = append(c.said, line)
	c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(longest))
	_, _ = io.WriteString(c.conn, line+"\r\n") // it may have ended
	return number
}

// tagged are commands that the proxy relays as they are, and some of its own.
func tagged() []string {
	return []string{
		"NOOP", "STAT", "CWD", "DELE", "TYPE", "REST", "RNFR", "RNTO", "OPTS", "SITE", "SYST", "HELP",
		"USER", "PASS", "ACCT", "MODE", "ALLO", "SIZE", "CLNT", "LANG",
	}
}

// plain are commands without a number, which the proxy answers or translates.
func plain() []string {
	return []string{
		"ABOR", "FEAT", "PASV", "EPSV", "EPSV ALL", "EPSV 2", "PORT 192,0,2,1,9,9", "XYZZY", "PBSZ 0", "PROT C", "PROT P",
		"AUTH TLS", "CCC", "HOST 127.0.0.1", "REIN", "QUIT", "RETR", "STOR", "EPRT |3|x|1|", "LPSV", "MIC x", "A\rB", "", "\x00",
	}
}

// act does one thing.
func (c *fuzzClient) act(s *script) {
	switch s.pick(16) {
	case 0, 1, 2, 3:
		c.say(tagged()[s.pick(len(tagged()))])
	case 4, 5:
		c.plain(plain()[s.pick(len(plain()))])
	case 6, 7, 8, 9, 10, 11:
		c.transfer(s)
	case 12:
		c.sayLine("ABOR")
	case 13:
		c.await(func() bool { return len(c.heard) > len(c.said) }) // as long as it takes to answer all
	case 14:
		c.sayLine(s.take(12))
	case 15:
		if s.pick(4) == 3 {
			c.drain()
		} else {
			c.plain("EPSV")
		}
	}
}

// plain says a line as it is.
func (c *fuzzClient) plain(line string) {
	switch line {
	case "PASV", "EPSV":
		c.hearPort(c.ask(line))
	case "RETR", "STOR":
		c.move(line) // with what was prepared, if anything
	default:
		c.sayLine(line)
	}
}

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
	number, file := c.say(verb), &carried{upload: verb == "STOR" || verb == "APPE"}
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
			defer o.ln.Close() //nolint:errcheck // it has served
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
	defer tcp.Close() //nolint:errcheck // what matters has been said before
	c.keep(tcp)
	_ = tcp.SetDeadline(time.Now().Add(longest))
	end := &finConn{TCPConn: tcp}
	var conn net.Conn = end
	if c.ways.has(wayPrivate) {
		conn = tls.Client(end, c.tls)
	}
	switch {
	case kind == dataEndsEarly:
		data = nil
	case kind == dataBreaks, kind == dataStalls:
		data = data[:len(data)/2]
	}
	got := []byte{}
	if file.upload {
		_, err := conn.Write(data)
		c.record(file, data, err == nil && kind != dataBreaks && kind != dataStalls)
	} else if kind == dataBreaks || kind == dataStalls {
		_, _ = io.ReadFull(conn, make([]byte, 10))
	}
	switch kind {
	case dataBreaks:
		reset(tcp)
		return
	case dataStalls:
		select {
		case <-c.over:
		case <-c.left:
		}
		reset(tcp)
		return
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

// numberOf finds the number of a command in a reply or an argument; -1: none.
func numberOf(text string) int {
	_, digits, found := strings.Cut(text, "#")
	if !found {
		return -1
	}
	n := -1
	if _, err := fmt.Sscanf(digits, "%d", &n); err != nil {
		return -1
	}
	return n
}
