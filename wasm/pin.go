package wasm

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hold"
	"github.com/vanth-io/vanth/host/stripe"
)

// door is a function and the way to its instances: the pool, or one that it keeps.
type door struct {
	*function
	pin *pin // nil for the pool
}

func (d door) enter(ctx context.Context, c *host.Call) (*instance, error) {
	if d.pin != nil {
		return d.pin.enter(ctx, d.function, c)
	}
	return d.function.enter(ctx, c)
}

func (d door) leave(in *instance, err error) {
	if d.pin != nil {
		d.pin.leave(in, d.function, err)
	} else {
		d.function.leave(in, err)
	}
}

// pin keeps an instance between the calls of one goroutine, so that they pay nothing for coming by it. What it keeps
// is the pool's all the same: who waits for an instance, the janitor and the end of the module recall it, see package
// hold. While it is recalled, calls go to the pool.
type pin struct {
	module  *module
	pool    *pool        // the module's
	breaker *breaker     // the module's
	recall  *atomic.Bool // the pool's
	quick   bool         // calls may go the quick way, see pin_quick.go
	output  int          // of the grant
	mark    hold.Mark

	// The goroutine's while mark is set, else guarded by pool.mu.
	in    *instance    // nil for none
	next  *function    // what in is ready for, if it is called the quick way; nil for nothing
	entry api.Function // of next

	_ [stripe.Line]byte // before another goroutine's
}

// Pin implements host.Pinner.
func (m *module) Pin() host.Pinned {
	p := &pin{
		module: m, pool: m.pool, breaker: &m.breaker, recall: &m.pool.recall,
		quick: m.grant.fuel == 0 && !m.resets(), output: m.grant.output,
	}
	m.pool.enlist(p)
	return p
}

// Function implements host.Pinned.
func (p *pin) Function(f host.Function) host.Function {
	switch f := f.(type) {
	case interface{ own() direct }:
		d := f.own()
		d.pin = p
		if p.quick {
			return &pinnedDirect{d, max(1, len(d.signature.Args), len(d.results))}
		}
		return &d
	case interface{ own() packed }:
		d := f.own()
		d.pin = p
		if p.quick {
			return &pinnedPacked{d}
		}
		return &d
	}
	return f
}

// own is the function itself, of those that are made of it.
func (f *direct) own() direct { return *f }
func (f *packed) own() packed { return *f }

func (p *pin) enter(ctx context.Context, f *function, c *host.Call) (*instance, error) {
	if !p.mark.Begin(p.recall) || p.in == nil {
		return p.enterPool(ctx, f, c)
	}
	in := p.in
	if err := f.admit(ctx); err != nil {
		p.done()
		return nil, err
	}
	in.function, in.touched = f, true
	in.start(ctx, c)
	return in, nil
}

// enterPool takes an instance from the pool, and keeps it unless pins are recalled.
func (p *pin) enterPool(ctx context.Context, f *function, c *host.Call) (*instance, error) {
	p.done()
	in, err := f.enter(ctx, c)
	if err != nil {
		return nil, err
	}
	if p.mark.Begin(p.recall) && p.in == nil { // else a recall came and went, and took nothing
		p.in = in
	} else {
		p.done()
	}
	return in, nil
}

func (p *pin) leave(in *instance, f *function, err error) {
	switch {
	case in != p.in:
		f.leave(in, err)
	case f.sound(in, err):
		p.ready(f)
		p.done()
	default:
		p.in, p.next = nil, nil
		p.done()
		go p.pool.discard(in) // as in leave of function
	}
}

// done is the end of a call's use of what is kept.
func (p *pin) done() {
	if p.mark.End(p.recall) {
		p.giveBack()
	}
}

// giveBack gives back what is kept, if it was not taken. The mark is not set.
func (p *pin) giveBack() {
	p.pool.mu.Lock()
	in := p.in
	p.in, p.next = nil, nil
	p.pool.mu.Unlock()
	if in != nil {
		p.pool.release(in)
	}
}

// Unpin implements host.Pinned.
func (p *pin) Unpin() {
	p.giveBack()
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	delete(p.pool.pins, p)
}

// recallTerm is for how long pins keep nothing after somebody had to wait for an instance, at least: a recall stops
// the world.
const recallTerm = 100 * time.Millisecond

func (p *pool) enlist(pin *pin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pins[pin] = struct{}{}
}

// recallPins has the pins give back what they keep: those that are idle now, the others after their call.
func (p *pool) recallPins(term time.Duration) {
	p.mu.Lock()
	some := len(p.pins) > 0
	if p.recall.Load() || !some && !p.closed.Load() {
		p.mu.Unlock()
		return
	}
	p.recall.Store(true) // also for pins to come, when closed
	p.mu.Unlock()
	if !some {
		return
	}
	hold.Settle()
	var idle []*instance
	p.mu.Lock()
	for pin := range p.pins {
		if !pin.mark.InUse() && pin.in != nil {
			idle = append(idle, pin.in)
			pin.in, pin.next = nil, nil
		}
	}
	p.mu.Unlock()
	for _, in := range idle {
		p.release(in)
	}
	if term == 0 {
		p.endRecall()
		return
	}
	time.AfterFunc(term, p.endRecall)
}

// endRecall lets pins keep instances again, when nobody waits for one.
func (p *pool) endRecall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed.Load():
	case p.waiters.Load() > 0:
		time.AfterFunc(recallTerm, p.endRecall)
	default:
		p.recall.Store(false)
	}
}
