package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// batchWorks are many rows in one call: as columns, and as rows.
func batchWorks() []work {
	return []work{
		{name: "columns: 2a, a value", quick: true, subjects: func(t testing.TB) []subject {
			return columnSubjects(t, "twice", 1, within("P5: at most 3 ns a value", 3))
		}},
		{name: "columns: a + b, a record of 16 B", quick: true, subjects: func(t testing.TB) []subject {
			return columnSubjects(t, "sum", 2, within("P5: at most 6 ns a record", 6))
		}},
		{name: "columns: a + b by a guest that has none, a record", subjects: func(t testing.TB) []subject {
			return columnSubjects(t, "add", 2, nil)
		}},
		{name: "rows: echo of a text in batches of 100, a row", subjects: rowSubjects},
	}
}

// columnRows are in a call of columns: as many as the guest takes at once.
const columnRows = 4000

// columnSet are columns of floats and what their results must be: values, then a
// byte a row that says that there is one.
type columnSet struct{ in, want []byte }

// newColumnSet has so many columns; the result is the sum of a row, or twice its one
// value.
func newColumnSet(args int, first float64) columnSet {
	var s columnSet
	for i := range args {
		for row := range columnRows {
			s.in = binary.LittleEndian.AppendUint64(s.in, math.Float64bits(first+float64(row*(i+1))))
		}
	}
	for row := range columnRows {
		a := first + float64(row)
		b := a
		if args == 2 {
			b = first + float64(row*2)
		}
		s.want = binary.LittleEndian.AppendUint64(s.want, math.Float64bits(a+b))
	}
	s.want = append(s.want, bytes.Repeat([]byte{1}, columnRows)...)
	return s
}

// columnLoop makes n calls, of one set and another in turns, so that no old result
// passes for a new one, and compares all results.
func columnLoop(args int, call func(in, out []byte) error) func(n int) error {
	sets := [2]columnSet{newColumnSet(args, 0.5), newColumnSet(args, 1000)}
	out := make([]byte, len(sets[0].want))
	return func(n int) error {
		for i := range n {
			s := &sets[i%2]
			if err := call(s.in, out); err != nil {
				return err
			}
			if !bytes.Equal(out, s.want) {
				return errWrong
			}
		}
		return nil
	}
}

// columnSubjects call a function of so many floats with columns of them. The floor
// copies them in, calls what the guest exports for columns, and copies them out.
func columnSubjects(t testing.TB, name string, args int, promises []promise) []subject {
	r := newRaw(t, guest)
	export := name
	if name == "add" { // it has none, and sum does the same
		export = "sum"
	}
	call := r.call(t, "fc_"+export)
	words := make([]uint64, 3)
	ctx := context.Background()
	f := function(t, guestHost(t), name)
	return []subject{
		{name: "raw wazero, copied in and out", per: columnRows, run: columnLoop(args, func(in, out []byte) error {
			const at = 131072
			results := at + uint32(len(in))
			r.memory.Write(at, in)
			words[0], words[1], words[2] = columnRows, at, uint64(results)
			if err := call(words); err != nil || uint32(words[0]) != 0 {
				return errors.Join(errWrong, err)
			}
			b, _ := r.memory.Read(results, 8*columnRows)
			copy(out, b)
			valid := out[8*columnRows:]
			for i := range valid {
				valid[i] = 1
			}
			return nil
		})},
		{name: "handle", per: columnRows, promises: promises, run: columnLoop(args, func(in, out []byte) error {
			return f.ExecColumns(ctx, nil, columnRows, in, out)
		})},
	}
}

// batchRows are in a batch of rows.
const batchRows = 100

// rowSubjects echo a short text a row. The floor calls the guest once a row.
func rowSubjects(t testing.TB) []subject {
	f := function(t, guestHost(t), "echo")
	batch, want := frame.AppendArrayHeader(nil, batchRows), frame.AppendArrayHeader(nil, batchRows)
	var row []byte
	for i := range batchRows {
		text := fmt.Sprintf("text-%02d", i)
		row = frame.AppendString(frame.AppendArrayHeader(nil, 1), text)
		batch = append(batch, row...)
		want = frame.AppendString(want, text)
	}
	r := newRaw(t, guest)
	call := r.call(t, "fx_echo")
	head := len(frame.AppendArrayHeader(nil, batchRows))
	one := func(dst, batch []byte) ([]byte, error) {
		dst = append(dst, batch[:head]...)
		words := make([]uint64, 2)
		for rows := batch[head:]; len(rows) > 0; rows = rows[len(row):] {
			r.memory.Write(131072, rows[:len(row)])
			words[0], words[1] = 131072, uint64(len(row))
			if err := call(words); err != nil {
				return nil, err
			}
			out, _ := r.memory.Read(uint32(words[0]>>32), uint32(words[0]))
			dst = append(dst, out...)
		}
		return dst, nil
	}
	many := func(dst, batch []byte) ([]byte, error) { return f.ExecBatch(context.Background(), nil, dst, batch) }
	if _, err := many(nil, batch); errors.Is(err, host.ErrUnsupported) {
		t.Skip("SKIPPED:", err)
	}
	loop := func(exec func(dst, batch []byte) ([]byte, error)) func(n int) error {
		var out []byte
		return func(n int) (err error) {
			for range n {
				clear(out)
				if out, err = exec(out[:0], batch); err != nil {
					return err
				}
				if !bytes.Equal(out, want) {
					return errWrong
				}
			}
			return nil
		}
	}
	return []subject{
		{name: "raw wazero, a call a row", per: batchRows, run: loop(one)},
		{name: "handle", per: batchRows, run: loop(many)},
	}
}
