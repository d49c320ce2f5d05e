package wasm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// This file is the seam between calls and whatever bounds them in time. Here
// it is the engine's own switch: code is compiled with a check at every loop
// head, and a call passes a context that the watchdog ends.

// tick is the watchdog's resolution.
const tick = 2 * time.Millisecond

// idleTicks is how long the watchdog looks at idle instances before it sleeps.
const idleTicks = 500

// watchdog interrupts calls that run for too long. A call tells it when it
// begins with one atomic store and a load: no timer and no goroutine of its own.
type watchdog struct {
	asleep atomic.Bool
	wake   chan struct{}

	mu        sync.Mutex // guards what follows
	instances map[*instance]seen
}

// seen is the call that the watchdog last saw on an instance, and when it saw
// it first. Its own clock is what counts: ticks are late when guests keep all
// cores busy.
type seen struct {
	token uint64
	since time.Time
}

func newWatchdog() *watchdog {
	return &watchdog{wake: make(chan struct{}, 1), instances: map[*instance]seen{}}
}

func (d *watchdog) watch(in *instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.instances[in] = seen{}
}

func (d *watchdog) unwatch(in *instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.instances, in)
}

// run looks after the instances until stop is closed.
func (d *watchdog) run(stop <-chan struct{}) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for idle := 0; ; {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		if d.look() {
			idle = 0
			continue
		}
		if idle++; idle < idleTicks {
			continue
		}
		// Whoever begins a call after the store below wakes us; whoever began
		// one before it is seen by the look after it.
		d.asleep.Store(true)
		if !d.look() {
			t.Stop()
			select {
			case <-stop:
				return
			case <-d.wake:
			}
			t.Reset(tick)
		}
		d.asleep.Store(false)
		idle = 0
	}
}

// look interrupts what ran for too long and reports whether anything runs.
func (d *watchdog) look() (busy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var now time.Time
	for in, last := range d.instances {
		token := in.running.Load()
		if token == 0 || token == killed {
			continue
		}
		if !busy {
			busy, now = true, time.Now()
		}
		switch {
		case token != last.token:
			d.instances[in] = seen{token, now}
		case now.Sub(last.since) >= in.module.grant.timeout:
			in.kill(token, context.DeadlineExceeded)
		}
	}
	return busy
}

// left is how long the call under way on an instance may still run.
func (d *watchdog) left(in *instance) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := in.module.grant.timeout
	if last := d.instances[in]; last.token == in.running.Load() {
		limit -= time.Since(last.since)
	}
	return limit
}

// killAll interrupts every call on a module.
func (d *watchdog) killAll(m *module) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for in := range d.instances {
		if token := in.running.Load(); in.module == m && token != 0 && token != killed {
			in.kill(token, context.Canceled)
		}
	}
}

// killed is the token of a call that was interrupted.
const killed = ^uint64(0)

// begin tells the watchdog that a call begins. The token is unique on its
// instance, so that a late interruption cannot hit the next call.
func (in *instance) begin() (token uint64) {
	d := in.module.rt.dog
	in.calls++
	in.running.Store(in.calls)
	if d.asleep.Load() {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
	return in.calls
}

// end tells that it ended, and reports whether it was interrupted; then the
// instance is of no more use, whatever the call returned.
func (in *instance) end(token uint64) (interrupted bool) {
	return !in.running.CompareAndSwap(token, 0)
}

// kill interrupts the call that has token, if it still runs.
func (in *instance) kill(token uint64, cause error) {
	if in.running.CompareAndSwap(token, killed) {
		in.ctx.end(cause)
	}
}

// guestContext is the context that the guest's code runs under. It belongs to
// one instance for all its calls, so a call allocates none; once it ended the
// instance is thrown away.
type guestContext struct {
	in   *instance
	done chan struct{}
	err  atomic.Pointer[error]
}

func newGuestContext(in *instance) *guestContext {
	return &guestContext{in: in, done: make(chan struct{})}
}

// end may be called once.
func (c *guestContext) end(cause error) {
	c.err.Store(&cause)
	close(c.done)
}

// Deadline implements context.Context.
func (*guestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (c *guestContext) Done() <-chan struct{} { return c.done }

// Err implements context.Context.
func (c *guestContext) Err() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Value implements context.Context.
func (*guestContext) Value(any) any { return nil }
