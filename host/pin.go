package host

import (
	"context"
	"sync/atomic"
	"time"
)

// Pin is a [Handle] for one goroutine at a time, which calls often. It follows the
// function through updates as the handle does, and keeps nothing that others wait for:
// a plugin with a pin is updated, removed and shared as one without. A pin that nobody
// holds any more ends as if it were closed.
type Pin struct {
	handle *Handle
	kept   *kept
	use    *use
	gone   *atomic.Bool // whether what use belongs to was withdrawn
}

// Pin returns a pin. Its owner closes it.
func (f *Handle) Pin() (*Pin, error) {
	p := &Pin{handle: f}
	if err := p.follow(); err != nil {
		return nil, err
	}
	return p, nil
}

// Close ends the pin, between calls. It must not be used again.
func (p *Pin) Close() { p.kept.end() }

// follow attaches the pin to what serves now.
func (p *Pin) follow() error {
	b, err := p.handle.bind()
	if err != nil {
		return err
	}
	if p.kept != nil {
		p.kept.end()
	}
	p.kept = b.owner.keep()
	p.use, p.gone = p.kept.of(b), &b.owner.gone
	return nil
}

// ready attaches the pin anew if what it calls was withdrawn.
func (p *Pin) ready() error {
	if p.gone.Load() {
		return p.follow()
	}
	return nil
}

// Signature returns the signature of the version that serves now.
func (p *Pin) Signature() *Signature { return p.handle.Signature() }

// Exec runs the function, see [Handle.Exec].
func (p *Pin) Exec(ctx context.Context, c *Call, args []any) (any, error) {
	if err := p.ready(); err != nil {
		return nil, err
	}
	v, err := p.use.exec(ctx, c, args)
	if err != nil && p.use.binding.missed(err) {
		return p.Exec(ctx, c, args)
	}
	return v, err
}

// ExecMetered is the [Metered] lane, see [Handle.ExecMetered].
func (p *Pin) ExecMetered(ctx context.Context, c *Call, args []any) (v any, fuel uint64, err error) {
	if err := p.ready(); err != nil {
		return nil, 0, err
	}
	v, fuel, err = p.use.execMetered(ctx, c, args)
	if err != nil && p.use.binding.missed(err) {
		return p.ExecMetered(ctx, c, args)
	}
	return v, fuel, err
}

// ExecScalar is the [Scalar] lane; ErrUnsupported where the function has none.
func (p *Pin) ExecScalar(ctx context.Context, c *Call, words []uint64) error {
	if u := p.use; !p.gone.Load() && u.scalarNext() {
		err := u.scalar.ExecScalar(ctx, c, words)
		if err == nil {
			u.calls.Add(1)
			return nil
		}
		if u.end(time.Time{}, err); !u.binding.missed(err) {
			return err
		}
	}
	return p.execScalar(ctx, c, nil, words)
}

// ExecScalarAs is [Handle.ExecScalarAs].
func (p *Pin) ExecScalarAs(ctx context.Context, c *Call, sig *Signature, words []uint64) error {
	return p.execScalar(ctx, c, sig, words)
}

// execScalar is ExecScalarAs; a sig of nil is any.
func (p *Pin) execScalar(ctx context.Context, c *Call, sig *Signature, words []uint64) error {
	if err := p.ready(); err != nil {
		return err
	}
	b := p.use.binding
	if sig != nil && b.signature != sig {
		return b.changed(sig)
	}
	err := p.use.execScalar(ctx, c, words)
	if err != nil && b.missed(err) {
		return p.execScalar(ctx, c, sig, words)
	}
	return err
}

// ExecBytes is the [Bytes] lane; ErrUnsupported where the function has none.
func (p *Pin) ExecBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	if u := p.use; !p.gone.Load() && u.bytesNext() {
		out, err := u.bytes.ExecBytes(ctx, c, dst, args)
		if err == nil {
			u.calls.Add(1)
			return out, nil
		}
		if u.end(time.Time{}, err); !u.binding.missed(err) {
			return out, err
		}
	}
	return p.execBytes(ctx, c, dst, args)
}

// execBytes is ExecBytes for all calls.
func (p *Pin) execBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	if err := p.ready(); err != nil {
		return dst, err
	}
	dst, err := p.use.execBytes(ctx, c, dst, args)
	if err != nil && p.use.binding.missed(err) {
		return p.execBytes(ctx, c, dst, args)
	}
	return dst, err
}
