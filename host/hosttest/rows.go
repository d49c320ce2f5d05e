package hosttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// rowsChecks are those of the lanes that take many rows: B is host.Batch, which a
// kit's functions may have, and C host.Columns, which its Sums have.
func rowsChecks() []runtimeCheck {
	return []runtimeCheck{
		{"B a batch is answered row by row", checkBatch},
		{"B a batch that fails leaves the buffer and the others as they were", checkBatchFault},
		{"B a batch ends with its context", checkBatchContext},
		{"B a batch after close fails", checkBatchClosed},
		{"C columns are answered row by row", checkColumns},
		{"C buffers of other sizes are refused", checkColumnSizes},
		{"C columns end with their context and their module", checkColumnsEnd},
	}
}

// batchOf is a function of the kit with the lane; a nil lane for none.
func (b *runtimeBench) batchOf(name string) (host.Module, host.Function, host.Batch, error) {
	m, f, err := b.function(name)
	if err != nil {
		return nil, nil, nil, err
	}
	lane, _ := f.(host.Batch)
	return m, f, lane, nil
}

func checkBatch(b *runtimeBench) error {
	_, _, lane, err := b.batchOf("echo")
	if err != nil || lane == nil {
		return err
	}
	values := []any{"x", int64(7), -2.5, true, "text \u00e9", nil, int64(-70_000), ""}
	for _, n := range []int{0, 1, 15, 16, 300} {
		rows, want := make([]any, n), make([]any, n)
		for i := range rows {
			v := values[i%len(values)]
			rows[i], want[i] = []any{v}, b.through(v)
		}
		in, err := frame.Append(nil, rows)
		if err != nil {
			return err
		}
		before := bytes.Clone(in)
		out, err := lane.ExecBatch(b.ctx, nil, []byte("kept"), in)
		if err != nil {
			return fmt.Errorf("%d rows: %w", n, err)
		}
		rest, kept := bytes.CutPrefix(out, []byte("kept"))
		got, err := frame.Decode(rest)
		if err != nil || !kept || !bytes.Equal(in, before) || !reflect.DeepEqual(got, any(want)) {
			return fmt.Errorf("%d rows: %.300v, the buffer begins with %.10q, error %w", n, got, out, err)
		}
	}
	return nil
}

func checkBatchFault(b *runtimeBench) error {
	m, _, lane, err := b.batchOf("fail")
	if err != nil || lane == nil {
		return err
	}
	echo, err := m.Function("echo")
	if err != nil {
		return err
	}
	dst := []byte("kept")
	out, err := lane.ExecBatch(b.ctx, nil, dst, []byte{0x92, 0x90, 0x90})
	if err != nil {
		if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Symbol != "fail" || string(out) != "kept" {
			return fmt.Errorf("the buffer is %.20q, error %w", out, err)
		}
		return b.wantEcho(echo, "still here")
	}
	v, err := frame.Decode(out[len(dst):])
	list, _ := v.([]any)
	if err != nil || len(list) != 2 {
		return fmt.Errorf("fail, twice: %v, %w", v, err)
	}
	for _, e := range list {
		if _, ok := e.(*frame.Error); !ok {
			return fmt.Errorf("fail answered %v", e)
		}
	}
	return b.wantEcho(echo, "still here")
}

func checkBatchContext(b *runtimeBench) error {
	m, _, lane, err := b.batchOf("spin")
	if err != nil || lane == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	out, err := lane.ExecBatch(ctx, nil, []byte("kept"), []byte{0x91, 0x90})
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || string(out) != "kept" || took > 5*time.Second {
		return fmt.Errorf("the buffer is %.20q, error %w after %v", out, err, took)
	}
	echo, err := m.Function("echo")
	if err != nil {
		return err
	}
	return b.wantEcho(echo, "still here")
}

func checkBatchClosed(b *runtimeBench) error {
	m, _, lane, err := b.batchOf("echo")
	if err != nil || lane == nil {
		return err
	}
	if err := m.Close(b.ctx); err != nil {
		return err
	}
	out, err := lane.ExecBatch(b.ctx, nil, []byte("kept"), []byte{0x91, 0x91, 1})
	if !errors.Is(err, host.ErrClosed) || string(out) != "kept" {
		return fmt.Errorf("the buffer is %.20q, error %w", out, err)
	}
	return nil
}

// eachSum loads the kit with its sums, and has each judged.
func (b *runtimeBench) eachSum(judge func(host.Module, host.Columns, *host.Signature) error) error {
	if len(b.kit.Sums) == 0 {
		return nil
	}
	m := b.manifest()
	m.Functions = b.kit.Sums
	m.Symbols = map[string]host.Signature{}
	for _, name := range b.kit.Sums {
		m.Symbols[name] = host.Signature{Args: []host.Type{host.TypeF64, host.TypeF64}, Returns: host.TypeF64}
	}
	for _, name := range b.kit.Sums {
		bundle, err := b.bundle(b.kit.Files, m)
		if err != nil {
			return err
		}
		module, err := b.Load(b.ctx, bundle)
		if err != nil {
			return err
		}
		f, err := module.Function(name)
		if err != nil {
			return err
		}
		lane, ok := f.(host.Columns)
		if !ok {
			return fmt.Errorf("%s has no columns", name)
		}
		if err := judge(module, lane, f.Signature()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func checkColumns(b *runtimeBench) error {
	return b.eachSum(func(_ host.Module, lane host.Columns, _ *host.Signature) error {
		for _, rows := range []int{0, 1, 7, 8, 1000, 10_001} {
			if err := b.wantSums(lane, rows); err != nil {
				return fmt.Errorf("%d rows: %w", rows, err)
			}
		}
		return nil
	})
}

func (b *runtimeBench) wantSums(lane host.Columns, rows int) error {
	in, out := make([]byte, 16*rows), bytes.Repeat([]byte{0xaa}, 9*rows)
	le := binary.LittleEndian
	for k := range rows {
		le.PutUint64(in[8*k:], math.Float64bits(float64(k)))
		le.PutUint64(in[8*(rows+k):], math.Float64bits(0.5))
	}
	before := bytes.Clone(in)
	if err := lane.ExecColumns(b.ctx, nil, rows, in, out); err != nil {
		return err
	}
	if !bytes.Equal(in, before) {
		return errors.New("the arguments were changed")
	}
	for k := range rows {
		if got := math.Float64frombits(le.Uint64(out[8*k:])); got != float64(k)+0.5 || out[8*rows+k] != 1 {
			return fmt.Errorf("row %d is %v, valid %d", k, got, out[8*rows+k])
		}
	}
	return nil
}

func checkColumnSizes(b *runtimeBench) error {
	return b.eachSum(func(_ host.Module, lane host.Columns, s *host.Signature) error {
		in, out, err := s.ColumnSizes(3)
		if err != nil || in != 48 || out != 27 {
			return fmt.Errorf("3 rows have %d and %d bytes, %w", in, out, err)
		}
		for _, c := range [][3]int{{3, 40, 27}, {3, 56, 27}, {3, 48, 24}, {3, 48, 32}, {-1, 0, 0}, {1, 0, 0}} {
			if err := lane.ExecColumns(b.ctx, nil, c[0], make([]byte, c[1]), make([]byte, c[2])); !errors.Is(err, host.ErrInvalid) {
				return fmt.Errorf("%d rows in %d and %d bytes: %w", c[0], c[1], c[2], err)
			}
		}
		return nil
	})
}

func checkColumnsEnd(b *runtimeBench) error {
	return b.eachSum(func(m host.Module, lane host.Columns, _ *host.Signature) error {
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		if err := lane.ExecColumns(ctx, nil, 1, make([]byte, 16), make([]byte, 9)); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("a context that has ended: %w", err)
		}
		if err := errors.Join(b.wantSums(lane, 10), m.Close(b.ctx)); err != nil {
			return err
		}
		if err := lane.ExecColumns(b.ctx, nil, 1, make([]byte, 16), make([]byte, 9)); !errors.Is(err, host.ErrClosed) {
			return fmt.Errorf("after close: %w", err)
		}
		return nil
	})
}
