package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

// A transfer is one data connection from PASV or PORT to its end: two legs, each
// opened by listening or by dialling.
//
// The session owns it and tells it start, begin, abandon and close; its own
// goroutine opens the legs, moves the bytes and reports events.
//
//	PASV, PORT      prepare: acceptors listen, the upstream is dialled
//	RETR, STOR …    start:   dialled legs are awaited        -> eventOpen
//	upstream's 1yz  begin:   handshakes, then bytes          -> eventEnded
//	upstream's 4yz  abandon: both legs closed, unused        -> eventEnded
type transfer struct {
	opening
	spec    spec
	limits  transferLimits
	binding *tlsterm.Binding
	events  chan eventKind // room for all that one transfer reports
	said
	cancel  context.CancelCauseFunc
	failure atomic.Pointer[sideError] // the first thing that went wrong
	opened  atomic.Bool               // both legs are
	// settled: the upstream's leg has come to its end, its final reply is due.
	settled atomic.Bool
	// taken is when the receiver was last seen to take something of the file after
	// its end had been sent, in nanoseconds since 1970; 0: not yet.
	taken   atomic.Int64
	owner   ownerView
	outcome outcome // written before eventEnded, read after it
}

// said is what the transfer's goroutine learns of the upstream's replies.
type said struct {
	begun chan struct{} // closed at its 1yz
	final chan struct{} // closed at its final reply
	// complete: that was 2yz.
	complete atomic.Bool
	// implied: it came without a preliminary one, so that there may be nothing
	// to carry (empty listings, on some servers).
	implied atomic.Bool
}

// opening says how each leg is opened: exactly one of the two per side.
type opening struct {
	clientAccept   *acceptor
	clientDial     func(context.Context) (*net.TCPConn, error)
	upstreamAccept *acceptor
	upstreamDial   *dialler
}

// spec is what the transfer command decides.
type spec struct {
	command ftpparse.Command
	upload  bool
	private bool // the client's protection level
	// ended tells whether a side has ended its control connection.
	ended      func(side) bool
	truncation Truncation
	// required: only a resumed data connection is the session's.
	required bool
	// origin makes the upstream's leg private; nil: it is clear.
	origin *tlsterm.Origin
	bounds bounds
}

// ownerView is what the session remembers of the transfer: its own goroutine
// neither reads nor writes it.
type ownerView struct {
	started bool // a transfer command came
	open    bool // dialled legs are open: the command may go upstream
	began   bool // the upstream's 1yz came
	at      time.Time
	ended   bool      // eventEnded came: outcome is valid
	sent    *exchange // not nil once the command went upstream
	// representation is the TYPE in force when the upstream first answered: what
	// came before has been answered by then, what comes later is for the next.
	representation string
	mumbled        bool // it broke, and the upstream said 1yz again: that may have been its last word
	aborted        bool // by ABOR
}

// opening: the transfer command waits for the legs that are dialled, or for their
// end when ABOR has come first.
func (v ownerView) opening() bool {
	return v.started && v.sent == nil && !v.ended && (!v.open || v.aborted)
}

type transferLimits struct {
	data, stall time.Duration
	// lingering bounds the legs of ended transfers that still wait for their
	// peer to close.
	lingering chan struct{}
}

type eventKind int

const (
	eventExpired     eventKind = iota // nobody opened the client's leg, and no command came
	eventOpen                         // the command may go upstream
	eventUnannounced                  // bytes came from the upstream though it never said 1yz
	eventEnded                        // the legs have ended
)

// outcome is how the legs ended. err nil: every byte was passed on, and both
// ends said so.
type outcome struct {
	bytes     int64
	truncated bool // accepted, but without close_notify
	err       *sideError
}

// start begins to carry; ctx is the session's.
func (t *transfer) start(ctx context.Context, s spec, done func()) {
	ctx, t.cancel = context.WithCancelCause(ctx)
	t.spec = s
	t.owner.started = true
	t.owner.at = time.Now()
	go t.run(ctx, done)
}

// begin lets the data flow: the upstream has said 1yz.
func (t *transfer) begin() {
	if !t.owner.began {
		t.owner.began = true
		close(t.begun)
	}
}

// conclude tells that the upstream's final reply is here.
func (t *transfer) conclude(complete bool) {
	t.complete.Store(complete)
	close(t.final)
}

// abandon ends the legs, whatever they are doing. The reason of the first call
// counts.
func (t *transfer) abandon(reason error) {
	if t.cancel != nil {
		t.cancel(reason)
	}
}

// close ends a transfer that was never started and returns its port.
func (t *transfer) close() {
	if !t.owner.started {
		t.release()
	}
}

func (t *transfer) release() {
	if t.clientAccept != nil {
		end := closeUnused
		select {
		case <-t.begun:
			end = reset // after the 150 an end would look like an empty file
		default:
		}
		t.clientAccept.stop(end)
	}
	if t.upstreamAccept != nil {
		// The upstream may be in the middle of STOR: an end would look like an
		// empty file.
		t.upstreamAccept.stop(reset)
	}
	if t.upstreamDial != nil {
		t.upstreamDial.stop()
	}
}

// run is the goroutine of a started transfer.
func (t *transfer) run(ctx context.Context, done func()) {
	defer done()
	defer t.cancel(nil)
	c := &carriage{transfer: t}
	bytes := c.carry(ctx)
	t.release()
	t.outcome = outcome{bytes: bytes, truncated: c.truncated, err: t.failure.Load()}
	t.events <- eventEnded
	c.linger(ctx, t.limits.lingering)
}

// fail remembers the first thing that went wrong.
func (t *transfer) fail(s side, step string, err error) {
	t.failure.CompareAndSwap(nil, &sideError{Side: s, Step: step, Err: err})
}

// expired is called by the client's acceptor.
func (t *transfer) expired() {
	t.events <- eventExpired
}

func newTransfer(b *tlsterm.Binding, limits transferLimits) *transfer {
	return &transfer{binding: b, limits: limits, events: make(chan eventKind, 4), said: said{begun: make(chan struct{}), final: make(chan struct{})}}
}

// acceptClient prepares a client's PASV: the lease is the transfer's from here.
func (t *transfer) acceptClient(l *lease, client netip.Addr) {
	t.clientAccept = accept(l, client, t.expired)
}

// announced: the client knows now where to open its leg. Its time runs from
// here: how long the upstream took to name its own port is not the client's
// fault.
func (t *transfer) announced() {
	if t.clientAccept != nil {
		t.clientAccept.expire(t.limits.data)
	}
}

// acceptUpstream prepares our PORT to the upstream.
func (t *transfer) acceptUpstream(ln *net.TCPListener, upstream netip.Addr) {
	t.upstreamAccept = accept(ln, upstream, func() {})
}
