package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host/frame"
)

// lanes is a function with the lanes for rows that numbers them as they come: each
// result is its argument and the number. It swaps its module for another when it has
// come to a row, and fails as it is told to.
type lanes struct {
	signature Signature
	rows      *int // called so far, by all generations
	at        int  // the row that does not run here any more
	swap      func()
	fail      map[int]error
	answer    func([]byte) []byte // spoils what a batch answers
}

func (l *lanes) Signature() *Signature { return &l.signature }
func (l *lanes) Validate([]any) error  { return nil }

// run is a row.
func (l *lanes) run(x float64) (float64, error) {
	if *l.rows == l.at && l.swap != nil {
		l.swap()
		l.swap = nil
	}
	if l.at >= 0 && *l.rows >= l.at {
		return 0, Errorf(ErrClosed, "the module is closed")
	}
	*l.rows++
	return x + float64(*l.rows), l.fail[*l.rows-1]
}

func (l *lanes) Exec(_ context.Context, _ *Call, args []any) (any, error) {
	if err := l.signature.Check(args); err != nil || args[0] == nil {
		return nil, err
	}
	x, _ := asFloat(args[0])
	return l.run(x)
}

type lanesBytes struct{ lanes }

func (l *lanesBytes) ExecBytes(_ context.Context, _ *Call, dst, args []byte) ([]byte, error) {
	read := frame.Read(args[1:])
	x, _ := read.Float()
	y, err := l.run(x)
	if err != nil {
		return dst, err
	}
	return frame.AppendFloat(dst, y), nil
}

type lanesBatch struct{ lanes }

func (l *lanesBatch) ExecBatch(_ context.Context, _ *Call, dst, rows []byte) ([]byte, error) {
	v, err := frame.Decode(rows)
	if err != nil {
		return dst, err
	}
	var results []any
	for _, row := range v.([]any) {
		y, err := l.run(row.([]any)[0].(float64))
		if err != nil {
			return dst, err
		}
		results = append(results, y)
	}
	out, err := frame.Append(dst, results)
	if l.answer != nil {
		out = l.answer(out)
	}
	return out, err
}

type lanesColumns struct{ lanes }

func (l *lanesColumns) ExecColumns(_ context.Context, _ *Call, rows int, in, out []byte) error {
	for k := range rows {
		y, err := l.run(math.Float64frombits(binary.LittleEndian.Uint64(in[8*k:])))
		if err != nil && (k > 0 || !errors.Is(err, ErrClosed)) {
			return &RowsError{First: k, Count: 1, Err: err}
		} else if err != nil {
			return err
		}
		binary.LittleEndian.PutUint64(out[8*k:], math.Float64bits(y))
		out[8*rows+k] = 1
	}
	return nil
}

// forms are a function by each lane that rows can take.
func forms() map[string]func(lanes) Function {
	return map[string]func(lanes) Function{
		"exec":    func(l lanes) Function { return &l },
		"bytes":   func(l lanes) Function { return &lanesBytes{l} },
		"batch":   func(l lanes) Function { return &lanesBatch{l} },
		"columns": func(l lanes) Function { return &lanesColumns{l} },
	}
}

// serve publishes a function as f of a plugin.
func serve(r *registry, fn Function) *binding {
	e := &entry{plugin: Plugin{ID: ID{ClassWASM, "p"}}}
	b := &binding{name: "f", owner: e, fn: fn, signature: fn.Signature()}
	b.scalar, _ = fn.(Scalar)
	b.bytes, _ = fn.(Bytes)
	b.batch, _ = fn.(Batch)
	b.columns, _ = fn.(Columns)
	e.bindings = []*binding{b}
	r.publish(e)
	return b
}

func served(fn Function) (*registry, *Handle) {
	r := &registry{}
	r.init()
	f := &Handle{reg: r, name: "f"}
	f.cur.Store(serve(r, fn))
	return r, f
}

// floats is a batch of rows of one float each, 0 and up.
func floats(n int) []byte {
	rows := frame.AppendArrayHeader(nil, n)
	for k := range n {
		rows = frame.AppendFloat(append(rows, 0x91), float64(k))
	}
	return rows
}

func ofOneFloat() Signature { return Signature{Args: []Type{TypeF64}, Returns: TypeF64} }

// TestBatchFollowsAnUpdate: rows that the old module did not begin run on the new one,
// each once and in order.
func TestBatchFollowsAnUpdate(t *testing.T) {
	const rows = 3000
	for name, form := range forms() {
		count, lot := 0, 1
		switch name {
		case "batch":
			lot = batchRows
		case "columns":
			lot = columnRows
		}
		var reg *registry
		next := form(lanes{signature: ofOneFloat(), rows: &count, at: -1})
		reg, f := served(form(lanes{signature: ofOneFloat(), rows: &count, at: 2 * lot, swap: func() { serve(reg, next) }}))
		out, err := f.ExecBatch(t.Context(), nil, nil, floats(rows))
		v, _ := frame.Decode(out)
		list, _ := v.([]any)
		if err != nil || len(list) != rows || count != rows {
			t.Fatalf("%s: %d results of %d calls, %v", name, len(list), count, err)
		}
		for k, y := range list {
			if y != float64(2*k+1) {
				t.Fatalf("%s: row %d is %v", name, k, y)
			}
		}
		if u := reg.usages["f"].read(); u.Calls != rows || u.Errors != 0 {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

// TestBatchRowErrors: an error of a row is its result, with its class, unless it says
// that the function cannot be called.
func TestBatchRowErrors(t *testing.T) {
	io := &GuestError{Plugin: ID{ClassWASM, "p"}, Symbol: "f", Fault: FaultReturned, Class: "io", Err: errors.New("no net\xff")}
	for name, form := range forms() {
		count := 0
		fail := map[int]error{1: io, 3: errors.New("odd"), 4: invalid("bad"), 6: fmt.Errorf("late: %w", context.DeadlineExceeded)}
		if name == "batch" { // which fails as a whole
			fail = nil
		}
		_, f := served(form(lanes{signature: ofOneFloat(), rows: &count, at: -1, fail: fail}))
		rows := append(floats(9), 0x91, 0xc0, 0x91, 0xa1, 'x', 0x92, 1, 2)
		rows[0] += 3
		out, err := f.ExecBatch(t.Context(), nil, []byte("x"), rows)
		if err != nil || out[0] != 'x' {
			t.Fatalf("%s: %v", name, err)
		}
		v, err := frame.Decode(out[1:])
		list, _ := v.([]any)
		if err != nil || len(list) != 12 {
			t.Fatalf("%s: %v, %v", name, v, err)
		}
		for k, class := range map[int]string{1: frame.ClassIO, 3: frame.ClassFatal, 4: frame.ClassUsage, 6: frame.ClassIO} {
			e, ok := list[k].(*frame.Error)
			if fail != nil && (!ok || e.Class != class || e.Msg != strings.ToValidUTF8(fail[k].Error(), "\uFFFD")) {
				t.Errorf("%s: row %d is %v", name, k, list[k])
			}
		}
		if e, ok := list[10].(*frame.Error); !ok || e.Class != frame.ClassUsage || !strings.Contains(e.Msg, "found string") {
			t.Errorf("%s: a text is %v", name, list[10])
		}
		for _, busy := range []error{ErrBusy, ErrUnavailable, ErrNotFound} {
			count = 0
			_, f := served(form(lanes{signature: ofOneFloat(), rows: &count, at: -1, fail: map[int]error{5: busy}}))
			if out, err := f.ExecBatch(t.Context(), nil, []byte("kept"), floats(9)); !errors.Is(err, busy) || string(out) != "kept" || count != 6 {
				t.Errorf("%s: %v: %q, %v after %d rows", name, busy, out, err, count)
			}
		}
	}
}

// TestBatchAnswers: what a lane answers is judged: its number of results, its form,
// and their type.
func TestBatchAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"\x92\x01\x02":         "found 2 results, expected 3, one a row",
		"\x94\x01\x02\x03\x04": "found 4 results, expected 3, one a row",
		"\x01":                 "found int, expected list (of 3 results)",
		"":                     "truncated",
		"\x93\x01\xa5\x03":     "truncated",
		"\x93\x01\x02\x03\x04": "trailing",
	} {
		count := 0
		_, f := served(&lanesBatch{lanes{signature: ofOneFloat(), rows: &count, at: -1, answer: func([]byte) []byte { return []byte(answer) }}})
		out, err := f.ExecBatch(t.Context(), nil, []byte("kept"), floats(3))
		g, ok := errors.AsType[*GuestError](err)
		if !ok || g.Fault != FaultResult || !strings.Contains(err.Error(), want) || string(out) != "kept" {
			t.Errorf("%q: %q, %v; want %q", answer, out, err, want)
		}
	}
	count := 0
	_, f := served(&lanesBatch{lanes{signature: ofOneFloat(), rows: &count, at: -1, answer: func([]byte) []byte {
		out, _ := frame.Append(nil, []any{int64(7), "text", &frame.Error{Msg: "refused", Class: "io"}, nil})
		return out
	}}})
	out, err := f.ExecBatch(t.Context(), nil, nil, floats(4))
	v, _ := frame.Decode(out)
	list, _ := v.([]any)
	if err != nil || len(list) != 4 || list[0] != 7.0 || list[3] != nil ||
		list[1].(*frame.Error).Msg != `wasm/p: f: bad result: found string "text", expected f64` || *list[2].(*frame.Error) != (frame.Error{Msg: "wasm/p: f: refused", Class: "io"}) {
		t.Errorf("%v, %v", v, err)
	}
	if u := f.reg.usages["f"].read(); u.Calls != 4 || u.Errors != 2 {
		t.Errorf("%+v", u)
	}
}

// TestBatchAllocatesNothing is the ceiling of the batch path above a runtime.
func TestBatchAllocatesNothing(t *testing.T) {
	rows, out := floats(1000), make([]byte, 0, 16<<10)
	for name, form := range forms() {
		if name == "exec" || name == "batch" { // which box, here
			continue
		}
		count := 0
		_, f := served(form(lanes{signature: ofOneFloat(), rows: &count, at: -1}))
		n := testing.AllocsPerRun(50, func() {
			if _, err := f.ExecBatch(context.Background(), nil, out, rows); err != nil {
				t.Fatal(err)
			}
		})
		if n > 1 && !raced { // the collector may take what is kept
			t.Errorf("%s: %v allocations for 1,000 rows", name, n)
		}
	}
}

// FuzzExecBatch: whatever the rows are, there is an answer of as many results or an
// error, and the buffer keeps what it had.
func FuzzExecBatch(f *testing.F) {
	f.Add(floats(3))
	f.Add([]byte("\x93\x91\xc0\x91\xa1x\x92\x01\x02"))
	f.Add([]byte("\xdc\x00\x02\x91\x01\xdc\x00\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x91\x91\xd4\x01\x00"))
	f.Add([]byte("\xdc\x00\x02\x900"))
	f.Fuzz(func(t *testing.T, rows []byte) {
		for name, form := range forms() {
			count := 0
			_, h := served(form(lanes{signature: ofOneFloat(), rows: &count, at: -1}))
			out, err := h.ExecBatch(context.Background(), nil, []byte("kept"), rows)
			if string(out[:4]) != "kept" || err != nil && len(out) != 4 {
				t.Fatalf("%s: %q, %v", name, out, err)
			}
			if sound := frame.Valid(rows) == nil; err != nil {
				if list := len(rows) > 0 && (rows[0]>>4 == 9 || rows[0] == 0xdc || rows[0] == 0xdd); sound && list {
					t.Fatalf("%s: a sound batch: %v", name, err)
				}
				continue
			}
			v, err := frame.Decode(out[4:])
			list, ok := v.([]any)
			read := frame.Read(rows)
			if n, err2 := read.Array(); err != nil || !ok || err2 != nil || n != len(list) {
				t.Fatalf("%s: %d rows, results %v, %v", name, n, v, err)
			}
		}
	})
}

// fixed answers every row with the same frame.
type fixed struct {
	lanes
	frame []byte
}

func (f *fixed) ExecBytes(_ context.Context, _ *Call, dst, _ []byte) ([]byte, error) {
	*f.rows++
	return append(dst, f.frame...), nil
}

// TestBatchResults: results are held to the form of an item, and to a size in all.
func TestBatchResults(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("\x91", frame.MaxDepth-2) + "\x90":   "",
		strings.Repeat("\x91", frame.MaxDepth-1) + "\x90":   "depth",
		strings.Repeat("\x91", frame.MaxDepth) + "\x90":     "depth",
		"\xd9\x40" + strings.Repeat("\x91", frame.MaxDepth): "utf8",
		"\xc4\x40" + strings.Repeat("\x91", frame.MaxDepth): "",
		"\x01\x02": "trailing",
		"":         "truncated",
	} {
		count := 0
		_, f := served(&fixed{lanes{signature: Signature{Variadic: true}, rows: &count}, []byte(text)})
		out, err := f.ExecBatch(t.Context(), nil, nil, floats(2))
		if err != nil || count != 2 {
			t.Fatalf("%q: %v", text, err)
		}
		v, err := frame.Decode(out)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, item := range v.([]any) {
			if e, ok := item.(*frame.Error); ok != (want != "") || ok && !strings.Contains(e.Msg, want) {
				t.Errorf("%q: %v, want %q", text, item, want)
			}
		}
	}
	count := 0
	_, f := served(&fixed{lanes{signature: Signature{Variadic: true}, rows: &count}, frame.AppendBytes(nil, make([]byte, 1<<20))})
	out, err := f.ExecBatch(t.Context(), nil, []byte("kept"), floats(200))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "send fewer rows at once") || string(out) != "kept" || count > 64 {
		t.Errorf("%d bytes after %d rows, %v", len(out), count, err)
	}
}
