package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// rowGuests are the modules of testdata/rows: each misbehaves where it is given many
// rows at once.
func rowGuests(t *testing.T) (list []guest) {
	files, err := filepath.Glob("testdata/rows/*.wat")
	if err != nil || len(files) < 25 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		code, d := assemble(t, f)
		list = append(list, guest{strings.TrimSuffix(filepath.Base(f), ".wat"), code, d})
	}
	return list
}

// TestManyRowsFaults: each way of misbehaving with many rows is the error of that
// call, of the right kind, twice in a row, and leaves the buffers of the caller and
// the plugin as they were.
func TestManyRowsFaults(t *testing.T) {
	ctx := context.Background()
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine, CallTimeout: time.Minute})
		for _, g := range rowGuests(t) {
			t.Run(g.name, func(t *testing.T) {
				m := load(t, rt, bundle(t, g.name, g.code, g.manifest(t)))
				f := fn(t, m, "f")
				for range 2 {
					var err error
					if strings.HasPrefix(g.name, "rows_") {
						var out []byte
						if out, err = f.(host.Batch).ExecBatch(ctx, nil, []byte("kept"), []byte{0x93, 0x91, 1, 0x91, 2, 0x91, 3}); string(out) != "kept" {
							t.Errorf("%q", out)
						}
					} else {
						err = f.(host.Columns).ExecColumns(ctx, nil, 3, make([]byte, 24), columnsOut(t, f, 3))
						if e, ok := errors.AsType[*host.RowsError](err); !ok || e.First != 0 || e.Count != 3 {
							t.Errorf("rows of %v", err)
						}
					}
					if g.check(err) != nil {
						t.Error(g.check(err))
					}
				}
				if _, err := f.Exec(ctx, nil, []any{1.5}); err != nil {
					if g.name != "columns_no_buffer" {
						t.Errorf("a row after it: %v", err)
					}
				}
			})
		}
	})
}

func columnsOut(t testing.TB, f host.Function, rows int) []byte {
	t.Helper()
	_, n, err := f.Signature().ColumnSizes(rows)
	if err != nil {
		t.Fatal(err)
	}
	return make([]byte, n)
}

// TestRowsRefused: what is wrong with the exports for many rows is told at load.
func TestRowsRefused(t *testing.T) {
	const buf = `(func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))`
	const fc = `(func (export "fc_f") (param i32 i32 i32) (result i32) (i32.const 0))`
	const fx = `(func (export "fx_f") (param i32 i32) (result i64) (i64.const 0))`
	rt := newRuntime(t, Options{})
	for name, c := range map[string]struct {
		text, want string
		signature  *host.Signature
	}{
		"type of fb_":  {buf + fx + `(func (export "fb_f") (param i32) (result i64) (i64.const 0))`, "export fb_f has type (i32) -> (i64), expected (i32 i32) -> (i64)", nil},
		"type of fc_":  {buf + fx + `(func (export "fc_f") (param i32 i32) (result i32) (i32.const 0))`, "export fc_f has type (i32 i32) -> (i32), expected (i32 i32 i32) -> (i32)", nil},
		"undeclared":   {buf + fx + fc, "export fc_f: (any...) -> any: the arguments are not declared, and columns have types", nil},
		"string":       {buf + fx + fc, "argument 2 is string, and columns are of numbers and bools", &host.Signature{Args: []host.Type{host.TypeF64, host.TypeString}, Returns: host.TypeF64}},
		"result":       {buf + fx + fc, "the result is any, and columns are of numbers and bools", &host.Signature{Args: []host.Type{host.TypeF64}}},
		"nulls":        {buf + fx + fc, `"null": "call" has it called with nulls, and columns have none`, &host.Signature{Returns: host.TypeF64, NullCall: true}},
		"aggregate":    {buf + fx + fc, "the arguments are lists", &host.Signature{Args: []host.Type{host.TypeF64}, Returns: host.TypeF64, Aggregate: true}},
		"two results":  {buf + `(func (export "fn_f") (result i32 i32) (i32.const 0) (i32.const 0))` + fc, "the result is list", nil},
		"no buffer":    {`(func (export "fn_f") (result i32) (i32.const 0))` + fc, "no export vanth_buf", nil},
		"no row alone": {buf + fc, "no export fn_f, fx_f or vanth_call", nil},
	} {
		m := host.Manifest{Functions: []string{"f"}}
		if c.signature != nil {
			m.Symbols = map[string]host.Signature{"f": *c.signature}
		}
		if _, err := rt.Load(context.Background(), watBundle(t, header+c.text+")", m)); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// batchManifest is that of testdata/batch.wat.
func batchManifest() host.Manifest {
	f64, mixed := []host.Type{host.TypeF64}, []host.Type{host.TypeI32, host.TypeBool, host.TypeU32, host.TypeF32, host.TypeI64}
	return host.Manifest{
		Functions: []string{"add", "sum", "mix", "wide", "odd", "half", "same", "alone", "any", "pair"},
		Symbols: map[string]host.Signature{
			"mix":   {Args: mixed, Returns: host.TypeI64},
			"wide":  {Args: mixed, Returns: host.TypeI64},
			"odd":   {Args: []host.Type{host.TypeI64}, Returns: host.TypeBool},
			"half":  {Args: f64, Returns: host.TypeF64},
			"same":  {Args: f64, Returns: host.TypeF64},
			"alone": {Args: f64},
			"any":   {Args: []host.Type{host.TypeAny}, NullCall: true},
		},
	}
}

func batchModule(t testing.TB, o Options) *module {
	code, _ := assemble(t, "testdata/batch.wat")
	return load(t, newRuntime(t, o), bundle(t, "rows", code, batchManifest()))
}

// TestColumnsOfAllWidths: columns hold what the contract says, through the export for
// them and through many calls, for numbers of rows that need one crossing and many.
func TestColumnsOfAllWidths(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		m := batchModule(t, Options{Engine: engine})
		for _, name := range []string{"mix", "wide"} {
			for _, rows := range []int{0, 1, 7, 8, 9, 100, 5000} {
				checkMix(t, fn(t, m, name), rows)
			}
		}
	})
}

func checkMix(t *testing.T, f host.Function, rows int) {
	t.Helper()
	s := f.Signature()
	nin, nout, err := s.ColumnSizes(rows)
	if err != nil {
		t.Fatal(err)
	}
	in, out := make([]byte, nin), make([]byte, nout)
	for i := range out {
		out[i] = 0xaa
	}
	le := binary.LittleEndian
	for k := range rows {
		le.PutUint32(in[s.Column(0, rows)+4*k:], uint32(-k))
		in[s.Column(1, rows)+k] = byte(k % 2)
		le.PutUint32(in[s.Column(2, rows)+4*k:], math.MaxUint32-uint32(k))
		le.PutUint32(in[s.Column(3, rows)+4*k:], math.Float32bits(float32(k)))
		le.PutUint64(in[s.Column(4, rows)+8*k:], uint64(k)<<40)
	}
	before := string(in)
	if err := f.(host.Columns).ExecColumns(context.Background(), nil, rows, in, out); err != nil || string(in) != before {
		t.Fatalf("%d rows: %v", rows, err)
	}
	for k := range rows {
		want := int64(k) - math.MaxUint32 + int64(k)
		if k%2 == 1 {
			want = int64(k)<<40 - int64(k)
		}
		if got := int64(le.Uint64(out[8*k:])); got != want || out[8*rows+k] != 1 {
			t.Fatalf("%d rows, row %d: %d, valid %d; want %d", rows, k, got, out[8*rows+k], want)
		}
	}
}

// TestColumnsRowFaults: rows before the one at fault are done.
func TestColumnsRowFaults(t *testing.T) {
	const rows, bad = 3000, 1500
	text := header + `(func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
	  (func (export "fn_f") (param i64) (result i64)
	    (if (i64.eq (local.get 0) (i64.const 1500)) (then unreachable)) (local.get 0)))`
	loop := fn(t, watModule(t, newRuntime(t, Options{}), text, "f"), "f")
	in, out := make([]byte, 8*rows), columnsOut(t, loop, rows)
	for k := range rows {
		binary.LittleEndian.PutUint64(in[8*k:], uint64(k))
	}
	err := loop.(host.Columns).ExecColumns(context.Background(), nil, rows, in, out)
	e, ok := errors.AsType[*host.RowsError](err)
	g, _ := errors.AsType[*host.GuestError](err)
	if !ok || e.First != bad || e.Count != 1 || g == nil || g.Fault != host.FaultTrap || !strings.HasPrefix(err.Error(), "row 1501: wasm/m: f: trap: unreachable") {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint64(out[8*(bad-1):]); got != bad-1 {
		t.Errorf("the row before it: %d", got)
	}
	// Through the export for columns those of one crossing fail together.
	sum := fn(t, batchModule(t, Options{}), "sum")
	in, out = make([]byte, 16*rows), columnsOut(t, sum, rows)
	binary.LittleEndian.PutUint64(in[8*bad:], math.Float64bits(13))
	err = sum.(host.Columns).ExecColumns(context.Background(), nil, rows, in, out)
	if e, ok = errors.AsType[*host.RowsError](err); !ok || e.Count < 100 || e.First > bad || e.First+e.Count <= bad {
		t.Fatal(err)
	}
}

// TestColumnsEnd: a call of many rows ends with its context and with its module, also
// between two rows; one that did not begin has done nothing.
func TestColumnsEnd(t *testing.T) {
	const rows = 4 << 20
	text := header + `(func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
	  (func (export "fn_f") (param i64) (result i64) (local.get 0))
	  (func (export "fn_g") (param i64) (result i64) (local.get 0))
	  (func (export "fc_g") (param i32 i32 i32) (result i32) (i32.const 0)))`
	for _, name := range []string{"f", "g"} {
		m := watModule(t, newRuntime(t, Options{PoolMax: 1}), text, "f", "g")
		f := fn(t, m, name).(host.Columns)
		in, out := make([]byte, 8*rows), make([]byte, 9*rows)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := f.ExecColumns(ctx, nil, 1, in[:8], out[:16]); !errors.Is(err, host.ErrInvalid) {
			t.Errorf("%s: buffers of other sizes: %v", name, err)
		}
		if err := f.ExecColumns(ctx, nil, 1, in[:8], out[:9]); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: ended before: %v", name, err)
		}
		err := f.ExecColumns(&endsSoon{ctx, 2}, nil, rows, in, out)
		if e, ok := errors.AsType[*host.RowsError](err); !ok || e.First == 0 || e.First >= rows || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: ended in the middle: %v", name, err)
		}
		if err := f.ExecColumns(context.Background(), nil, 1, in[:8], out[:9]); err != nil {
			t.Errorf("%s: after it: %v", name, err)
		}
		done := make(chan error)
		go func() {
			for {
				if err := f.ExecColumns(context.Background(), nil, rows, in, out); err != nil {
					done <- err
					return
				}
			}
		}()
		time.Sleep(time.Millisecond)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := m.Close(ended); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, host.ErrInterrupted) && !errors.Is(err, host.ErrClosed) {
			t.Errorf("%s: forced to end: %v", name, err)
		}
	}
}

// endsSoon is a context that has ended when it was asked often enough.
type endsSoon struct {
	context.Context
	left int
}

func (c *endsSoon) Err() error {
	if c.left--; c.left >= 0 {
		return nil
	}
	return c.Context.Err()
}

// TestEachRowHasItsLimits: the deadline and the fuel of a call are those of each row,
// or of each crossing.
func TestEachRowHasItsLimits(t *testing.T) {
	text := header + `(func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
	  (func (export "fn_f") (param $n i64) (result i64)
	    (loop $l (br_if $l (i64.gt_s (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0)))) (local.get $n)))`
	m := load(t, newRuntime(t, Options{}), watBundle(t, text, host.Manifest{Functions: []string{"f"}, Limits: host.Limits{Fuel: 100_000}}))
	f := fn(t, m, "f")
	const rows = 1000
	in, out := make([]byte, 8*rows), columnsOut(t, f, rows)
	for k := range rows { // a tenth of the limit each, or more
		binary.LittleEndian.PutUint64(in[8*k:], 2000)
	}
	if err := f.(host.Columns).ExecColumns(context.Background(), nil, rows, in, out); err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(in[8*77:], 1_000_000)
	err := f.(host.Columns).ExecColumns(context.Background(), nil, rows, in, out)
	if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != host.FaultFuel || !strings.HasPrefix(err.Error(), "row 78: ") {
		t.Fatal(err)
	}
}

// TestColumnsReset: where calls are to find nothing that others left, neither does a
// row, nor a crossing.
func TestColumnsReset(t *testing.T) {
	const rows = 1500
	text := header + `(func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
	  (global $calls (mut i64) (i64.const 0))
	  (func $count (export "fn_f") (export "fn_g") (param i64) (result i64)
	    (global.set $calls (i64.add (global.get $calls) (i64.const 1))) (global.get $calls))
	  (func (export "fc_g") (param $rows i32) (param $in i32) (param $out i32) (result i32)
	    (drop (call $count (i64.const 0)))
	    (loop $next
	      (i64.store (local.get $out) (global.get $calls))
	      (local.set $out (i32.add (local.get $out) (i32.const 8)))
	      (br_if $next (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))
	    (i32.const 0)))`
	for reset, most := range map[host.Reset][2]uint64{host.ResetReuse: {rows, 2}, host.ResetSnapshot: {1, 1}, host.ResetFresh: {1, 1}} {
		m := load(t, newRuntime(t, Options{}), watBundle(t, text, host.Manifest{Functions: []string{"f", "g"}, Reset: reset}))
		for i, name := range []string{"f", "g"} {
			f := fn(t, m, name)
			out := columnsOut(t, f, rows)
			if err := f.(host.Columns).ExecColumns(context.Background(), nil, rows, make([]byte, 8*rows), out); err != nil {
				t.Fatal(err)
			}
			if got := binary.LittleEndian.Uint64(out[8*(rows-1):]); got < most[i] || most[i] == 1 && got != 1 {
				t.Errorf("%s: %s: the last row is call %d of its instance, want %d", reset, name, got, most[i])
			}
		}
	}
}

// TestBatchExport: the export for batches gets the rows as they are, few and many.
func TestBatchExport(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		f := fn(t, batchModule(t, Options{Engine: engine}), "same").(host.Batch)
		for _, rows := range []int{0, 1, 15, 16, 1000, 10_000} {
			in, want := frame.AppendArrayHeader(nil, rows), frame.AppendArrayHeader([]byte("x"), rows)
			for k := range rows {
				in = frame.AppendFloat(append(in, 0x91), float64(k))
				want = frame.AppendFloat(want, float64(k))
			}
			if out, err := f.ExecBatch(context.Background(), nil, []byte("x"), in); err != nil || string(out) != string(want) {
				t.Errorf("%d rows: %d bytes, %v", rows, len(out), err)
			}
		}
	})
}

// TestManyRowsAllocateNothing is the ceiling of the lanes.
func TestManyRowsAllocateNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	const rows = 2000
	m := batchModule(t, Options{})
	for _, name := range []string{"add", "sum", "half"} {
		f := fn(t, m, name)
		nin, _, _ := f.Signature().ColumnSizes(rows)
		in, out := make([]byte, nin), columnsOut(t, f, rows)
		n := testing.AllocsPerRun(20, func() {
			if err := f.(host.Columns).ExecColumns(context.Background(), nil, rows, in, out); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations for columns", name, n)
		}
	}
	in, out := []byte{0x91, 0x91, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 0, 64)
	same := fn(t, m, "same").(host.Batch)
	n := testing.AllocsPerRun(20, func() {
		if _, err := same.ExecBatch(context.Background(), nil, out, in); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}
