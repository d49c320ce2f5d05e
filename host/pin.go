package host

import (
	"context"
	"sync/atomic"
	"time"
)

// Pin is a [Handle] for one goroutine at a time, which calls often. It follows the
// function through updates as the handle does, and keeps nothing that others wait for:
// a plugin with a pin is updated, removed and shared as one without. Its calls are
// counted every 64, and every 1,024th is timed.
//
// A call costs one atomic load on top of the runtime's own price.
type Pin struct {
	handle *Handle
	cur    *binding     // what fn and the lanes belong to
	gone   *atomic.Bool // of its owner
	fn     Function
	scalar Scalar // fn, if it has the lane
	bytes  Bytes  // fn, if it has the lane
	unpin  func() // nil where the runtime keeps nothing
	calls  uint64
	before uint64 // of calls, counted
}

// Pin returns a pin. Its owner closes it.
func (f *Handle) Pin() (*Pin, error) {
	b, err := f.bind()
	if err != nil {
		return nil, err
	}
	p := &Pin{handle: f}
	p.attach(b)
	return p, nil
}

// Close ends the pin, between calls.
func (p *Pin) Close() {
	p.count()
	if p.unpin != nil {
		p.unpin()
	}
	p.unpin = nil
}

// attach has the pin call b.
func (p *Pin) attach(b *binding) {
	p.Close()
	p.cur, p.gone, p.fn = b, &b.owner.gone, b.fn
	if pinner, ok := b.fn.(Pinner); ok {
		p.fn, p.unpin = pinner.Pin()
	}
	p.scalar, _ = p.fn.(Scalar)
	p.bytes, _ = p.fn.(Bytes)
}

// count adds the calls since the last count to the function's.
func (p *Pin) count() {
	if p.calls > p.before {
		p.cur.usage.add(p.calls - p.before)
		p.before = p.calls
	}
}

// look reports whether the next call needs [Pin.begin].
func (p *Pin) look() bool { return p.calls%sampling == 0 || p.gone.Load() }

// begin finds what serves now, and returns the clock if the call is sampled.
func (p *Pin) begin() (t time.Time, err error) {
	if p.gone.Load() {
		b, err := p.handle.bind()
		if err != nil {
			return t, err
		}
		p.attach(b)
	}
	p.count()
	if p.calls%(16*sampling) == 0 {
		t = time.Now()
	}
	return t, nil
}

// end counts a call.
func (p *Pin) end(t time.Time, err error) {
	p.calls++
	if err != nil || !t.IsZero() {
		p.cur.usage.note(t, err)
	}
}

// Signature returns the signature of the version that serves now.
func (p *Pin) Signature() *Signature { return p.handle.Signature() }

// Exec runs the function, see [Handle.Exec].
func (p *Pin) Exec(ctx context.Context, c *Call, args []any) (any, error) {
	t, err := p.begin()
	if err != nil {
		return nil, err
	}
	v, err := p.fn.Exec(ctx, c, args)
	if p.cur.missed(err) {
		return p.Exec(ctx, c, args)
	}
	p.end(t, err)
	return v, err
}

// ExecScalar is the [Scalar] lane; ErrUnsupported where the function has none.
func (p *Pin) ExecScalar(ctx context.Context, c *Call, words []uint64) error {
	if p.scalar == nil || p.look() {
		return p.execScalar(ctx, c, words)
	}
	err := p.scalar.ExecScalar(ctx, c, words)
	if err != nil && p.cur.missed(err) {
		return p.execScalar(ctx, c, words)
	}
	p.calls++
	if err != nil {
		p.cur.usage.errors.Add(1)
	}
	return err
}

func (p *Pin) execScalar(ctx context.Context, c *Call, words []uint64) error {
	t, err := p.begin()
	if err != nil {
		return err
	}
	if p.scalar == nil {
		return p.cur.noLane("scalar")
	}
	if err = p.scalar.ExecScalar(ctx, c, words); p.cur.missed(err) {
		return p.execScalar(ctx, c, words)
	}
	p.end(t, err)
	return err
}

// ExecBytes is the [Bytes] lane; ErrUnsupported where the function has none.
func (p *Pin) ExecBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	if p.bytes == nil || p.look() {
		return p.execBytes(ctx, c, dst, args)
	}
	dst, err := p.bytes.ExecBytes(ctx, c, dst, args)
	if err != nil && p.cur.missed(err) {
		return p.execBytes(ctx, c, dst, args)
	}
	p.calls++
	if err != nil {
		p.cur.usage.errors.Add(1)
	}
	return dst, err
}

func (p *Pin) execBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	t, err := p.begin()
	if err != nil {
		return dst, err
	}
	if p.bytes == nil {
		return dst, p.cur.noLane("bytes")
	}
	if dst, err = p.bytes.ExecBytes(ctx, c, dst, args); p.cur.missed(err) {
		return p.execBytes(ctx, c, dst, args)
	}
	p.end(t, err)
	return dst, err
}
