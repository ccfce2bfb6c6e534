package proxy

import (
	"sync/atomic"
	"time"
)

// A stallWatch breaks a transfer off that moves no byte.
type stallWatch struct {
	carriage *carriage
	timer    *time.Timer
	stopped  atomic.Bool
	last     uint64
	idle     int // checks without a byte
}

// stallChecks is how often within stall_timeout the counters are read.
const stallChecks = 4

func (c *carriage) watchForStall() *stallWatch {
	w := &stallWatch{carriage: c, last: c.moved()}
	every := c.limits.stall / stallChecks
	w.timer = time.AfterFunc(time.Hour, func() { w.check(every) })
	w.timer.Reset(every) // only now: check reads w.timer
	return w
}

func (w *stallWatch) check(every time.Duration) {
	if w.stopped.Load() {
		return
	}
	if n := w.carriage.moved(); n != w.last || w.carriage.throttled.Load() {
		w.last, w.idle = n, 0
	} else if w.idle++; w.idle >= stallChecks {
		w.carriage.breakOff(sideClient, "transfer", errStalled)
		return
	}
	w.timer.Reset(every)
}

func (w *stallWatch) stop() {
	w.stopped.Store(true)
	w.timer.Stop()
}

func (c *carriage) moved() uint64 { return moved(c.client.tcp) + moved(c.upstream.tcp) }
