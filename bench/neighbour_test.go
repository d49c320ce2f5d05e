package bench

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/vanth-io/vanth/bench/internal/report"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm"
)

// neighbourStudies have one good plugin beside one that never ends.
func neighbourStudies() []study { return []study{{"a hostile neighbour", neighbourRows}} }

// neighbourRows compares the waits of single calls with the neighbour and without,
// in turns. The p99 is that of a round; of the rounds' ratios the median
// counts.
func neighbourRows(t testing.TB) []report.Row {
	const rounds, samples = 31, 5000
	h := wasmHost(t, wasm.Options{CallTimeout: time.Minute})
	modules := smallPlugins(2)
	modules[1].function = "spin"
	for _, m := range modules {
		install(t, h, host.ClassWASM, m.name, m.files())
	}
	good, spin := function(t, h, modules[0].function), function(t, h, "spin")
	var alone, beside, ratios []float64
	for range rounds {
		a := p99(t, good, samples)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = spin.Exec(ctx, nil, nil)
		}()
		time.Sleep(time.Millisecond) // until it spins
		b := p99(t, good, samples)
		stop()
		<-ended
		alone, beside, ratios = append(alone, a), append(beside, b), append(ratios, b/a)
	}
	return []report.Row{{
		Work: "p99 of 8 times add(f64,f64), one caller", Subject: "beside a guest that never ends", Floor: "alone",
		MedianNS: report.Median(beside), FloorNS: report.Median(alone), Ratio: report.Median(ratios),
		Promise: "P7: at most 1.1x", Bound: 1.1,
	}}
}

// inRow is how many calls are timed together: the clock is too coarse for one.
const inRow = 8

// p99 is what the slowest eight calls in a row but one in a hundred took, in
// nanoseconds.
func p99(t testing.TB, f *host.Handle, samples int) float64 {
	t.Helper()
	took := make([]float64, samples)
	run := addLoop(laneWords(f))
	for i := range took {
		begun := time.Now()
		err := run(inRow)
		took[i] = float64(time.Since(begun).Nanoseconds())
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(took)
	return took[samples*99/100]
}
