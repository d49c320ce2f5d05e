package wasm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/stripe"
)

// pool keeps the instances of a module: at most max, each used by one call at
// a time. The way in and out of an unloaded pool is one atomic exchange each, in a
// place that the goroutine shares with few; the rest is for load, failure and the
// end.
type pool struct {
	wait time.Duration
	make func(context.Context) (*instance, error)
	last func() // called once, when closed and none is alive

	life context.Context // ends when close is called; starts of instances end with it
	end  context.CancelFunc

	owing   *atomic.Bool // whether calls wait for the plugin's budget; nil for none
	desks   []desk
	recall  atomic.Bool    // pins give back what they hold
	free    chan *instance // the other idle ones; its capacity is max
	gone    chan struct{}  // a hint to waiters: one fewer is alive
	waiters atomic.Int32

	closed atomic.Bool // set under mu; read without by put
	mu     sync.Mutex  // guards what follows
	live   int         // instances, and those being made
	pinned int         // of these, what open sources and sinks have or may have
	pins   map[*pin]struct{}
	done   chan struct{} // closed when closed and none is alive
}

// desk has the instance that was used last there, see stripe.
type desk struct {
	hot atomic.Pointer[instance]
	_   [stripe.Line - 8]byte
}

func newPool(limit int, wait time.Duration, start func(context.Context) (*instance, error), last func()) *pool {
	p := &pool{
		wait: wait, make: start, last: last, desks: make([]desk, stripe.Count()),
		free: make(chan *instance, limit), gone: make(chan struct{}, limit), done: make(chan struct{}), pins: map[*pin]struct{}{},
	}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// get takes an instance, makes one, or waits for one for a bounded time. The
// caller puts it back.
func (p *pool) get(ctx context.Context) (*instance, error) {
	d := &p.desks[stripe.Index(len(p.desks))]
	if in := d.hot.Swap(nil); in != nil {
		return in, nil
	}
	in, err := p.getSlow(ctx)
	if in != nil {
		in.desk = d
	}
	return in, err
}

// idle takes an instance that is not at the caller's desk, nil for none.
func (p *pool) idle() *instance {
	select {
	case in := <-p.free:
		return in
	default:
	}
	for i := range p.desks {
		if d := &p.desks[i]; d.hot.Load() != nil {
			if in := d.hot.Swap(nil); in != nil {
				return in
			}
		}
	}
	return nil
}

func (p *pool) getSlow(ctx context.Context) (*instance, error) {
	if in := p.idle(); in != nil {
		return in, nil
	}
	if in, err := p.grow(ctx); in != nil || err != nil {
		return in, err
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	p.waiters.Add(1)
	defer p.waiters.Add(-1)
	p.recallPins(recallTerm)
	for {
		// An instance may have been put back before we counted as waiting.
		if in := p.idle(); in != nil {
			return in, nil
		}
		select {
		case in := <-p.free:
			return in, nil
		case <-p.gone:
			if in, err := p.grow(ctx); in != nil || err != nil {
				return in, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return nil, p.errTaken()
		}
	}
}

// grow makes an instance if there is room; nil, nil if there is not.
func (p *pool) grow(ctx context.Context) (*instance, error) {
	p.mu.Lock()
	if p.closed.Load() {
		p.mu.Unlock()
		return nil, host.Errorf(host.ErrClosed, "the module is closed")
	}
	if p.live == cap(p.free) {
		p.mu.Unlock()
		return nil, nil
	}
	p.live++
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	in, err := p.make(ctx)
	if err != nil {
		p.lose()
		if p.closed.Load() {
			err = host.Errorf(host.ErrClosed, "the module is closed")
		}
		return nil, err
	}
	return in, nil
}

// errTaken is the end of a wait for an instance.
func (p *pool) errTaken() error {
	todo := "raise wasm.poolMax"
	if p.owing != nil && p.owing.Load() {
		todo = "raise limits.cpuPercent of the manifest and wasm.cpuPercent, since calls wait for the plugin's budget"
	}
	return host.Errorf(host.ErrBusy, "all %d instances are taken and none came free within %v: try again, or %s", cap(p.free), p.wait, todo)
}

// reserve counts an instance that an open source or sink has, or may have,
// until unreserve. One is kept for the functions of a plugin that has some.
func (p *pool) reserve(functions bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	room, kept := cap(p.free), ""
	if functions {
		room, kept = room-1, ", and one is kept for functions"
	}
	if p.pinned >= room {
		return host.Errorf(host.ErrBusy, "%d of %d instances belong to open sources and sinks%s: raise wasm.poolMax, or limits.concurrency of the manifest", p.pinned, cap(p.free), kept)
	}
	p.pinned++
	return nil
}

func (p *pool) unreserve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pinned--
}

// fresh makes an instance for who has reserved one. An idle one makes room, or
// it waits for a bounded time. The caller discards it.
func (p *pool) fresh(ctx context.Context) (*instance, error) {
	if in, err := p.grow(ctx); in != nil || err != nil {
		return in, err
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	p.waiters.Add(1)
	defer p.waiters.Add(-1)
	p.recallPins(recallTerm)
	for {
		idle := p.idle()
		if idle == nil {
			select {
			case idle = <-p.free:
			case <-p.gone:
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-timer.C:
				return nil, p.errTaken()
			}
		}
		if idle != nil {
			p.discard(idle)
		}
		if in, err := p.grow(ctx); in != nil || err != nil {
			return in, err
		}
	}
}

// lose counts an instance that is gone and tells a waiter.
func (p *pool) lose() {
	p.mu.Lock()
	p.live--
	ended := p.closed.Load() && p.live == 0
	p.mu.Unlock()
	if ended {
		p.last()
		close(p.done)
		return
	}
	select {
	case p.gone <- struct{}{}:
	default:
	}
}

// put gives an instance back.
func (p *pool) put(in *instance) {
	in.touched = true
	p.release(in)
}

func (p *pool) release(in *instance) {
	d := in.desk
	if d == nil || !d.hot.CompareAndSwap(nil, in) {
		p.free <- in // there is room for every one alive
	} else if p.waiters.Load() > 0 {
		// A waiter that came before the exchange looks at the desks once more; one
		// that came after it was counted.
		if in := d.hot.Swap(nil); in != nil {
			p.free <- in
		}
	}
	if p.closed.Load() {
		p.drain()
	}
}

// drain discards the idle instances.
func (p *pool) drain() {
	for in := p.idle(); in != nil; in = p.idle() {
		p.discard(in)
	}
}

// trim discards idle instances that nobody used since the last trim, while more
// than keep are alive.
func (p *pool) trim(keep int) {
	p.recallPins(0)
	var kept []*instance
	for in := p.idle(); in != nil; in = p.idle() {
		p.mu.Lock()
		spare := p.live-p.pinned > keep
		p.mu.Unlock()
		if spare && !in.touched {
			p.discard(in)
			continue
		}
		in.touched = false
		kept = append(kept, in)
	}
	for _, in := range kept {
		p.release(in)
	}
}

// forced bounds the wait for calls that were forced to end.
const forced = time.Second

// close may be called once. It refuses calls and waits for those in flight; when ctx ends it has force
// end them and waits a little longer. The error says that calls still run.
func (p *pool) close(ctx context.Context, force func()) error {
	p.mu.Lock()
	p.closed.Store(true)
	empty := p.live == 0
	p.mu.Unlock()
	p.end()
	if empty {
		p.last()
		close(p.done)
		return nil
	}
	p.recallPins(recallTerm)
	p.drain()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	force()
	select {
	case <-p.done:
		return nil
	case <-time.After(forced):
		return errors.New("calls could not be forced to end, and hold its memory until they do: the plugin is trusted, or its code runs without a loop")
	}
}

// discard ends an instance instead of giving it back.
func (p *pool) discard(in *instance) {
	in.close()
	p.lose()
}
