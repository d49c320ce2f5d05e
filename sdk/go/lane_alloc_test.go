//go:build unix

package vanth

import (
	"io"
	"slices"
	"testing"

	"github.com/vanth-io/vanth/sdk/go/api"
)

type discard struct{}

func (discard) Read([]byte) (int, error)    { return 0, io.EOF }
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// A batch without a wire: what the plugin itself takes for a row, of a function of two numbers and of
// one of package api that takes any values.
func BenchmarkBatchRow(b *testing.B) {
	p := must(newPlugin([]Option{Function("made", func() api.Function { return testFunction{} })}))
	defer wire.Store(nil)
	l := &lane{plugin: p, ctx: b.Context(), out: newSender(discard{})}
	for name, row := range map[string][]any{"add": {1.5, 2.5}, "made": {"abc"}} {
		b.Run(name, func(b *testing.B) {
			rows := slices.Repeat([]any{row}, 1000)
			f := p.function(name)
			t := &task{head: head{op: opBatch, id: 1}, function: f, use: p.newUse(0), payload: must(Append(nil, rows))}
			b.ReportAllocs()
			for b.Loop() {
				_ = l.perform(f.executor, t, false)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
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
