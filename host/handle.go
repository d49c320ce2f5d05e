package host

import (
	"context"
	"sync/atomic"
)

// Handle is a function resolved by name. It is safe for concurrent use and
// follows its function through updates: a call that began on the old module
// ends there, the next one runs on the new. While no plugin exports the name,
// calls fail with ErrUnavailable or ErrNotFound; when one does again they go
// on.
//
// A call costs an atomic load and a reference count on top of the runtime's
// own price: no lock, no map, no allocation.
type Handle struct {
	reg  *registry
	name string
	cur  atomic.Pointer[binding]
}

// Name returns the name that was resolved.
func (f *Handle) Name() string { return f.name }

// acquire returns the binding that serves now, holding a reference to its
// module; the caller releases it.
func (f *Handle) acquire() (*binding, error) {
	if b := f.cur.Load(); b.owner.lease.acquire() {
		return b, nil
	}
	return f.rebind()
}

// rebind finds the successor of a binding whose module was withdrawn.
func (f *Handle) rebind() (*binding, error) {
	for {
		b, err := f.reg.function(f.name)
		if err != nil {
			return nil, err
		}
		if b.owner.plugin.Err != nil {
			return nil, b.unavailable()
		}
		if b.owner.lease.acquire() {
			f.cur.Store(b)
			return b, nil
		}
		// Withdrawn between look-up and count. Its successor was published
		// before it was withdrawn, so the next look-up sees further, unless
		// the host is closing.
		if f.reg.closed.Load() {
			return nil, Errorf(ErrClosed, "function %s: the host is closed", f.name)
		}
	}
}

// Signature returns the signature of the version that serves now.
func (f *Handle) Signature() *Signature {
	b, err := f.acquire()
	if err != nil {
		b = f.cur.Load()
	} else {
		defer b.owner.lease.release()
	}
	return b.signature
}

// Validate judges arguments, see [Function].
func (f *Handle) Validate(args []any) error {
	b, err := f.acquire()
	if err != nil {
		return err
	}
	defer b.owner.lease.release()
	return b.fn.Validate(args)
}

// Exec runs the function, see [Function]. A nil c is a call from outside any
// rule.
func (f *Handle) Exec(ctx context.Context, c *Call, args []any) (any, error) {
	b, err := f.acquire()
	if err != nil {
		return nil, err
	}
	defer b.owner.lease.release()
	t := b.usage.begin()
	v, err := b.fn.Exec(ctx, c, args)
	b.usage.end(t, err)
	return v, err
}

// ExecScalar is the [Scalar] lane; ErrUnsupported where the function has none.
func (f *Handle) ExecScalar(ctx context.Context, c *Call, words []uint64) error {
	b, err := f.acquire()
	if err != nil {
		return err
	}
	defer b.owner.lease.release()
	if b.scalar == nil {
		return b.noLane("scalar")
	}
	t := b.usage.begin()
	err = b.scalar.ExecScalar(ctx, c, words)
	b.usage.end(t, err)
	return err
}

// ExecBytes is the [Bytes] lane; ErrUnsupported where the function has none.
func (f *Handle) ExecBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	b, err := f.acquire()
	if err != nil {
		return dst, err
	}
	defer b.owner.lease.release()
	if b.bytes == nil {
		return dst, b.noLane("bytes")
	}
	t := b.usage.begin()
	dst, err = b.bytes.ExecBytes(ctx, c, dst, args)
	b.usage.end(t, err)
	return dst, err
}

// binding ties a published name to one function of one module.
type binding struct {
	name      string
	owner     *entry
	signature *Signature
	fn        Function // nil when the owner cannot run
	scalar    Scalar   // fn, if it has the lane
	bytes     Bytes    // fn, if it has the lane
	usage     *usage   // shared by all generations of the plugin
}

func (b *binding) describe() FunctionDesc {
	p := &b.owner.plugin
	return FunctionDesc{
		Name: b.name, Plugin: p.ID, Version: p.Manifest.Version, Runtime: p.Runtime,
		Signature: b.signature, Err: p.Err, Usage: b.usage.read(),
	}
}

func (b *binding) unavailable() error {
	return Errorf(ErrUnavailable, "function %s: plugin %s does not run: %v", b.name, b.owner.plugin.ID, b.owner.plugin.Err)
}

func (b *binding) noLane(lane string) error {
	return Errorf(ErrUnsupported, "function %s %s has no %s lane", b.name, b.signature, lane)
}
