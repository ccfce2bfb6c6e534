package proxy

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// A line is what the client's reader posts: a command, or why there is none.
type line struct {
	command ftpparse.Command
	err     error
	ruling
	early  *early // not nil: an ABOR that went ahead
	denied bool   // an ABOR that the policy has kept from going ahead
}

// A clientControl is the client's control connection. Its reader posts one line
// and parks until the owner resumes it; only while it is parked may the owner
// change the connection under it.
type clientControl struct {
	tcp    *net.TCPConn
	conn   net.Conn      // tcp, or TLS over it
	tls    *tlsterm.Conn // nil in clear text
	reader *ftpparse.CommandReader
	limit  int
	patience
	reading
	backlog
	posts  chan line
	resume chan struct{}
	// mute: TLS was promised and failed; clear text must not follow.
	mute bool
}

// reading is the life of a reader's goroutine.
type reading struct {
	parted chan struct{} // closed when nobody wants its posts any more
	done   chan struct{} // closed when it has ended; nil: never started
}

func (r *reading) begin() chan struct{} {
	r.done = make(chan struct{})
	return r.done
}

// finish releases a reader that wants to post, and waits for it. A reader that
// reads must be woken by its connection.
func (r *reading) finish() {
	close(r.parted)
	if r.done != nil {
		<-r.done
	}
}

// patience bounds a write to a peer that does not read, and only that write:
// crypto/tls writes by itself as well, from the reader's goroutine, when the peer
// asks for new keys (RFC 8446 §4.6.3). That may be long after our last word.
type patience struct{ timeout time.Duration }

func (p patience) write(conn net.Conn, b []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
		return err
	}
	if _, err := conn.Write(b); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

func newClientControl(tcp *net.TCPConn, limits Limits) *clientControl {
	c := &clientControl{
		tcp: tcp, limit: limits.Line, patience: patience{limits.ReplyTimeout},
		posts: make(chan line), resume: make(chan struct{}, 1),
		reading: reading{parted: make(chan struct{})},
	}
	c.use(tcp, nil)
	return c
}

// use puts the connection under the parked reader.
func (c *clientControl) use(conn net.Conn, tls *tlsterm.Conn) {
	c.conn, c.tls = conn, tls
	c.reader = ftpparse.NewCommandReader(conn, c.limit)
}

// sni is the name in the client's TLS handshake, spelt as ParseHOST spells one;
// "": none.
func (c *clientControl) sni() string {
	if c.tls == nil {
		return ""
	}
	name := c.tls.ConnectionState().ServerName
	if host, err := ftpparse.ParseHOST(name); err == nil {
		return host
	}
	return name
}

// read is the reader's goroutine.
func (c *clientControl) read(done chan struct{}) {
	defer close(done)
	for {
		var l line
		l.command, l.err = c.reader.Read()
		select {
		case c.posts <- l:
		case <-c.parted:
			return
		}
		select {
		case <-c.resume:
		case <-c.parted:
			return
		}
	}
}

func (c *clientControl) say(r ftpparse.Reply) error {
	return atSide(sideClient, "write reply", c.write(c.conn, r.AppendTo(nil)))
}

// partingTime is how long a client may take to read our last reply and close.
const partingTime = 2 * time.Second

// partingBytes bounds what is read of a client that goes on talking.
const partingBytes = 64 << 10

// part ends the connection so that the last reply arrives: closing with unread
// commands in the socket would reset the connection, and a reset may take away
// what the client has not read yet.
func (c *clientControl) part() {
	_ = c.tcp.SetWriteDeadline(time.Now().Add(partingTime)) // it may be writing: see patience
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))             // wakes the reader
	c.finish()
	if c.tls != nil {
		_ = c.tls.SetWriteDeadline(time.Now().Add(partingTime))
		_ = c.tls.CloseWrite()
	}
	if c.tcp.CloseWrite() == nil {
		_ = c.tcp.SetReadDeadline(time.Now().Add(partingTime))
		buf := make([]byte, 4096)
		for n := 0; n < partingBytes; {
			got, err := c.tcp.Read(buf)
			if err != nil {
				break
			}
			n += got
		}
	}
	_ = c.tcp.Close()
}

// replyOrError is what the upstream's reader posts.
type replyOrError struct {
	reply ftpparse.Reply
	err   error
}

// An upstreamControl is the control connection to the upstream.
type upstreamControl struct {
	tcp    *net.TCPConn
	conn   net.Conn // tcp, or TLS over it
	reader *ftpparse.ReplyReader
	// origin ties data connections to this one's TLS; nil in clear text.
	origin  *tlsterm.Origin
	private bool // PROT P is in force with the upstream
	patience
	reading
	replies chan replyOrError
	// farewelled: QUIT was said, or there is nobody left to say it to.
	farewelled bool
}

// maxReply bounds one whole reply of an upstream, in bytes.
const maxReply = 1 << 20

func newUpstreamControl(tcp *net.TCPConn, limits Limits) *upstreamControl {
	u := &upstreamControl{
		tcp: tcp, patience: patience{limits.ReplyTimeout},
		replies: make(chan replyOrError), reading: reading{parted: make(chan struct{})},
	}
	u.use(tcp, limits)
	return u
}

// use puts the connection under a reader that does not read yet.
func (u *upstreamControl) use(conn net.Conn, limits Limits) {
	u.conn = conn
	u.reader = ftpparse.NewReplyReader(conn, limits.ReplyLine, maxReply)
}

// read is the reader's goroutine.
func (u *upstreamControl) read(done chan struct{}) {
	defer close(done)
	for {
		r, err := u.reader.Read()
		select {
		case u.replies <- replyOrError{r, err}:
		case <-u.parted:
			return
		}
		if err != nil {
			return
		}
	}
}

func (u *upstreamControl) send(c ftpparse.Command) error {
	return atSide(sideUpstream, "write command", u.write(u.conn, c.AppendTo(nil)))
}

// dataOrigin is what makes a data connection private; nil: it is to be clear.
func (u *upstreamControl) dataOrigin() *tlsterm.Origin {
	if !u.private {
		return nil
	}
	return u.origin
}

// part says QUIT, as a client ought to, and closes without waiting.
func (u *upstreamControl) part() {
	if !u.farewelled {
		_ = patience{partingTime}.write(u.conn, ftpparse.Command{Verb: "QUIT"}.AppendTo(nil))
	}
	u.close()
	u.finish()
}

// close ends the connection without a word, but never without close_notify.
func (u *upstreamControl) close() {
	// The reader may be writing, under the lock that CloseWrite takes: see patience.
	_ = u.tcp.SetWriteDeadline(time.Now().Add(partingTime))
	if conn, ok := u.conn.(*tls.Conn); ok {
		_ = conn.CloseWrite() // waits for five seconds at most
	}
	_ = u.tcp.Close()
}
