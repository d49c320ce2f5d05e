//go:build !wasip1

package vanth

import (
	"io"
	"reflect"
	"testing"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// recorder is a stream that keeps what is written.
type recorder struct{ written []byte }

func (*recorder) Read([]byte) (int, error) { return 0, io.EOF }

func (r *recorder) Write(p []byte) (int, error) {
	r.written = append(r.written, p...)
	return len(p), nil
}

// nested is v in n lists.
func nested(n int, v any) any {
	for range n {
		v = []any{v}
	}
	return v
}

// TestBatchRows: a row of a batch is answered as it is alone, whatever stands beside it.
func TestBatchRows(t *testing.T) {
	p := must(newPlugin([]Option{Function("made", func() api.Function { return testFunction{} })}))
	defer wire.Store(nil)
	said := &recorder{}
	l := &lane{plugin: p, ctx: t.Context(), out: newSender(said)}
	// answer is the payload of what the plugin says to a request.
	answer := func(op uint8, name string, args any) any {
		t.Helper()
		f := p.function(name)
		said.written = nil
		if err := l.perform(f.executor, &task{head: head{op: op, id: 1}, function: f, use: p.newUse(0), payload: must(Append(nil, args))}, false); err != nil {
			t.Fatal(err)
		}
		return must(Value(said.written[headSize:]))
	}
	for name, rows := range map[string][]any{
		"add":    {[]any{1, 2.5}, []any{1}, []any{"x", 2}, 5, nil, []any{}, []any{1, 2, 3}, []any{3, 4}},
		"not":    {[]any{true}, []any{1}, []any{false}},
		"fails":  {[]any{"plain"}, []any{"io"}, []any{"fine"}, []any{"wrapped"}, []any{"nil"}},
		"panics": {[]any{"index"}, []any{"nil"}, []any{"error"}, []any{}, []any{"text"}, []any{"more", "of them"}},
		"count":  {[]any{}, []any{1, nested(5, "deep")}, []any{map[string]any{"a": []any{1}}}, "none", []any{1, 2, 3}},
		"zero":   {[]any{}, []any{}, []any{1}, []any{}},
		"made":   {[]any{"a"}, []any{"panic"}, 5, []any{"b"}},
	} {
		want := []any{}
		for _, row := range rows {
			want = append(want, answer(opCall, name, row))
		}
		if got := answer(opBatch, name, rows); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: found %v, want %v", name, got, want)
		}
	}
	f := p.function("add")
	said.written = nil
	trailing := append(must(Append(nil, []any{1, 2})), 0xc0) // which a row of a batch may have behind it
	_ = l.perform(f.executor, &task{head: head{op: opCall, id: 1}, function: f, use: p.newUse(0), payload: trailing}, false)
	if headOf(said.written).flags&flagError == 0 {
		t.Error("a call with something behind its arguments was answered")
	}
	for depth, fits := range map[int]bool{MaxDepth - 2: true, MaxDepth - 1: false} { // in the rows and a row
		f = p.function("count")
		said.written = nil
		rows := append([]byte{0x91, 0x91}, must(Append(nil, nested(depth, 1)))...)
		_ = l.perform(f.executor, &task{head: head{op: opBatch, id: 1}, function: f, use: p.newUse(0), payload: rows}, false)
		if failed := headOf(said.written).flags&flagError != 0; failed == fits {
			t.Errorf("%d lists in a row: failed: %v", depth, failed)
		}
	}
}
