package wasm

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// startOf is how long instances of a module take to start and to end, as often as asked for.
func startOf(tb testing.TB, m *module) (start, end time.Duration) {
	began := time.Now()
	in, err := m.instantiate(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	started := time.Now()
	in.close()
	return started.Sub(began), time.Since(started)
}

// BenchmarkStart starts instances in turns, as the module says and from the snapshot; it tells the medians.
func BenchmarkStart(b *testing.B) {
	rt := newRuntime(b, Options{PoolMax: 4})
	guests := map[string]func(host.Reset) *module{
		"small": func(r host.Reset) *module {
			bd := watBundle(b, `(module (memory (export "memory") 2) (global $g (mut i32) (i32.const 65536)) (data (i32.const 1024) "some bytes")
			  (func (export "vanth_abi_1") (result i32) (i32.const 0)) (func (export "fn_f") (result i32) (global.get $g)))`,
				host.Manifest{Functions: []string{"f"}, Reset: r})
			return load(b, rt, bd)
		},
		"go": func(r host.Reset) *module { return load(b, rt, sampleBundle(b, "geo", host.Manifest{Reset: r})) },
	}
	for name, guest := range guests {
		b.Run(name, func(b *testing.B) {
			modules := []*module{guest(host.ResetFresh), guest(host.ResetReuse)}
			if modules[0].snapshot != nil || modules[1].snapshot == nil {
				b.Fatal("both start in the same way")
			}
			var starts, ends [2][]time.Duration
			for b.Loop() {
				for i, m := range modules {
					start, end := startOf(b, m)
					starts[i], ends[i] = append(starts[i], start), append(ends[i], end)
				}
			}
			for i, what := range []string{"ordinary", "snapshot"} {
				slices.Sort(starts[i])
				slices.Sort(ends[i])
				b.ReportMetric(float64(starts[i][0].Nanoseconds()), what+"-min-ns")
				b.ReportMetric(float64(starts[i][len(starts[i])/2].Nanoseconds()), what+"-ns")
				b.ReportMetric(float64(ends[i][len(ends[i])/2].Nanoseconds()), what+"-end-ns")
			}
		})
	}
}

// BenchmarkReset calls functions in turns, with each way to reset; it tells the medians.
func BenchmarkReset(b *testing.B) {
	rt := newRuntime(b, Options{PoolMax: 4})
	small := func(r host.Reset) host.Function {
		return fn(b, load(b, rt, watBundle(b, `(module (memory (export "memory") 2) (func (export "vanth_abi_1") (result i32) (i32.const 0))
		  (func (export "fn_f") (result i64) (i64.store (i32.const 5000) (i64.add (i64.load (i32.const 5000)) (i64.const 1))) (i64.load (i32.const 5000))))`,
			host.Manifest{Functions: []string{"f"}, Reset: r})), "f")
	}
	golang := func(r host.Reset) host.Function {
		return fn(b, load(b, rt, sampleBundle(b, "geo", host.Manifest{Reset: r})), "geohash")
	}
	resets := []host.Reset{host.ResetReuse, host.ResetSnapshot, host.ResetFresh}
	for name, guest := range map[string]struct {
		load func(host.Reset) host.Function
		args []any
	}{"small": {small, nil}, "go": {golang, []any{52.5, 13.4, int64(7)}}} {
		b.Run(name, func(b *testing.B) {
			functions := make([]host.Function, len(resets))
			for i, r := range resets {
				functions[i] = guest.load(r)
			}
			took := make([][]time.Duration, len(resets))
			for b.Loop() {
				for i, f := range functions {
					began := time.Now()
					if _, err := f.Exec(context.Background(), nil, guest.args); err != nil {
						b.Fatal(err)
					}
					took[i] = append(took[i], time.Since(began))
				}
			}
			for i, list := range took {
				slices.Sort(list)
				b.ReportMetric(float64(list[len(list)/2].Nanoseconds()), string(resets[i])+"-ns")
			}
		})
	}
}
