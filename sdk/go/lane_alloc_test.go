//go:build unix

package vanth

import (
	"io"
	"testing"
)

type discard struct{}

func (discard) Read([]byte) (int, error)    { return 0, io.EOF }
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// A batch without a wire: what the plugin itself takes for a row.
func BenchmarkBatchRow(b *testing.B) {
	p := must(newPlugin(nil))
	defer wire.Store(nil)
	l := &lane{plugin: p, ctx: b.Context(), out: newSender(discard{})}
	rows := make([]any, 1000)
	for i := range rows {
		rows[i] = []any{1.5, float64(i)}
	}
	f := p.function("add")
	t := &task{head: head{op: opBatch, id: 1}, function: f, use: p.newUse(0), payload: must(Append(nil, rows))}
	b.ReportAllocs()
	for b.Loop() {
		_ = l.perform(f.executor, t, false)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
}

// The ceiling: a call with numbers allocates nothing from its frame to the frame of its result.
func TestLaneAllocations(t *testing.T) {
	p := must(newPlugin(nil))
	defer wire.Store(nil)
	l := &lane{plugin: p, ctx: t.Context(), out: newSender(discard{}), reader: newFrameReader(discard{}), nobody: p.newUse(0)}
	for name, op := range map[string]uint8{"a call": opCall, "a batch": opBatch} {
		args := []any{1.5, 2}
		if op == opBatch {
			args = []any{args, args, args}
		}
		payload := must(Append(nil, args))
		h := head{op: op, id: 1, symbol: uint16(p.function("add").index)}
		if got := testing.AllocsPerRun(100, func() { _, _ = l.handle(h, payload) }); got > 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
