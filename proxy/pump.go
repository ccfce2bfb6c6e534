package proxy

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// A pump copies one file from leg to leg.
type pump struct {
	from, to *leg
	buf      *[bufferSize]byte
	lo, hi   int   // what is collected and not yet passed on: buf[lo:hi]
	bytes    int64 // bytes passed on
	bounds   bounds
	waiting  *atomic.Bool // set while a rate holds the pump up
	ctx      context.Context
}

// chunk is what is collected before it is passed on. Sealed into TLS records it
// still fits into one buffer of a wire.
const chunk = bufferSize - bufferSize/16

// run copies until the sender's end. Errors say which side they came from.
func (p *pump) run(ctx context.Context) (int64, error) {
	if p.from.tls == nil && p.to.tls == nil && p.from.first == nil && p.bounds.none() {
		return p.splice()
	}
	p.ctx = ctx
	most := p.bounds.chunk(chunk)
	p.buf = buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(p.buf)
	acknowledgeAtOnce(p.from.tcp)
	p.hi = copy(p.buf[:], p.from.first) // at most one small read
	if w := p.from.wire; w != nil {
		w.in.starved = p.flush
		defer func() { w.in.starved = nil }()
	}
	for {
		n, err := p.from.Read(p.buf[p.hi:max(most, p.hi+1)])
		p.hi += n
		if p.bounds.exceeded(p.bytes + int64(p.hi-p.lo)) {
			return p.bytes, errTooLarge
		}
		if err != nil || p.from.wire == nil || p.hi >= most {
			if ferr := p.flush(); ferr != nil {
				return p.bytes, ferr
			}
			p.lo, p.hi = 0, 0
		}
		if errors.Is(err, io.EOF) {
			return p.bytes, nil
		}
		if err != nil {
			return p.bytes, err
		}
	}
}

// flush passes on what was collected. It may run inside Read, which is about to
// fill the buffer from hi on: so hi must stay.
func (p *pump) flush() error {
	if p.lo == p.hi {
		return nil
	}
	if err := p.bounds.wait(p.ctx, p.hi-p.lo, p.waiting); err != nil {
		return err
	}
	if err := p.to.write(p.buf[p.lo:p.hi]); err != nil {
		return &sideError{Side: p.to.side, Step: "write", Err: err}
	}
	p.bytes += int64(p.hi - p.lo)
	p.lo = p.hi
	return nil
}

// splice hands both sockets to the kernel, which moves the bytes without
// showing them to us.
func (p *pump) splice() (int64, error) {
	n, err := io.Copy(p.to.tcp, p.from.tcp)
	// The error is the same whichever socket it came from.
	if err != nil && !broken(p.from.tcp) {
		err = &sideError{Side: p.to.side, Step: "write", Err: err}
	}
	p.to.sent = n
	return n, err
}
