package wasm

import (
	"context"

	"github.com/vanth-io/vanth/host"
)

// This file is for calls like the one before: of the same function on the same instance, in a time when all is well.
// They do what other calls do, without looking up again what the one before has looked up. Whatever is
// different goes the ordinary way.

// pinnedDirect is direct for one goroutine.
type pinnedDirect struct {
	direct
	words int // that a call needs
}

// ExecScalar implements host.Scalar.
func (f *pinnedDirect) ExecScalar(ctx context.Context, c *host.Call, words []uint64) error {
	p := f.pin
	if !p.quick(ctx, f.function) || len(words) < f.words {
		p.done()
		return f.direct.ExecScalar(ctx, c, words)
	}
	in := p.in
	in.renewQuick(c)
	if err := in.entries[f.index].CallWithStack(in.ctx, words); err != nil || in.talked() {
		if err = in.after(err); err != nil {
			err = f.module.fault(f.name, in, err)
		}
		f.leave(in, err)
		return err
	}
	p.done()
	return nil
}

// pinnedPacked is packed for one goroutine.
type pinnedPacked struct{ packed }

// ExecBytes implements host.Bytes.
func (f *pinnedPacked) ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error) {
	p := f.pin
	if !p.quick(ctx, f.function) || uint64(len(args)) > uint64(p.in.argCap) {
		p.done()
		return f.packed.ExecBytes(ctx, c, dst, args)
	}
	in := p.in
	to, ok := in.memory.Read(in.argPtr, uint32(len(args)))
	if !ok {
		p.done()
		return f.packed.ExecBytes(ctx, c, dst, args)
	}
	copy(to, args)
	in.renewQuick(c)
	words := in.packedWords(len(args))
	if err := in.entries[f.index].CallWithStack(in.ctx, words); err != nil || in.talked() {
		if err = in.after(err); err != nil {
			err = f.module.fault(f.name, in, err)
			f.leave(in, err)
			return dst, err
		}
		return f.appendResult(in, dst, words[0])
	}
	ptr, n, isError := unpack(words[0])
	b, ok := in.memory.Read(ptr, n)
	if isError || !ok || int(n) > f.module.grant.output || !plainBytes(b) {
		return f.appendResult(in, dst, words[0])
	}
	dst = append(dst, b...)
	p.done()
	return dst, nil
}

// quick reports whether the next call may go the quick way. done must follow it.
func (p *pin) quick(ctx context.Context, f *function) bool {
	return p.mark.Begin(&p.pool.recall) && p.in != nil && p.in.function == f && p.breaker.calm() && ctx.Done() == nil
}

// renewQuick is start for an instance whose last call was of the same function, of a plugin whose calls have no limit
// of fuel, by a caller who does not give up.
func (in *instance) renewQuick(c *host.Call) {
	in.call, in.scoped, in.touched = c, false, true
	in.out.n, in.handed, in.began = 0, 0, 0
	if in.caller != nil {
		in.caller = nil
	}
}

// talked reports whether the call left more behind than its result.
func (in *instance) talked() bool { return in.out.n > 0 || in.seated > 0 }
