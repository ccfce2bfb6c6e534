package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A fuzzClient says what its script tells it, and remembers what it said and
// heard. It reads replies all the time, and carries files beside that.
type fuzzClient struct {
	ways  way
	tcp   *net.TCPConn
	conn  net.Conn // tcp, or TLS over it
	tls   *tls.Config
	drain func()
	work  sync.WaitGroup
	ports int  // so many of heard were looked at for ports
	lost  bool // it cannot know whose a port is
	policed
	signals
	memory
}

// signals are what its goroutines wait for.
type signals struct {
	over chan struct{} // closed when the control connection has ended
	news chan struct{} // a reply has come
	left chan struct{} // closed when the client gives everything up
}

type memory struct {
	mu    sync.Mutex
	said  []string // lines without their ends
	heard []ftpparse.Reply
	files map[int]*carried
	conns []io.Closer
}

func newFuzzClient(g *ground, in setup, tcp *net.TCPConn, drain chan struct{}) *fuzzClient {
	w := in.ways
	c := &fuzzClient{
		policed: policed{reign: in.reign, target: "%s"},
		ways:    w, tcp: tcp, conn: tcp,
		drain:   sync.OnceFunc(func() { close(drain) }),
		tls:     &tls.Config{RootCAs: g.roots, ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(1)},
		signals: signals{over: make(chan struct{}), news: make(chan struct{}, 1), left: make(chan struct{})},
		memory:  memory{files: map[int]*carried{}},
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
	defer c.tcp.Close()
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
func (c *fuzzClient) say(verb string) int { return c.sayPath(verb, "%s") }

// sayPath sends a command with a path, in which %s is the number.
func (c *fuzzClient) sayPath(verb, path string) int {
	c.mu.Lock()
	number := len(c.said)
	c.mu.Unlock()
	return c.sayLine(verb + " " + fmt.Sprintf(path, fmt.Sprintf("#%d", number)))
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
	if c.reign != nil && s.pick(2) == 1 {
		c.actPoliced(s)
		return
	}
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
		switch s.pick(4) {
		case 3:
			c.drain()
		case 2:
			c.burst(s)
		default:
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
