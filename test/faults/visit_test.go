package faults

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A visit is one control connection at the upstream. Its transfers run beside
// the reading of commands, so that NOOP and ABOR are answered at once.
type visit struct {
	upstream  *upstream
	control   *net.TCPConn
	conn      net.Conn // control, or TLS over it
	reader    *bufio.Reader
	transfers sync.WaitGroup

	mu      sync.Mutex
	passive *net.TCPListener
	target  netip.AddrPort // where PORT says
	data    *net.TCPConn
	private bool // PROT P was said
}

func newVisit(u *upstream, conn *net.TCPConn) *visit {
	return &visit{upstream: u, control: conn, conn: conn, reader: bufio.NewReader(conn)}
}

func (v *visit) run() {
	defer v.transfers.Wait()
	defer v.drop()
	if v.upstream.implicit && !v.startTLS() {
		return
	}
	greeting := v.upstream.greeting()
	v.write(greeting)
	for greeting != "" { // else it hangs up at once
		line, err := v.reader.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		v.upstream.note(line)
		verb, argument, _ := strings.Cut(line, " ")
		if h := v.upstream.hook(verb); h != nil {
			h(v, argument)
			continue
		}
		v.answer(verb, argument)
	}
}

// answer is what a well-behaved server does.
func (v *visit) answer(verb, argument string) {
	switch verb {
	case "AUTH":
		v.auth()
	case "PROT":
		v.protect(argument)
	case "USER":
		v.reply("331 password")
	case "PASS":
		v.reply("230 logged in")
	case "PASV", "EPSV":
		v.listen(verb)
	case "PORT":
		v.reply(v.aim(parsePORT(argument)))
	case "EPRT":
		v.reply(v.aim(parseEPRT(argument)))
	case "RETR", "LIST", "MLSD", "NLST":
		v.retrieve(argument)
	case "STOR", "APPE", "STOU":
		v.store(argument)
	case "REST":
		v.reply("350 restarting")
	case "ABOR":
		v.abort()
	case "QUIT":
		v.transfers.Wait()
		v.reply("221 bye")
	default:
		v.reply("200 " + verb + " ok")
	}
}

// await waits for what a test announces by closing a channel.
func (v *visit) await(announced <-chan struct{}) {
	select {
	case <-announced:
	case <-v.upstream.ended:
	}
}

// write may fail: then the proxy has gone, and reading ends the visit.
func (v *visit) write(wire string) {
	if gate := v.upstream.gate.Load(); gate != nil {
		v.await(*gate)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.upstream.piecemeal.Load() {
		_, _ = io.WriteString(v.conn, wire)
		return
	}
	for i := range len(wire) {
		_, _ = io.WriteString(v.conn, wire[i:i+1])
	}
}

func (v *visit) reply(text string) { v.write(text + "\r\n") }

// listen answers PASV and EPSV with a port on which data is awaited.
func (v *visit) listen(verb string) {
	local := v.control.LocalAddr().(*net.TCPAddr)
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: local.IP})
	if err != nil {
		v.reply("425 no port")
		return
	}
	v.mu.Lock()
	v.close()
	v.passive, v.target = ln, netip.AddrPort{}
	v.mu.Unlock()
	v.announce(verb, ln.Addr().(*net.TCPAddr).Port)
}

// announce names a port, open or not.
func (v *visit) announce(verb string, port int) {
	if verb == "EPSV" {
		v.reply(fmt.Sprintf("229 Entering Extended Passive Mode (|||%d|)", port))
		return
	}
	// The address is not this host's: nobody may believe it.
	v.reply(fmt.Sprintf("227 Entering Passive Mode (192,0,2,99,%d,%d)", port>>8, port&255))
}

func (v *visit) aim(target netip.AddrPort, err error) string {
	if err != nil {
		return "501 " + err.Error()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.close()
	v.target = target
	return "200 will dial"
}

// close is called with mu held, and closes the listener for data.
func (v *visit) close() {
	if v.passive != nil {
		_ = v.passive.Close()
		v.passive = nil
	}
}

// open opens the data connection, which drop and reset can break from then on.
func (v *visit) open() (*net.TCPConn, error) {
	v.mu.Lock()
	ln, target := v.passive, v.target
	v.mu.Unlock()
	conn, err := v.acceptOrDial(ln, target)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.close()
	v.data = conn
	return conn, nil
}

func (v *visit) acceptOrDial(ln *net.TCPListener, target netip.AddrPort) (*net.TCPConn, error) {
	switch {
	case ln != nil:
		_ = ln.SetDeadline(time.Now().Add(patience))
		return ln.AcceptTCP()
	case target.IsValid():
		conn, err := net.DialTimeout("tcp", target.String(), patience)
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	default:
		return nil, errors.New("neither PASV nor PORT")
	}
}

// transfer says 150, carries in the background, and says how it went.
func (v *visit) transfer(carry func(dataConn) error) {
	v.reply("150 here it comes")
	v.transfers.Go(func() {
		tcp, err := v.open()
		if err != nil {
			v.reply("425 " + err.Error())
			return
		}
		conn := v.secured(tcp)
		err = carry(conn)
		_ = conn.Close()
		if err != nil {
			v.reply("426 broken")
			return
		}
		v.reply("226 done")
	})
}

func (v *visit) retrieve(argument string) {
	n, _ := strconv.Atoi(argument) // a listing: nothing
	v.transfer(func(conn dataConn) error {
		if _, err := conn.Write(bulk(n)); err != nil {
			return err
		}
		return conn.CloseWrite()
	})
}

func (v *visit) store(name string) {
	v.transfer(func(conn dataConn) error { return v.receive(name, conn) })
}

// receive takes an upload in.
func (v *visit) receive(name string, conn dataConn) error {
	data, err := io.ReadAll(conn)
	if p, ok := conn.(*privateData); ok && err == nil && p.wire.fin.Load() {
		err = errNoCloseNotify
	}
	v.upstream.uploads <- upload{name, data, err}
	return err
}

func (v *visit) abort() {
	v.mu.Lock()
	data := v.data
	v.data = nil
	v.close()
	v.mu.Unlock()
	if data == nil {
		v.reply("225 nothing to abort")
		return
	}
	reset(data)
	v.transfers.Wait()
	v.reply("226 aborted")
}

// drop closes everything, as a process that ends would.
func (v *visit) drop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.control.Close()
	if v.data != nil {
		_ = v.data.Close()
	}
	v.close()
}

func parsePORT(argument string) (netip.AddrPort, error) {
	var a [4]byte
	var p [2]uint16
	_, err := fmt.Sscanf(argument, "%d,%d,%d,%d,%d,%d", &a[0], &a[1], &a[2], &a[3], &p[0], &p[1])
	return netip.AddrPortFrom(netip.AddrFrom4(a), p[0]<<8|p[1]), err
}

func parseEPRT(argument string) (netip.AddrPort, error) {
	fields := strings.Split(argument, "|")
	if len(fields) != 5 {
		return netip.AddrPort{}, errors.New("malformed")
	}
	addr, err := netip.ParseAddr(fields[2])
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(fields[3], 10, 16)
	return netip.AddrPortFrom(addr, uint16(port)), err
}

// reset closes a connection with RST.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// stalls sends n bytes, and then does nothing until its leg is reset. It says
// final then, unless that is empty.
func (v *visit) stalls(n int, final string) {
	v.reply("150 wait for it")
	v.transfers.Go(func() {
		conn, err := v.open()
		if err != nil {
			return
		}
		_, _ = conn.Write(bulk(n))
		awaitBreak(conn)
		_ = conn.Close()
		if final != "" {
			v.reply(final)
		}
	})
}

// unread counts the bytes of commands that are here and have not been read.
func (v *visit) unread() int {
	return unread(v.control) + v.reader.Buffered()
}

// awaitBreak waits until the connection has been reset, and reads nothing.
func awaitBreak(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	// An error of the socket wakes every reader, whatever is in its buffer.
	_ = raw.Read(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return err != nil || code != 0
	})
}
