//go:build unix

package vanth

import (
	"slices"
	"testing"
	"time"
)

func frameOf(h *host, name string, op uint8, args any) ([]byte, head) {
	x := head{op: op, symbol: h.index("functions", name)}
	return must(Append(append([]byte(nil), noHead[:]...), args)), x
}

func (h *host) skipFrame(b testing.TB) head {
	for {
		x, _, ok, err := h.reader.next()
		if err != nil {
			b.Fatal(err)
		}
		if ok {
			return x
		}
		if err := h.reader.fill(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchWires(b *testing.B, f func(b *testing.B, h *host)) {
	b.Run("socket", func(b *testing.B) { f(b, connect(b, 0)) })
	b.Run("ring", func(b *testing.B) { f(b, connect(b, 1<<20)) })
}

// One caller: the host that calls and then reads on the same goroutine.
func BenchmarkLaneRoundTrip(b *testing.B) {
	benchWires(b, func(b *testing.B, h *host) {
		f, x := frameOf(h, "add", opCall, []any{1.5, 2.25})
		took := make([]time.Duration, 0, 1<<20)
		for b.Loop() {
			x.id++
			start := time.Now()
			_ = h.out.send(sealed(f, x), false)
			if r := h.skipFrame(b); r.id != x.id {
				b.Fatal(r)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
		b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
	})
}

// Sixteen under way at all times, one goroutine that sends what it has got room for.
func BenchmarkLanePipelined16(b *testing.B) {
	benchWires(b, func(b *testing.B, h *host) {
		f, x := frameOf(h, "add", opCall, []any{1.5, 2.25})
		underWay := 0
		for b.Loop() {
			if underWay == 16 {
				h.skipFrame(b)
				underWay--
				for h.reader.more() {
					h.skipFrame(b)
					underWay--
				}
			}
			x.id++
			underWay++
			_ = h.out.send(sealed(f, x), underWay < 16)
		}
		_ = h.out.flush()
		for ; underWay > 0; underWay-- {
			h.skipFrame(b)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	})
}

func BenchmarkLaneBatch1000(b *testing.B) {
	benchWires(b, func(b *testing.B, h *host) {
		rows := make([]any, 1000)
		for i := range rows {
			rows[i] = []any{1.5, float64(i)}
		}
		f, x := frameOf(h, "add", opBatch, rows)
		for b.Loop() {
			x.id++
			_ = h.out.send(sealed(f, x), false)
			h.skipFrame(b)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
	})
}

// A call that reads and writes state: three round trips.
func BenchmarkLaneState(b *testing.B) {
	benchWires(b, func(b *testing.B, h *host) {
		for b.Loop() {
			if _, err := h.callIn(0, "remember", "k", 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLaneSource(b *testing.B) {
	benchWires(b, func(b *testing.B, h *host) {
		s, err := h.open(opOpenSource, "sources", "numbers", map[string]any{"datasource": "x"})
		if err != nil {
			b.Fatal(err)
		}
		credit := alone(head{op: opCredit, id: 512, context: s})
		_ = h.out.send(credit, false)
		n := 0
		for b.Loop() {
			if n++; n%512 == 1 {
				_ = h.out.send(credit, false)
			}
			h.skipFrame(b)
		}
	})
}

func BenchmarkLaneSink(b *testing.B) {
	benchWires(b, func(b *testing.B, h *host) {
		s, err := h.open(opOpenSink, "sinks", "lines", map[string]any{"config": map[string]any{"path": "/dev/null"}})
		if err != nil {
			b.Fatal(err)
		}
		f := must(Append(append([]byte(nil), noHead[:]...), []any{[]byte(`[{"a":1}]`), nil, nil}))
		underWay := 0
		for b.Loop() {
			if underWay == 256 {
				h.skipFrame(b)
				underWay--
			}
			underWay++
			_ = h.out.send(sealed(f, head{op: opWrite, id: h.id(), context: s}), h.reader.more())
		}
		_ = h.out.flush()
		for ; underWay > 0; underWay-- {
			h.skipFrame(b)
		}
	})
}
