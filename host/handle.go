package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Handle is a function resolved by name. It is safe for concurrent use and
// follows its function through updates: a call that began on the old module
// ends there, the next one runs on the new. While no plugin exports the name,
// calls fail with ErrUnavailable or ErrNotFound; when one does again they go
// on.
//
// A call uses what the plugin keeps for the processor that it runs on: no lock, no map,
// no allocation, and no word that two processors write. A handle holds no reference: a
// module knows its calls in flight, and refuses those that come late
// with ErrClosed. Such a call did not begin, and is given to the successor.
type Handle struct {
	reg  *registry
	name string
	cur  atomic.Pointer[binding]
	runs sync.Pool // of *run, the buffers of batches
}

// Name returns the name that was resolved.
func (f *Handle) Name() string { return f.name }

// bind returns the binding that serves now.
func (f *Handle) bind() (*binding, error) {
	if b := f.cur.Load(); !b.owner.gone.Load() {
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
		if !b.owner.gone.Load() {
			f.cur.Store(b)
			return b, nil
		}
		// Withdrawn since the look-up. Its successor was published before it
		// was withdrawn, so the next look-up sees further, unless the host is
		// closing.
		if f.reg.closed.Load() {
			return nil, Errorf(ErrClosed, "function %s: the host is closed", f.name)
		}
	}
}

// Signature returns the signature of the version that serves now.
func (f *Handle) Signature() *Signature {
	b, err := f.bind()
	if err != nil {
		b = f.cur.Load()
	}
	return b.signature
}

// Validate judges arguments, see [Function].
func (f *Handle) Validate(args []any) error {
	b, err := f.bind()
	if err != nil {
		return err
	}
	if err = b.fn.Validate(args); b.missed(err) {
		return f.Validate(args)
	}
	return err
}

// Exec runs the function, see [Function]. A nil c is a call from outside any
// rule.
func (f *Handle) Exec(ctx context.Context, c *Call, args []any) (any, error) {
	b, err := f.bind()
	if err != nil {
		return nil, err
	}
	k, at := b.owner.take()
	v, err := k.of(b).exec(ctx, c, args)
	b.owner.keeps.Put(at)
	if err != nil && b.missed(err) {
		return f.Exec(ctx, c, args)
	}
	return v, err
}

// ExecScalar is the [Scalar] lane; ErrUnsupported where the function has none.
func (f *Handle) ExecScalar(ctx context.Context, c *Call, words []uint64) error {
	b := f.cur.Load()
	at := b.owner.keeps.Get()
	u := at.Thing.next(b)
	if u == nil || !u.scalarNext() {
		b.owner.keeps.Put(at)
		return f.execScalar(ctx, c, nil, words)
	}
	err := u.scalar.ExecScalar(ctx, c, words)
	if err == nil {
		u.calls.Add(1)
		b.owner.keeps.Put(at)
		return nil
	}
	u.end(time.Time{}, err)
	b.owner.keeps.Put(at)
	if b.missed(err) {
		return f.execScalar(ctx, c, nil, words)
	}
	return err
}

// ExecScalarAs is ExecScalar for words that were made for a signature: ErrUnsupported, and nothing is run, where the
// version that serves has another one.
func (f *Handle) ExecScalarAs(ctx context.Context, c *Call, sig *Signature, words []uint64) error {
	return f.execScalar(ctx, c, sig, words)
}

// execScalar is ExecScalarAs; a sig of nil is any.
func (f *Handle) execScalar(ctx context.Context, c *Call, sig *Signature, words []uint64) error {
	b, err := f.bind()
	if err != nil {
		return err
	}
	if sig != nil && b.signature != sig {
		return b.changed(sig)
	}
	k, at := b.owner.take()
	err = k.of(b).execScalar(ctx, c, words)
	b.owner.keeps.Put(at)
	if err != nil && b.missed(err) {
		return f.execScalar(ctx, c, sig, words)
	}
	return err
}

// ExecBytes is the [Bytes] lane; ErrUnsupported where the function has none.
func (f *Handle) ExecBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	b := f.cur.Load()
	at := b.owner.keeps.Get()
	u := at.Thing.next(b)
	if u == nil || !u.bytesNext() {
		b.owner.keeps.Put(at)
		return f.execBytes(ctx, c, dst, args)
	}
	out, err := u.bytes.ExecBytes(ctx, c, dst, args)
	if err == nil {
		u.calls.Add(1)
		b.owner.keeps.Put(at)
		return out, nil
	}
	u.end(time.Time{}, err)
	b.owner.keeps.Put(at)
	if b.missed(err) {
		return f.execBytes(ctx, c, dst, args)
	}
	return out, err
}

// execBytes is ExecBytes for all calls.
func (f *Handle) execBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error) {
	b, err := f.bind()
	if err != nil {
		return dst, err
	}
	k, at := b.owner.take()
	dst, err = k.of(b).execBytes(ctx, c, dst, args)
	b.owner.keeps.Put(at)
	if err != nil && b.missed(err) {
		return f.execBytes(ctx, c, dst, args)
	}
	return dst, err
}

// ExecMetered is the [Metered] lane. Where the function has none it is Exec, and
// the fuel is 0.
func (f *Handle) ExecMetered(ctx context.Context, c *Call, args []any) (v any, fuel uint64, err error) {
	b, err := f.bind()
	if err != nil {
		return nil, 0, err
	}
	k, at := b.owner.take()
	v, fuel, err = k.of(b).execMetered(ctx, c, args)
	b.owner.keeps.Put(at)
	if err != nil && b.missed(err) {
		return f.ExecMetered(ctx, c, args)
	}
	return v, fuel, err
}

// binding ties a published name to one function of one module.
type binding struct {
	name      string
	owner     *entry
	index     int // among the owner's
	signature *Signature
	fn        Function // nil when the owner cannot run
	scalar    Scalar   // fn, if it has the lane
	bytes     Bytes    // fn, if it has the lane
	batch     Batch    // fn, if it has the lane
	columns   Columns  // fn, if it has the lane and its signature columns
	metered   Metered  // fn, if it has the lane
	usage     *usage   // shared by all generations of the plugin
}

// missed tells that a call did not begin because its module was closed in the
// moment between bind and call; another one may have taken its place.
func (b *binding) missed(err error) bool { return err != nil && b.refused(err) }

// refused is apart so that missed is inlined.
func (b *binding) refused(err error) bool { return b.owner.gone.Load() && errors.Is(err, ErrClosed) }

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

func (b *binding) changed(was *Signature) error {
	return Errorf(ErrUnsupported, "function %s is %s by now, and the words are for %s: encode them anew", b.name, b.signature, was)
}

func (b *binding) noLane(lane string) error {
	return Errorf(ErrUnsupported, "function %s %s has no %s lane", b.name, b.signature, lane)
}
