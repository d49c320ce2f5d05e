package wasm

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// The exports that take many rows at once, beside the one that takes a row.
const (
	prefixBatch   = "fb_"
	prefixColumns = "fc_"
)

var typeColumns = funcType{[]api.ValueType{i32, i32, i32}, []api.ValueType{i32}}

// bindMany finds the exports of f that take many rows. They are called on behalf of
// f, and have entries of their own.
func (m *module) bindMany(bad *problems, f *function, expect func(string, funcType) bool) {
	entry := func(export string) *function {
		m.packed = true // they need the buffer too
		m.entries++
		return &function{module: m, name: f.name, export: export, kind: kindPacked, index: m.entries - 1}
	}
	if export := prefixBatch + f.name; expect(export, typePacked) {
		f.rows = entry(export)
	}
	if export := prefixColumns + f.name; expect(export, typeColumns) {
		f.columns = entry(export)
		if err := f.signature.Columnar(); err != nil {
			bad.add("export %s: %v", export, err)
		}
	}
}

// lanes is the function with the lanes that its exports make.
func (f *function) lanes() host.Function {
	d := door{function: f}
	switch {
	case f.kind == kindDirect && f.rows != nil:
		return &directBatch{direct{d}}
	case f.kind == kindDirect:
		return &direct{d}
	case f.rows != nil && f.columns != nil:
		return &packedMany{packedBatch{packed{d}}}
	case f.rows != nil:
		return &packedBatch{packed{d}}
	case f.columns != nil:
		return &packedColumns{packed{d}}
	}
	return &packed{d}
}

// directBatch is a direct function that also takes batches. A pin of it, and of those below, takes none.
type directBatch struct{ direct }

// packedBatch is a packed function that also takes batches.
type packedBatch struct{ packed }

// packedColumns is a packed function that also takes columns.
type packedColumns struct{ packed }

// packedMany is a packed function that also takes both.
type packedMany struct{ packedBatch }

var (
	_ host.Batch   = (*directBatch)(nil)
	_ host.Columns = (*directBatch)(nil)
	_ host.Batch   = (*packedBatch)(nil)
	_ host.Columns = (*packedColumns)(nil)
	_ host.Batch   = (*packedMany)(nil)
	_ host.Columns = (*packedMany)(nil)
)

// ExecBatch implements host.Batch.
func (f *directBatch) ExecBatch(ctx context.Context, c *host.Call, dst, rows []byte) ([]byte, error) {
	return f.batch(ctx, c, dst, rows)
}

// ExecBatch implements host.Batch.
func (f *packedBatch) ExecBatch(ctx context.Context, c *host.Call, dst, rows []byte) ([]byte, error) {
	return f.batch(ctx, c, dst, rows)
}

// ExecColumns implements host.Columns.
func (f *packedColumns) ExecColumns(ctx context.Context, c *host.Call, rows int, in, out []byte) error {
	return f.cross(ctx, c, rows, in, out)
}

// ExecColumns implements host.Columns.
func (f *packedMany) ExecColumns(ctx context.Context, c *host.Call, rows int, in, out []byte) error {
	return f.cross(ctx, c, rows, in, out)
}

// batch calls the export that takes rows, once.
func (d door) batch(ctx context.Context, c *host.Call, dst, rows []byte) ([]byte, error) {
	read := frame.Read(rows)
	n, err := read.Array()
	if err != nil {
		return dst, d.wrap(host.Errorf(host.ErrInvalid, "the rows: %v", err))
	}
	in, err := d.enter(ctx, c)
	if err != nil {
		return dst, d.wrap(err)
	}
	to, err := in.room(ctx, len(rows))
	if err == nil {
		copy(to, rows)
		stack := in.stack[:2]
		stack[0], stack[1] = uint64(in.argPtr), uint64(len(rows))
		if err = in.invoke(in.entry(d.rows), stack); err == nil {
			out, err := d.appendResults(in, dst, stack[0], n)
			d.leave(in, err)
			return out, err
		}
	}
	err = d.module.fault(d.name, in, err)
	d.leave(in, err)
	return dst, err
}

// appendResults appends what the export answered to n rows, which must be a sound
// list of as many results.
func (d door) appendResults(in *instance, dst []byte, r uint64, n int) ([]byte, error) {
	ptr, size, isError := unpack(r)
	if isError {
		_, fault, err := in.result(r)
		return dst, d.module.badResult(d.name, in, fault, err)
	}
	if r == 0 {
		return dst, d.module.badResult(d.name, in, host.FaultResult, fmt.Errorf("found null, expected a list of %d results", n))
	}
	b, fault, err := in.resultBytes(ptr, size)
	if err != nil {
		return dst, d.module.badResult(d.name, in, fault, err)
	}
	read := frame.Read(b)
	found, err := read.Array()
	switch {
	case err != nil:
		err = fmt.Errorf("%w (of %d results)", err, n)
	case found != n:
		err = fmt.Errorf("found %d results, expected %d, one a row", found, n)
	default:
		err = read.End()
	}
	if err != nil {
		return dst, d.module.badResult(d.name, in, host.FaultResult, err)
	}
	return append(dst, b...), nil
}
