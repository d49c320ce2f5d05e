package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// Signature implements host.Function.
func (f *function) Signature() *host.Signature { return &f.signature }

// Validate implements host.Function.
func (f *function) Validate(args []any) error { return f.signature.Check(args) }

// skips reports whether a null argument makes the result null.
func (f *function) skips(args []any) bool {
	if f.signature.NullCall || f.signature.Aggregate {
		return false
	}
	for _, a := range args {
		if a == nil {
			return f.signature.Variadic || len(args) == len(f.signature.Args)
		}
	}
	return false
}

// direct is a function whose arguments and results are WebAssembly numbers.
type direct struct{ door }

var (
	_ host.Function = (*direct)(nil)
	_ host.Scalar   = (*direct)(nil)
	_ host.Metered  = (*direct)(nil)
)

// ExecScalar implements host.Scalar.
func (f *direct) ExecScalar(ctx context.Context, c *host.Call, words []uint64) error {
	if n := max(1, len(f.signature.Args), len(f.results)); len(words) < n {
		return host.Errorf(host.ErrInvalid, "%s: found %d words, expected %d", f.name, len(words), n)
	}
	in, err := f.enter(ctx, c)
	if err != nil {
		return f.wrap(err)
	}
	if err := in.invoke(in.entry(f.function), words); err != nil {
		err = f.module.fault(f.name, in, err)
		f.leave(in, err)
		return err
	}
	f.leave(in, nil)
	return nil
}

// Exec implements host.Function.
func (f *direct) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	return f.exec(ctx, c, args, nil)
}

// ExecMetered implements host.Metered.
func (f *direct) ExecMetered(ctx context.Context, c *host.Call, args []any) (v any, fuel uint64, err error) {
	v, err = f.exec(ctx, c, args, &fuel)
	return v, fuel, err
}

// exec runs the function; fuel gets what the call used, unless it is nil.
func (f *direct) exec(ctx context.Context, c *host.Call, args []any, fuel *uint64) (any, error) {
	if f.skips(args) {
		return nil, nil
	}
	if len(args) != len(f.signature.Args) {
		return nil, f.wrap(f.signature.Check(args))
	}
	in, err := f.enter(ctx, c)
	if err != nil {
		return nil, f.wrap(err)
	}
	stack := in.stack[:max(len(args), len(f.results))]
	if err := f.signature.Words(stack, args); err != nil {
		f.leave(in, nil)
		return nil, f.wrap(err)
	}
	before := in.usedBy(fuel)
	err = in.invoke(in.entry(f.function), stack)
	in.gauge(fuel, before)
	if err != nil {
		err = f.module.fault(f.name, in, err)
		f.leave(in, err)
		return nil, err
	}
	v := f.value(stack)
	f.leave(in, nil)
	return v, nil
}

// value boxes the results: one as a scalar, several as a list, none as null.
func (f *direct) value(stack []uint64) any {
	switch len(f.results) {
	case 0:
		return nil
	case 1:
		return f.results[0].Value(stack[0])
	}
	list := make([]any, len(f.results))
	for i, t := range f.results {
		list[i] = t.Value(stack[i])
	}
	return list
}

// wrap names the function in an error that is not the guest's.
func (f *function) wrap(err error) error { return fmt.Errorf("%s: %w", f.name, err) }

// packed is a function whose arguments and result travel as frames.
type packed struct{ door }

var (
	_ host.Function = (*packed)(nil)
	_ host.Bytes    = (*packed)(nil)
	_ host.Metered  = (*packed)(nil)
)

// ExecBytes implements host.Bytes.
func (f *packed) ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error) {
	in, err := f.enter(ctx, c)
	if err != nil {
		return dst, f.wrap(err)
	}
	to, err := in.room(ctx, len(args))
	if err == nil {
		copy(to, args)
		var r uint64
		if r, err = in.packed(len(args)); err == nil {
			return f.appendResult(in, dst, r)
		}
	}
	err = f.module.fault(f.name, in, err)
	f.leave(in, err)
	return dst, err
}

// appendResult appends the frame of a result and gives the instance back.
func (f *packed) appendResult(in *instance, dst []byte, r uint64) ([]byte, error) {
	if r == 0 {
		f.leave(in, nil)
		return frame.AppendNil(dst), nil
	}
	ptr, n, isError := unpack(r)
	if isError {
		_, fault, err := in.result(r)
		err = f.module.badResult(f.name, in, fault, err)
		f.leave(in, err)
		return dst, err
	}
	b, fault, err := in.resultBytes(ptr, n)
	if err == nil && !plainBytes(b) {
		err, fault = frame.Valid(b), host.FaultResult
	}
	if err != nil {
		err = f.module.badResult(f.name, in, fault, err)
		f.leave(in, err)
		return dst, err
	}
	dst = append(dst, b...)
	f.leave(in, nil)
	return dst, nil
}

// plainBytes reports whether b is the frame of bytes and nothing more, as most are that are
// long; others are for frame.Valid.
func plainBytes(b []byte) bool {
	switch {
	case len(b) >= 2 && b[0] == 0xc4:
		return len(b) == 2+int(b[1])
	case len(b) >= 3 && b[0] == 0xc5:
		return len(b) == 3+int(binary.BigEndian.Uint16(b[1:]))
	case len(b) >= 5 && b[0] == 0xc6:
		return uint64(len(b)) == 5+uint64(binary.BigEndian.Uint32(b[1:]))
	}
	return false
}

// Exec implements host.Function.
func (f *packed) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	return f.exec(ctx, c, args, nil)
}

// ExecMetered implements host.Metered.
func (f *packed) ExecMetered(ctx context.Context, c *host.Call, args []any) (v any, fuel uint64, err error) {
	v, err = f.exec(ctx, c, args, &fuel)
	return v, fuel, err
}

// exec runs the function; fuel gets what the call used, unless it is nil.
func (f *packed) exec(ctx context.Context, c *host.Call, args []any, fuel *uint64) (any, error) {
	if f.skips(args) {
		return nil, nil
	}
	if err := f.signature.Check(args); err != nil {
		return nil, f.wrap(err)
	}
	in, err := f.enter(ctx, c)
	if err != nil {
		return nil, f.wrap(err)
	}
	before := in.usedBy(fuel)
	n, err := f.write(ctx, in, args)
	if err != nil && errors.Is(err, host.ErrInvalid) {
		f.leave(in, nil)
		return nil, f.wrap(err)
	}
	var r uint64
	if err == nil {
		r, err = in.packed(n)
	}
	in.gauge(fuel, before)
	if err != nil {
		err = f.module.fault(f.name, in, err)
		f.leave(in, err)
		return nil, err
	}
	v, fault, err := in.result(r)
	if err == nil && v != nil {
		if v, err = f.signature.Returns.Conform(v); err != nil {
			fault = host.FaultResult
		}
	}
	if err != nil {
		err = f.module.badResult(f.name, in, fault, err)
		f.leave(in, err)
		return nil, err
	}
	f.leave(in, nil)
	return v, nil
}

// usedBy is what the instance has used, for a fuel that is asked for.
func (in *instance) usedBy(fuel *uint64) int64 {
	if fuel == nil {
		return 0
	}
	return in.used()
}

// gauge sets a fuel that is asked for to what the instance used since.
func (in *instance) gauge(fuel *uint64, since int64) {
	if fuel != nil {
		*fuel = uint64(max(0, in.used()-since))
	}
}

// write encodes the arguments, in their declared types, straight into the
// guest's buffer where they fit, and returns the frame's length.
func (f *packed) write(ctx context.Context, in *instance, args []any) (int, error) {
	to, err := view(in.memory, in.argPtr, in.argCap)
	if err != nil {
		return 0, err
	}
	b := frame.AppendArrayHeader(to[:0:len(to)], len(args))
	for i, v := range args {
		t := host.TypeAny
		if !f.signature.Variadic && !f.signature.Aggregate {
			t = f.signature.Args[i]
		}
		if b, err = in.appendArg(b, t, v); err != nil {
			return 0, host.Errorf(host.ErrInvalid, "argument %d of %s: %v", i+1, &f.signature, err)
		}
	}
	if len(b) <= len(to) {
		return len(b), nil
	}
	// It has outgrown the buffer, into memory of the host.
	if to, err = in.room(ctx, len(b)); err != nil {
		return 0, err
	}
	return copy(to, b), nil
}

// appendArg encodes one argument that passed the signature's check.
func (in *instance) appendArg(dst []byte, t host.Type, v any) ([]byte, error) {
	if v == nil {
		return frame.AppendNil(dst), nil
	}
	switch t {
	case host.TypeF32, host.TypeF64:
		w, err := host.TypeF64.Word(v)
		return frame.AppendFloat(dst, math.Float64frombits(w)), err
	case host.TypeI32, host.TypeU32, host.TypeI64:
		w, err := host.TypeI64.Word(v)
		return frame.AppendInt(dst, int64(w)), err
	}
	return in.encoder.Append(dst, v)
}

// minBuffer is the least the host asks the guest's buffer to hold, so that
// small arguments of later calls fit too.
const minBuffer = 1 << 10

// room returns n bytes of the guest's buffer for arguments, growing it if need
// be. They are valid until the guest runs again.
func (in *instance) room(ctx context.Context, n int) ([]byte, error) {
	if uint64(n) > uint64(in.argCap) {
		size := uint32(min(max(minBuffer, n+n/4), frame.MaxBytes))
		if n > frame.MaxBytes {
			return nil, fmt.Errorf("arguments of %d bytes: at most %d are allowed", n, frame.MaxBytes)
		}
		stack := in.stack[:1]
		stack[0] = uint64(size)
		if in.buffer == nil {
			in.buffer = in.mod.ExportedFunction(exportBuffer)
		}
		if err := in.run(ctx, in.buffer, stack); err != nil {
			return nil, err
		}
		if in.argPtr, in.argCap = uint32(stack[0]), size; in.argPtr == 0 {
			return nil, fmt.Errorf("%s: the guest has no room for %d bytes of arguments", exportBuffer, n)
		}
	}
	b, err := view(in.memory, in.argPtr, in.argCap)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", exportBuffer, err)
	}
	return b[:n], nil
}

// packed calls the function with a frame of n bytes in the guest's buffer.
func (in *instance) packed(n int) (uint64, error) {
	stack := in.packedWords(n)
	err := in.invoke(in.entry(in.function), stack)
	return stack[0], err
}

// packedWords are the arguments of such a call.
func (in *instance) packedWords(n int) []uint64 {
	if f := in.function; f.kind == kindDispatch {
		in.stack[0], in.stack[1], in.stack[2] = uint64(f.dispatch), uint64(in.argPtr), uint64(n)
		return in.stack[:3]
	}
	in.stack[0], in.stack[1] = uint64(in.argPtr), uint64(n)
	return in.stack[:2]
}

// result decodes a packed result into memory of the host. The fault belongs to
// the error.
func (in *instance) result(r uint64) (any, host.Fault, error) {
	if r == 0 {
		return nil, "", nil
	}
	ptr, n, isError := unpack(r)
	b, fault, err := in.resultBytes(ptr, n)
	if err != nil {
		return nil, fault, err
	}
	v, err := in.decoder.Decode(b)
	if err != nil && in.late() {
		return nil, host.FaultDeadline, fmt.Errorf("its result was not read within %v: %w", in.module.grant.timeout, context.DeadlineExceeded)
	}
	if err != nil {
		return nil, host.FaultResult, err
	}
	if returned, ok := v.(*frame.Error); ok {
		return nil, host.FaultReturned, returned
	}
	if isError {
		return nil, host.FaultResult, fmt.Errorf("found %s, which is said to be an error and is no error value", host.Describe(v))
	}
	return v, "", nil
}

// badResult makes the error of a call from what its result said.
func (m *module) badResult(symbol string, in *instance, fault host.Fault, err error) error {
	g := &host.GuestError{
		Plugin: m.bundle.Plugin.ID, Version: m.bundle.Plugin.Manifest.Version,
		Symbol: symbol, Fault: fault, Output: in.out.String(), Err: err,
	}
	if e, ok := errors.AsType[*frame.Error](err); ok {
		g.Class = e.Class
		if len(e.Msg) > maxMessage {
			e.Msg = strings.ToValidUTF8(e.Msg[:maxMessage], "") + "..."
		}
	}
	return g
}

// maxMessage bounds what is kept of an error that a guest returned, in bytes.
const maxMessage = 4 << 10
