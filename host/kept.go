package host

import (
	"context"
	"runtime"
	"time"

	"github.com/vanth-io/vanth/host/hold"
	"github.com/vanth-io/vanth/host/stripe"
)

// kept is what one goroutine at a time has of a published plugin between its calls:
// what the module keeps for it, and the functions that it has called.
type kept struct {
	ending
	uses []*use // by binding.index; nil before the first call
}

// ending is what is to be done at the end of a kept. It refers to nothing of the plugin
// that leads back to the kept, which would never be forgotten then.
type ending struct {
	pinned  Pinned   // nil where the module keeps nothing
	tallies []*tally // of the uses
}

// home is where a kept belongs.
type home = stripe.Place[kept]

// take lends a kept. Who does not put it back has it for good, and ends it.
func (e *entry) take() (*kept, *home) {
	at := e.keeps.Get()
	if at.Thing == nil {
		at.Thing = e.keep()
	}
	return at.Thing, at
}

// keep makes a kept, which ends when it is forgotten, if not before.
func (e *entry) keep() *kept {
	n := len(e.bindings)
	k := &kept{uses: make([]*use, n), ending: ending{tallies: make([]*tally, n)}}
	if m, ok := e.module.(Pinner); ok {
		k.pinned = m.Pin()
	}
	runtime.AddCleanup(k, ending.end, k.ending)
	return k
}

// end gives everything back. It may be called again, and nothing else may.
func (e ending) end() {
	if e.pinned != nil {
		e.pinned.Unpin()
	}
	for i, t := range e.tallies {
		if t != nil {
			t.usage.leave(t)
		}
		e.tallies[i] = nil
	}
}

// of returns the function of b, which belongs to the same plugin.
func (k *kept) of(b *binding) *use {
	if u := k.uses[b.index]; u != nil {
		return u
	}
	u := &use{binding: b, fn: b.fn, tally: b.usage.join()}
	if k.pinned != nil {
		u.fn = k.pinned.Function(b.fn)
	}
	u.scalar, _ = u.fn.(Scalar)
	u.bytes, _ = u.fn.(Bytes)
	u.metered, _ = u.fn.(Metered)
	k.uses[b.index], k.tallies[b.index] = u, u.tally
	return u
}

// next returns what the next call of b may use at once; nil for nothing, as long as there is no k, b was withdrawn, or was
// not called before.
func (k *kept) next(b *binding) *use {
	if k == nil || b.owner.gone.Load() {
		return nil
	}
	return k.uses[b.index]
}

// use is a function as one goroutine at a time has it. Its methods count the call,
// unless the module was closed before it began, see [binding.missed].
type use struct {
	binding *binding
	fn      Function
	scalar  Scalar  // fn, if it has the lane
	bytes   Bytes   // fn, if it has the lane
	metered Metered // fn, if it has the lane
	*tally
}

// tally counts the calls of a use.
type tally struct {
	usage *usage // that it is counted in
	calls hold.Count
	_     [stripe.Line]byte // before another goroutine's
}

// begin returns the clock, if the call is sampled.
func (u *use) begin() (t time.Time) {
	if u.calls.Load()%sampling == 0 {
		t = time.Now()
	}
	return t
}

// end counts a call.
func (u *use) end(t time.Time, err error) {
	if err == nil && t.IsZero() {
		u.calls.Add(1)
	} else if err == nil || !u.binding.missed(err) {
		u.calls.Add(1)
		u.usage.note(t, err)
	}
}

func (u *use) exec(ctx context.Context, c *Call, args []any) (any, error) {
	t := u.begin()
	v, err := u.fn.Exec(ctx, c, args)
	u.end(t, err)
	return v, err
}

func (u *use) execMetered(ctx context.Context, c *Call, args []any) (v any, fuel uint64, err error) {
	t := u.begin()
	if u.metered != nil {
		v, fuel, err = u.metered.ExecMetered(ctx, c, args)
	} else {
		v, err = u.fn.Exec(ctx, c, args)
	}
	u.end(t, err)
	return v, fuel, err
}

// The lanes for short calls go straight to what u has, and count the call themselves, when it is one of many and goes
// well. They come here with the others.

// scalarNext reports whether the next call may go straight to u.scalar.
func (u *use) scalarNext() bool { return u.scalar != nil && u.calls.Load()%sampling != 0 }

// bytesNext reports whether the next call may go straight to u.bytes.
func (u *use) bytesNext() bool { return u.bytes != nil && u.calls.Load()%sampling != 0 }

func (u *use) execScalar(ctx context.Context, c *Call, words []uint64) error {
	if u.scalar == nil {
		return u.binding.noLane("scalar")
	}
	t := u.begin()
	err := u.scalar.ExecScalar(ctx, c, words)
	u.end(t, err)
	return err
}

func (u *use) execBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	if u.bytes == nil {
		return dst, u.binding.noLane("bytes")
	}
	t := u.begin()
	dst, err := u.bytes.ExecBytes(ctx, c, dst, args)
	u.end(t, err)
	return dst, err
}
