package wasm

import (
	"context"
	"unsafe"

	"github.com/vanth-io/vanth/host"
)

// This file is for calls like the one before: of the same function on the same instance, of a plugin whose calls have
// no limit of fuel and leave nothing to restore, by callers who do not give up (context.Background), in a time when all
// is well. The call before has left the instance ready for them, see ready, so they begin with nothing but the call.
// Whatever is different goes the ordinary way.
//
// The conditions are written out in each function: a call of one more function costs a tenth of a guest's.

// endless reports whether ctx is the one that most have who do not give up. It is ctx == context.Background(), which is
// equal only to itself, without a call.
func endless(ctx context.Context) bool {
	never := context.Background()
	return *(*[2]uintptr)(unsafe.Pointer(&ctx)) == *(*[2]uintptr)(unsafe.Pointer(&never))
}

// ready has the next call of f go the quick way. The mark is set.
func (p *pin) ready(f *function) {
	if !p.quick {
		return
	}
	p.in.hush()
	if p.next != f {
		p.next, p.entry = f, p.in.entry(f)
	}
}

// hush forgets what a call did, before a call that start does not begin.
func (in *instance) hush() {
	in.scoped, in.stirred, in.caller = false, false, nil
	in.out.n, in.handed, in.began = 0, 0, 0
}

// pinnedDirect is direct for one goroutine.
type pinnedDirect struct {
	direct
	words int // that a call needs
}

// ExecScalar implements host.Scalar.
func (f *pinnedDirect) ExecScalar(ctx context.Context, c *host.Call, words []uint64) error {
	p := f.pin
	if !p.mark.Begin(p.recall) || p.next != f.function || !p.breaker.calm() || !endless(ctx) || len(words) < f.words {
		return f.slow(ctx, c, words)
	}
	in := p.in
	in.call, in.touched = c, true
	if err := p.entry.CallWithStack(in.ctx, words); err != nil || in.stirred || in.out.n > 0 {
		if err = in.after(err); err != nil {
			err = f.module.fault(f.name, in, err)
		}
		f.leave(in, err)
		return err
	}
	if p.mark.End(p.recall) {
		p.giveBack()
	}
	return nil
}

// slow is for calls that are different. The mark is set.
func (f *pinnedDirect) slow(ctx context.Context, c *host.Call, words []uint64) error {
	f.pin.done()
	return f.direct.ExecScalar(ctx, c, words)
}

// pinnedPacked is packed for one goroutine.
type pinnedPacked struct{ packed }

// ExecBytes implements host.Bytes.
func (f *pinnedPacked) ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error) {
	p := f.pin
	if !p.mark.Begin(p.recall) || p.next != f.function || !p.breaker.calm() || !endless(ctx) {
		return f.slow(ctx, c, dst, args)
	}
	in := p.in
	to, ok := in.lease.View(in.argPtr, in.argCap)
	if !ok || len(args) > len(to) {
		return f.slow(ctx, c, dst, args)
	}
	copy(to, args)
	in.call, in.touched = c, true
	words := in.packedWords(len(args))
	if err := p.entry.CallWithStack(in.ctx, words); err != nil || in.stirred || in.out.n > 0 {
		if err = in.after(err); err != nil {
			err = f.module.fault(f.name, in, err)
			f.leave(in, err)
			return dst, err
		}
		return f.appendResult(in, dst, words[0])
	}
	ptr, n, isError := unpack(words[0])
	b, ok := in.lease.View(ptr, n)
	if isError || !ok || int(n) > p.output || !plainBytes(b) {
		return f.appendResult(in, dst, words[0])
	}
	dst = append(dst, b...)
	if p.mark.End(p.recall) {
		p.giveBack()
	}
	return dst, nil
}

// slow is for calls that are different. The mark is set.
func (f *pinnedPacked) slow(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error) {
	f.pin.done()
	return f.packed.ExecBytes(ctx, c, dst, args)
}
