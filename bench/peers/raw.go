package main

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host/frame"
)

const floorName = "raw wazero"

// scratch is where work.wat takes arguments.
const scratch = 65536

// rawInstance is the guest on wazero and nothing else: no limit of time or memory,
// no isolation of faults, no way to update it.
type rawInstance struct {
	add, echo, fib api.Function
	memory         api.Memory
	stack          [2]uint64
}

// openRaw makes the floor.
func openRaw(ctx context.Context, s *subject, b *bench) error {
	rt := wazero.NewRuntime(ctx)
	s.onClose(func() error { return rt.Close(ctx) })
	compiled, err := rt.CompileModule(ctx, b.guests.work)
	if err != nil {
		return err
	}
	instance := func() (*rawInstance, error) {
		mod, err := rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			return nil, err
		}
		return &rawInstance{
			add: mod.ExportedFunction("fn_add"), echo: mod.ExportedFunction("fx_echo"),
			fib: mod.ExportedFunction("fn_fib"), memory: mod.Memory(),
		}, nil
	}
	r, err := instance()
	if err != nil {
		return err
	}
	s.add = func(a, b int64) (int64, error) {
		r.stack[0], r.stack[1] = uint64(a), uint64(b)
		err := r.add.CallWithStack(ctx, r.stack[:])
		return int64(r.stack[0]), err
	}
	s.fib = func(n int64) (int64, error) {
		r.stack[0] = uint64(n)
		err := r.fib.CallWithStack(ctx, r.stack[:])
		return int64(r.stack[0]), err
	}
	s.echo = func(size int, own bool) (*echoer, error) {
		r := r
		if own {
			if r, err = instance(); err != nil {
				return nil, err
			}
		}
		return newFramedEchoer(size, func(dst, args []byte) ([]byte, error) { return r.exchange(ctx, dst, args) })
	}
	// There is no map without a codec: this one is Vanth's.
	var args, out []byte
	var decoder frame.Decoder
	boxes := make([]any, 1)
	s.row = rowOf(func(m map[string]any) (any, error) {
		var err error
		boxes[0] = m
		if args, err = frame.AppendArgs(args[:0], boxes); err != nil {
			return nil, err
		}
		if out, err = r.exchange(ctx, out[:0], args); err != nil {
			return nil, err
		}
		return decoder.Decode(out)
	})
	return nil
}

// exchange copies a frame into the guest, calls it and copies the result out.
func (r *rawInstance) exchange(ctx context.Context, dst, args []byte) ([]byte, error) {
	if !r.memory.Write(scratch, args) {
		return dst, fmt.Errorf("%d bytes do not fit into the guest", len(args))
	}
	r.stack[0], r.stack[1] = scratch, uint64(len(args))
	if err := r.echo.CallWithStack(ctx, r.stack[:]); err != nil {
		return dst, err
	}
	out, ok := r.memory.Read(uint32(r.stack[0]>>32), uint32(r.stack[0]))
	if !ok {
		return dst, fmt.Errorf("found the result %x outside of memory", r.stack[0])
	}
	return append(dst, out...), nil
}

// newFramedEchoer makes an echoer of a function that takes an encoded list of
// arguments and returns an encoded value. The payload lies in the frame, as it does
// when it is read into one; only the frame's head is written before.
func newFramedEchoer(size int, call func(dst, args []byte) ([]byte, error)) (*echoer, error) {
	args, err := frame.AppendArgs(nil, []any{make([]byte, size)})
	if err != nil {
		return nil, err
	}
	head := len(args) - size
	return &echoer{payload: args[head:], call: func(dst []byte) ([]byte, error) {
		out, err := call(dst, args)
		if err != nil || len(out) < head-1 {
			return nil, fmt.Errorf("found a frame of %d bytes: %w", len(out), err)
		}
		return out[head-1:], nil // the result has no head of a list
	}}, nil
}
