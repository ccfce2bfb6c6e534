package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A fuzzUpstream answers as its script tells it. Its replies name the number of
// the command that they answer, where it has one.
type fuzzUpstream struct {
	ln     *net.TCPListener
	ways   way
	tls    *tls.Config
	work   sync.WaitGroup
	mu     sync.Mutex
	script *script
	files  map[int]*carried
	conns  []io.Closer
	heard  []string
	faults []fault // against a policy
	// together is what it was sent at once in the middle of a transfer.
	together string
	reign    *reign
}

func startFuzzUpstream(t *testing.T, g *ground, in setup, s *script) *fuzzUpstream {
	t.Helper()
	ln, err := listenTCP(loopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	u := &fuzzUpstream{ln: ln, ways: in.ways, reign: in.reign, tls: g.upstream, script: s, files: map[int]*carried{}}
	u.work.Go(u.accept)
	return u
}

func (u *fuzzUpstream) accept() {
	for {
		conn, err := u.ln.AcceptTCP()
		if err != nil {
			return
		}
		v := &fuzzVisit{upstream: u, control: conn, conn: conn, reader: bufio.NewReader(conn)}
		u.keep(conn)
		u.work.Go(v.run)
	}
}

func (u *fuzzUpstream) stop() {
	_ = u.ln.Close()
	u.mu.Lock()
	for _, conn := range u.conns {
		_ = conn.Close()
	}
	u.mu.Unlock()
	u.work.Wait()
}

func (u *fuzzUpstream) keep(conn io.Closer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.conns = append(u.conns, conn)
}

func (u *fuzzUpstream) pick(n int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.script.pick(n)
}

func (u *fuzzUpstream) note(line string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.heard = append(u.heard, line)
}

func (u *fuzzUpstream) record(number int, f carried) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.files[number] = &f
}

// A fuzzVisit is one control connection. Commands are read and answered one
// after the other, transfers run beside that.
type fuzzVisit struct {
	upstream *fuzzUpstream
	control  *net.TCPConn
	conn     net.Conn // control, or TLS over it
	reader   *bufio.Reader
	moving   sync.WaitGroup
	stand    *stand // nil: there is no policy
	quirks   quirks
	last     string // a final reply that it still owes

	mu        sync.Mutex
	out       bytes.Buffer // replies held back
	passive   *net.TCPListener
	target    netip.AddrPort
	data      *net.TCPConn // of the running transfer
	running   bool
	aborted   bool
	afterABOR string // the transfer's final reply when it was aborted
	silent    bool   // ABOR gets none of its own
}

func (v *fuzzVisit) run() {
	defer v.control.Close()
	defer v.moving.Wait()
	defer v.drop()
	v.greet()
	if v.upstream.reign != nil {
		v.stand = &stand{directory: "/", sequenced: v.upstream.pick(4) == 3}
	}
	for {
		line, err := v.read()
		if err != nil {
			return
		}
		v.hear(line)
		verb, argument, _ := strings.Cut(line, " ")
		if v.upstream.ways.has(wayHostile) && v.misbehave() {
			continue
		}
		v.tellLast(verb, argument)
		v.answer(verb, argument)
		if verb == "QUIT" {
			return
		}
	}
}

// read reads a command. What is held back goes out if none comes at once.
func (v *fuzzVisit) read() (string, error) {
	_ = v.control.SetReadDeadline(time.Now().Add(3 * time.Millisecond))
	if _, err := v.reader.Peek(1); err != nil {
		v.flush()
	}
	_ = v.control.SetReadDeadline(time.Now().Add(longest))
	line, err := v.reader.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// misbehave does what no server may, and tells whether that was all.
func (v *fuzzVisit) misbehave() bool {
	switch v.upstream.pick(24) {
	case 23:
		v.reply("200 nobody asked")
	case 22:
		v.reply("226 nobody asked")
	case 21:
		v.reply("150 nobody asked")
	case 20:
		v.reply("550 nobody asked")
	case 19:
		return true // no reply at all
	case 18:
		v.reply("421 enough")
	case 17:
		v.reply("this is no reply")
	case 16:
		_ = v.control.Close()
	case 15:
		reset(v.control)
	case 14:
		v.reply("150 one\r\n150 two\r\n150 three")
	case 13:
		v.reply("334 ADAT=\r\n631 x")
	}
	return false
}

func (v *fuzzVisit) reply(text string) { v.write(text, false) }

// write sends a reply and all that were held back before it, or holds it back.
func (v *fuzzVisit) write(text string, hold bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out.WriteString(text + "\r\n")
	if !hold {
		_, _ = v.out.WriteTo(v.conn) // it may have ended
	}
}

func (v *fuzzVisit) flush() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, _ = v.out.WriteTo(v.conn)
}

func (v *fuzzVisit) answer(verb, argument string) {
	number := numberOf(argument)
	tag := ""
	if number >= 0 {
		tag = fmt.Sprintf(" #%d", number)
	}
	if v.stand != nil && v.answerPoliced(verb, argument, tag) || v.answerOwn(verb, argument) {
		return
	}
	switch verb {
	case "AUTH":
		v.reply("234 go on")
		conn := tls.Server(v.control, v.upstream.tls)
		_ = conn.Handshake() // if it fails, so will what follows
		v.mu.Lock()
		v.conn, v.reader = conn, bufio.NewReader(conn)
		v.mu.Unlock()
	case "USER":
		v.moving.Wait() // its codes may be the transfer's
		v.reply([]string{"331", "230", "530", "332"}[max(0, v.upstream.pick(8)-4)] + tag)
	case "PASS", "ACCT":
		v.moving.Wait()
		v.reply([]string{"230", "202", "530", "332"}[max(0, v.upstream.pick(8)-4)] + tag)
	case "PASV", "EPSV":
		v.listen(verb)
	case "PORT", "EPRT":
		v.aim(verb, argument)
	case "RETR", "LIST":
		v.send(number, tag)
	case "STOR", "APPE":
		v.store(number, tag)
	case "ABOR":
		v.abort()
	case "QUIT":
		v.moving.Wait()
		v.reply("221 bye")
	default:
		v.other(tag)
	}
}

// other answers what moves no file. During a transfer its codes are those that
// cannot be the transfer's.
func (v *fuzzVisit) other(tag string) {
	kind := v.upstream.pick(12)
	during := v.isRunning()
	switch {
	case kind == 1:
		v.moving.Wait() // read only after the transfer
		v.reply("200" + tag)
	case kind == 2:
		v.write("200"+tag, true)
	case kind == 3:
		v.reply("211-" + tag + "\r\n 226 not the end\r\n211-\r\n211 end" + tag)
	case kind == 4:
		v.reply("502" + tag)
	case kind == 5 && !during:
		v.reply("550" + tag)
	case kind == 6 && !during:
		v.reply("250" + tag)
	case kind == 7 && !during:
		v.reply("120" + tag)
		v.reply("213" + tag)
	default:
		v.reply("200" + tag)
	}
}

func (v *fuzzVisit) isRunning() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.running
}

func (v *fuzzVisit) listen(verb string) {
	v.drop()
	ln, err := listenTCP(loopback, 0)
	if err != nil {
		v.reply("425 no port")
		return
	}
	port := unmapped(ln.Addr()).Port()
	switch v.upstream.pick(12) {
	case 11:
		_ = ln.Close()
		v.reply("425 no port")
		return
	case 10:
		_ = ln.Close() // and says that it listens
	case 9:
		_ = ln.Close()
		v.reply("227 somewhere")
		return
	case 8:
		if verb == "EPSV" {
			_ = ln.Close()
			v.reply("500 what?")
			return
		}
	}
	v.mu.Lock()
	v.passive = ln
	v.mu.Unlock()
	if verb == "EPSV" {
		v.reply(string(bytes.TrimSpace(ftpparse.Format229(port).AppendTo(nil))))
		return
	}
	v.reply(string(bytes.TrimSpace(ftpparse.Format227(netip.AddrPortFrom(loopback, port)).AppendTo(nil))))
}

func (v *fuzzVisit) aim(verb, argument string) {
	parse := ftpparse.ParsePORT
	if verb == "EPRT" {
		parse = ftpparse.ParseEPRT
	}
	target, err := parse(argument)
	if kind := v.upstream.pick(12); err != nil || kind == 11 {
		v.reply("500 what?")
		return
	}
	v.drop()
	v.mu.Lock()
	v.target = target
	v.mu.Unlock()
	v.reply("200 will dial")
}

// drop closes what waits for a data connection.
func (v *fuzzVisit) drop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.passive != nil {
		_ = v.passive.Close()
	}
	v.passive, v.target = nil, netip.AddrPort{}
}

// A fuzzData is a data connection, under TLS if that is the upstream's way.
type fuzzData struct {
	net.Conn
	tcp *net.TCPConn
	end *finConn
}

// whole tells whether the end that was read is one.
func (d *fuzzData) whole() bool { return d.Conn == net.Conn(d.end) || !d.end.ended.Load() }

// open opens the data connection; nil: it cannot be opened.
func (v *fuzzVisit) open() *fuzzData {
	v.mu.Lock()
	ln, target := v.passive, v.target
	v.passive, v.target = nil, netip.AddrPort{}
	v.mu.Unlock()
	var tcp *net.TCPConn
	switch {
	case ln != nil:
		_ = ln.SetDeadline(time.Now().Add(150 * time.Millisecond))
		tcp, _ = ln.AcceptTCP()
		_ = ln.Close()
	case target.IsValid():
		tcp, _ = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(target))
	}
	if tcp == nil {
		return nil
	}
	v.upstream.keep(tcp)
	_ = tcp.SetDeadline(time.Now().Add(longest))
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.data = tcp; v.aborted {
		reset(tcp)
	}
	d := &fuzzData{tcp: tcp, end: &finConn{TCPConn: tcp}}
	if d.Conn = d.end; v.upstream.ways.has(wayOrigin) {
		d.Conn = tls.Server(d.end, v.upstream.tls)
	}
	return d
}

// stacks are those of all goroutines.
func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}
