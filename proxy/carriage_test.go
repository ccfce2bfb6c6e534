package proxy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// newCarriage is a download under way, and the far ends of its legs.
func newCarriage(t *testing.T) (c *carriage, ctx context.Context) {
	t.Helper()
	client, _ := tcpPair(t)
	upstream, _ := tcpPair(t)
	c = &carriage{
		transfer: newTransfer(nil, transferLimits{data: time.Minute, stall: time.Minute}),
		client:   newLeg(sideClient, client), upstream: newLeg(sideUpstream, upstream),
	}
	ctx, c.cancel = context.WithCancelCause(t.Context())
	t.Cleanup(func() { c.cancel(nil) })
	return c, ctx
}

// A leg that breaks while the file ends must still have its reader awaited: what
// the reader reads into is given away afterwards.
func TestLegsAreReleasedBehindTheirReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCarriage(t)
		c.watcher = make(chan struct{})
		c.fail(sideClient, "transfer", errStalled)
		released := false
		go func() {
			c.linger(t.Context(), make(chan struct{}, 1))
			released = true
		}()
		synctest.Wait()
		if released {
			t.Error("while the reader still reads")
		}
		close(c.watcher)
		synctest.Wait()
		if !released {
			t.Error("never")
		}
	})
}

// A client that breaks its leg is not kept waiting for the turn of its next bytes.
func TestBrokenLegEndsTheWaitForARate(t *testing.T) {
	c, ctx := newCarriage(t)
	slow := rate.NewLimiter(1, leastBurst)
	b := bounds{rates: []*rate.Limiter{slow}}
	done := make(chan error, 1)
	go func() { done <- b.wait(ctx, 100*leastBurst, &c.throttled) }()
	c.breakOff(sideClient, "read", errTruncated)
	if err := <-done; !errors.Is(err, errTruncated) {
		t.Error(err)
	}
}

// When the passive port is lost before the upstream has answered our PASV, the
// client hears so.
func TestPortIsLostBeforeTheUpstreamAnswers(t *testing.T) {
	near, _ := tcpPair(t)
	s := &session{upstream: upstreamLink{control: newUpstreamControl(near, DefaultLimits()), translating: true}}
	for _, code := range []int{227, 500} {
		e := &exchange{command: ftpparse.Command{Verb: "PASV"}}
		if err := s.onTranslated(t.Context(), &translation{}, e, ftpparse.NewReply(code, "(127,0,0,1,200,200)")); err != nil {
			t.Fatal(err)
		}
		if e.answer.Code != 425 || s.upstream.translating {
			t.Errorf("%d: %+v", code, e.answer)
		}
	}
}

// One byte that the peer's kernel has not acknowledged is one too many, whoever
// dialled.
func TestDeliveredCountsEveryByte(t *testing.T) {
	for _, name := range []string{"dialled", "accepted"} {
		conn, peer := tcpPair(t)
		if name == "accepted" {
			conn, peer = peer, conn
		}
		l := newLeg(sideClient, conn)
		if err := l.write([]byte("a file")); err != nil {
			t.Fatal(err)
		}
		mustRead(t, peer, "a file")
		mustWrite(t, peer, []byte("what acknowledges it"))
		mustRead(t, conn, "what acknowledges it")
		if !l.delivered() {
			t.Errorf("%s: not all is delivered", name)
		}
		l.sent++
		if l.delivered() {
			t.Errorf("%s: a byte that was never sent is delivered", name)
		}
	}
}
