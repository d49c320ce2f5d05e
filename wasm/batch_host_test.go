package wasm

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/host/hosttest"
)

// batchHost is a host with the guest of testdata/batch.wat.
func batchHost(t testing.TB, o Options, m host.Manifest) *host.Host {
	t.Helper()
	code, _ := assemble(t, "testdata/batch.wat")
	return hostOf(t, o, code, m)
}

// hostOf is a host with one plugin.
func hostOf(t testing.TB, o Options, code []byte, m host.Manifest) *host.Host {
	t.Helper()
	return hostIn(t, newRuntime(t, o), code, m)
}

func hostIn(t testing.TB, rt *Runtime, code []byte, m host.Manifest) *host.Host {
	t.Helper()
	ctx := context.Background()
	h, err := host.Open(ctx, host.Options{Home: t.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(ctx) })
	manifest, err := json.Marshal(map[string]any{"version": "1", "functions": m.Functions, "symbols": m.Symbols})
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, content := range map[string][]byte{"rows.wasm": code, "rows.json": manifest} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(content)
	}
	w.Close()
	if _, err := h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassWASM, Name: "rows"}, Archive: &z}); err != nil {
		t.Fatal(err)
	}
	return h
}

func handleOf(t testing.TB, h *host.Host, name string) *host.Handle {
	t.Helper()
	f, err := h.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// randomRow is arguments as callers give them: mostly right, of any number type, now
// and then null or wrong.
func randomRow(r *rand.Rand, s *host.Signature) []any {
	row := make([]any, 0, 4)
	for _, t := range s.Args {
		row = append(row, randomValue(r, t))
	}
	switch r.IntN(40) {
	case 0:
		return append(row, int64(1))
	case 1:
		return row[1:]
	}
	return row
}

func randomValue(r *rand.Rand, t host.Type) any {
	anything := []any{
		nil, true, false, "text", []byte("bytes"),
		[]any{int64(1), "x"},
		map[string]any{"a": int64(1)},
		int64(0), int64(-1), int64(200), int64(-200),
		int64(70_000), int64(-70_000), int64(1) << 31, int64(math.MinInt32), int64(1) << 40, int64(math.MinInt64), uint64(math.MaxUint64), 0.0, 2.5, -3.0,
		13.0, 1e300, math.Inf(1), math.Inf(-1), math.NaN(), int64(1) << 53, int64(1)<<53 + 1, time.Unix(5, 0).UTC(), float64(float32(0.1)), -9.3e18, 1.9e19,
	}
	if r.IntN(8) == 0 {
		return anything[r.IntN(len(anything))]
	}
	switch t {
	case host.TypeBool:
		return r.IntN(2) == 0
	case host.TypeF64, host.TypeF32:
		return math.Trunc(r.NormFloat64()*1000) / 4
	case host.TypeU32:
		return int64(r.Uint32())
	case host.TypeI32:
		return int64(int32(r.Uint32()))
	case host.TypeAny:
		return anything[r.IntN(len(anything))]
	}
	return r.Int64() >> r.IntN(64)
}

// TestBatchIsEqualToRows: a batch answers what Exec answers to each of its rows, with
// the same values and the same errors, in the same order, by whichever lane.
func TestBatchIsEqualToRows(t *testing.T) {
	rounds := 60
	if raced {
		rounds = 10
	}
	engines(t, func(t *testing.T, engine string) {
		m := batchManifest()
		sum := host.Signature{Args: []host.Type{host.TypeF64, host.TypeF64}, Returns: host.TypeF64, Pure: true}
		m.Symbols["sum"] = sum // so that a trap of a row is one of its row
		h := batchHost(t, Options{Engine: engine, Quarantine: -1}, m)
		for _, name := range m.Functions {
			t.Run(name, func(t *testing.T) {
				f := handleOf(t, h, name)
				seed := rand.Uint64()
				r := rand.New(rand.NewPCG(seed, 0))
				for range rounds {
					rows := make([]any, r.IntN(600))
					for i := range rows {
						rows[i] = randomRow(r, f.Signature())
					}
					if err := compareBatch(f, rows); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
			})
		}
	})
}

// compareBatch runs rows one by one and at once.
func compareBatch(f *host.Handle, rows []any) error {
	ctx := context.Background()
	in, err := frame.Append(nil, rows)
	if err != nil {
		return err
	}
	before := string(in)
	out, err := f.ExecBatch(ctx, nil, []byte("x"), in)
	if err != nil {
		return err
	}
	if string(in) != before || out[0] != 'x' {
		return errors.New("the rows or what stood before the results was changed")
	}
	v, err := frame.Decode(out[1:])
	if err != nil {
		return err
	}
	results, ok := v.([]any)
	if !ok || len(results) != len(rows) {
		return fmt.Errorf("%d rows have results %.100v", len(rows), v)
	}
	for i, row := range rows {
		want, err := f.Exec(ctx, nil, row.([]any))
		got := results[i]
		if err != nil {
			e, ok := got.(*frame.Error)
			if !ok || e.Msg != err.Error() {
				return fmt.Errorf("row %d, %v: %v; alone it is the error %q", i, row, got, err)
			}
			continue
		}
		if !same(got, want) {
			return fmt.Errorf("row %d, %v: %#v; alone it is %#v", i, row, got, want)
		}
	}
	return nil
}

// same is DeepEqual for which NaN is NaN.
func same(a, b any) bool {
	x, ok := a.(float64)
	y, ok2 := b.(float64)
	return ok && ok2 && math.IsNaN(x) && math.IsNaN(y) || reflect.DeepEqual(a, b)
}

// TestBatchErrors: what ends a batch, and that the caller's buffer is then as it was.
func TestBatchErrors(t *testing.T) {
	h := batchHost(t, Options{Quarantine: -1}, batchManifest())
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, name := range batchManifest().Functions {
		f := handleOf(t, h, name)
		for what, c := range map[string]struct {
			ctx  context.Context
			rows string
			want error
			text string
		}{
			"ended":     {ended, "\x91\x91\x01", context.Canceled, "given up after 0 rows of 1"},
			"no list":   {context.Background(), "\x01", host.ErrInvalid, "found int, expected list"},
			"nothing":   {context.Background(), "", host.ErrInvalid, "truncated"},
			"count":     {context.Background(), "\x9f\x90", host.ErrInvalid, "count"},
			"truncated": {context.Background(), "\x92\x91\x01", host.ErrInvalid, "truncated"},
			"in a row":  {context.Background(), "\x91\x91\xcb\x00", host.ErrInvalid, "truncated"},
			"trailing":  {context.Background(), "\x91\x91\x01\x00", host.ErrInvalid, "trailing"},
			"reserved":  {context.Background(), "\x91\x91\xc1", host.ErrInvalid, "reserved"},
		} {
			out, err := f.ExecBatch(c.ctx, nil, []byte("kept"), []byte(c.rows))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), name) || string(out) != "kept" {
				t.Errorf("%s: %s: %q, %v; want %q", name, what, out, err, c.text)
			}
		}
		out, err := f.ExecBatch(context.Background(), nil, nil, []byte("\x92\x05\xa1x"))
		v, err2 := frame.Decode(out)
		if list, ok := v.([]any); err != nil || err2 != nil || !ok || len(list) != 2 || !strings.Contains(fmt.Sprint(list[0]), "arguments are a list") {
			t.Errorf("%s: rows that are no lists: %v, %v, %v", name, v, err, err2)
		}
	}
	if _, err := handleOf(t, h, "add").ExecBatch(ended, nil, nil, []byte{0x90}); err != nil {
		t.Errorf("no rows: %v", err)
	}
}

// TestBatchFailsTogether: rows that cross together fail together, and one by one if
// the function is pure.
func TestBatchFailsTogether(t *testing.T) {
	for _, pure := range []bool{false, true} {
		m := batchManifest()
		m.Symbols["sum"] = host.Signature{Args: []host.Type{host.TypeF64, host.TypeF64}, Returns: host.TypeF64, Pure: pure}
		f := handleOf(t, batchHost(t, Options{}, m), "sum")
		rows := make([]any, 1000)
		for i := range rows {
			rows[i] = []any{1.0, 2.0}
		}
		rows[600] = []any{13.0, 2.0}
		in, err := frame.Append(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		before, err := f.ExecBatch(context.Background(), nil, nil, in)
		if pure {
			v, _ := frame.Decode(before)
			list, _ := v.([]any)
			if err != nil || len(list) != 1000 || list[599] != 3.0 || list[601] != 3.0 || !strings.Contains(fmt.Sprint(list[600]), "unreachable") {
				t.Errorf("pure: %.200v, %v", v, err)
			}
			continue
		}
		e, ok := errors.AsType[*host.RowsError](err)
		g, _ := errors.AsType[*host.GuestError](err)
		if !ok || e.First > 600 || e.First+e.Count <= 600 || e.First < 200 || g == nil || g.Fault != host.FaultTrap {
			t.Errorf("%v", err)
		}
	}
}

// TestBatchCounts: each row counts as a call, and an error where it is one.
func TestBatchCounts(t *testing.T) {
	h := batchHost(t, Options{Quarantine: -1}, batchManifest())
	for _, name := range []string{"add", "odd", "same", "alone", "any", "pair"} {
		f := handleOf(t, h, name)
		row := []any{}
		for range f.Signature().Args {
			row = append(row, int64(1))
		}
		rows := make([]any, 500)
		for i := range rows {
			if rows[i] = row; i%100 == 7 {
				rows[i] = []any{int64(1), int64(1), int64(1)}
			}
		}
		in, err := frame.Append(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.ExecBatch(context.Background(), nil, nil, in); err != nil {
			t.Fatal(err)
		}
		for _, d := range h.Functions() {
			if d.Name == name && (d.Usage.Calls != 500 || d.Usage.Errors != 5 || d.Usage.P50 == 0) {
				t.Errorf("%s: %+v", name, d.Usage)
			}
		}
	}
}

// TestBatchAllocatesNothing is the ceiling: nothing for a row, and nothing for a batch
// but what its caller's buffer needs.
func TestBatchAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	h := batchHost(t, Options{}, batchManifest())
	for _, name := range []string{"add", "sum", "mix", "wide", "odd", "half", "same", "alone", "any"} {
		f := handleOf(t, h, name)
		in := frame.AppendArrayHeader(nil, 1000)
		for i := range 1000 {
			in = frame.AppendArrayHeader(in, len(f.Signature().Args))
			for _, ty := range f.Signature().Args {
				if ty == host.TypeBool {
					in = frame.AppendBool(in, i%2 == 0)
				} else {
					in = frame.AppendInt(in, int64(i)+14)
				}
			}
		}
		out := make([]byte, 0, 32<<10)
		n := testing.AllocsPerRun(50, func() {
			if _, err := f.ExecBatch(context.Background(), nil, out, in); err != nil {
				t.Fatal(err)
			}
		})
		if n > 1 { // the collector may take what is kept for the next batch
			t.Errorf("%s: %v allocations for 1,000 rows", name, n)
		}
	}
}
