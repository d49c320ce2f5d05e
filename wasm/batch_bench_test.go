package wasm

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// BenchmarkManyRows takes 1,000 rows of add(f64, f64) through each lane, side by side
// with the floor: the same module on wazero and nothing else. It reports the least of
// many short rounds, in nanoseconds a row.
func BenchmarkManyRows(b *testing.B) {
	const rows = 1000
	ctx := context.Background()
	code, _ := assemble(b, "testdata/batch.wat")
	rt := wazero.NewRuntime(ctx)
	b.Cleanup(func() { rt.Close(ctx) })
	mod, err := rt.Instantiate(ctx, code)
	if err != nil {
		b.Fatal(err)
	}
	rawAdd, rawSum, memory := mod.ExportedFunction("fn_add"), mod.ExportedFunction("fc_sum"), mod.Memory()
	h := batchHost(b, Options{}, batchManifest())
	in, out := make([]byte, 16*rows), make([]byte, 9*rows)
	batch := frame.AppendArrayHeader(nil, rows)
	texts := frame.AppendArrayHeader(nil, rows)
	for k := range rows {
		x := float64(k) + 100
		binary.LittleEndian.PutUint64(in[8*k:], math.Float64bits(x))
		binary.LittleEndian.PutUint64(in[8*(rows+k):], math.Float64bits(x))
		batch = frame.AppendFloat(frame.AppendFloat(append(batch, 0x92), x), x)
		texts = frame.AppendFloat(append(texts, 0x91), x)
	}
	stack, words, answer := make([]uint64, 3), make([]uint64, 2), make([]byte, 0, 16*rows)
	var failed error
	columns := func(f *host.Handle) func() {
		return func() { failed = f.ExecColumns(ctx, nil, rows, in, out) }
	}
	rowBatch := func(f *host.Handle, in []byte) func() {
		return func() { _, failed = f.ExecBatch(ctx, nil, answer, in) }
	}
	add := handleOf(b, h, "add")
	subjects := []struct {
		name string
		run  func()
	}{
		{"raw-columns", func() {
			memory.Write(65536, in)
			stack[0], stack[1], stack[2] = rows, 65536, 65536+16*rows
			failed = rawSum.CallWithStack(ctx, stack)
			view, _ := memory.Read(65536+16*rows, 9*rows)
			copy(out, view)
		}},
		{"raw-calls", func() {
			for k := range rows {
				stack[0], stack[1] = binary.LittleEndian.Uint64(in[8*k:]), binary.LittleEndian.Uint64(in[8*(rows+k):])
				failed = rawAdd.CallWithStack(ctx, stack)
				binary.LittleEndian.PutUint64(out[8*k:], stack[0])
			}
		}},
		{"scalar-calls", func() {
			for k := range rows {
				words[0], words[1] = binary.LittleEndian.Uint64(in[8*k:]), binary.LittleEndian.Uint64(in[8*(rows+k):])
				failed = add.ExecScalar(ctx, nil, words)
				binary.LittleEndian.PutUint64(out[8*k:], words[0])
			}
		}},
		{"columns-fc", columns(handleOf(b, h, "sum"))},
		{"columns-loop", columns(add)},
		{"batch-fc", rowBatch(handleOf(b, h, "sum"), batch)},
		{"batch-loop", rowBatch(add, batch)},
		{"batch-fb", rowBatch(handleOf(b, h, "same"), texts)},
		{"batch-bytes", rowBatch(handleOf(b, h, "alone"), texts)},
	}
	least := make([]float64, len(subjects))
	for b.Loop() {
		for i, s := range subjects {
			start := time.Now()
			s.run()
			took := float64(time.Since(start)) / rows
			if failed != nil {
				b.Fatal(s.name, failed)
			}
			if least[i] == 0 || took < least[i] {
				least[i] = took
			}
		}
	}
	for i, s := range subjects {
		b.ReportMetric(least[i], s.name+"-ns/row")
	}
	if slices.Contains(least, 0) {
		b.Fatal(least)
	}
}
