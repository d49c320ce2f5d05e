package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vanth-io/vanth/bench/internal/report"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm"
)

// kernelDir holds the pieces of work that the meter is measured with; see the readme there.
const kernelDir = "../wasm/internal/meter/testdata/kernels"

// kernel is a function i64 -> i64 of a module that has its name, and what it is called with.
type kernel struct {
	name string
	arg  uint64
	loop bool // it loops and calls nothing
}

func kernels() []kernel {
	return []kernel{
		{"fib", 20, false},
		{"sieve", 30_000, true},
		{"nbody", 500, true},
		{"sha256", 16 << 10, true},
		{"json", 100, false},
		{"matrix", 40, true},
		{"upper", 1 << 16, true},
		{"sort", 3000, false},
		{"crc", 1 << 16, false},
		{"copy", 400, false},
		{"interp", 1000, false},
		{"indirect", 30_000, false},
		{"tree", 11, false},
	}
}

func (k kernel) code(t testing.TB) []byte {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(kernelDir, k.name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// meterWorks is the kernel that others are compared with too.
func meterWorks() []work {
	return []work{{name: "fib(20)", subjects: func(t testing.TB) []subject {
		bare, _, metered := kernelSubjects(t, kernel{name: "fib", arg: 20})
		return []subject{bare, metered}
	}}}
}

// kernelSubjects are a kernel on raw wazero; behind a handle without a deadline, fuel
// and bounded depth, for that is what an operator's trust does; and with them. What
// they compute must be the same.
func kernelSubjects(t testing.TB, k kernel) (bare, trusted, metered subject) {
	t.Helper()
	code := k.code(t)
	call := newRaw(t, code).call(t, k.name)
	words := []uint64{k.arg}
	if err := call(words); err != nil {
		t.Fatal(err)
	}
	want := words[0]
	loop := func(call func(words []uint64) error) func(n int) error {
		return func(n int) error {
			words := make([]uint64, 1)
			for range n {
				words[0] = k.arg
				if err := call(words); err != nil {
					return err
				}
				if words[0] != want {
					return fmt.Errorf("%w: %d, expected %d", errWrong, words[0], want)
				}
			}
			return nil
		}
	}
	hosted := func(name string, trusted []string) subject {
		h := wasmHost(t, wasm.Options{CallTimeout: time.Minute, Trusted: trusted})
		install(t, h, host.ClassWASM, k.name, files{
			k.name + ".wasm": code, k.name + ".json": fmt.Appendf(nil, `{"version":"1","functions":[%q]}`, k.name),
		})
		return subject{name: name, run: loop(laneWords(function(t, h, k.name)))}
	}
	return subject{name: "raw wazero", run: loop(call)}, hosted("handle, trusted", []string{k.name}), hosted("handle, metered", nil)
}

// meterStudies are the prices of P6.
func meterStudies() []study {
	return []study{{"the meter on kernels", kernelRows}, {"the meter on a call", callRows}, {"the collector beside an endless guest", collectorRows}}
}

// kernelRows has a row for each kernel, and geometric means. Here least times are
// compared: the promise is a few per cent, and no machine is as still as that.
func kernelRows(t testing.TB) []report.Row {
	const rounds, round = 100, 2 * time.Millisecond
	var rows []report.Row
	overTrusted, overBare := 0.0, 0.0
	for _, k := range kernels() {
		bare, trusted, metered := kernelSubjects(t, k)
		figures, err := measure([]subject{trusted, metered, bare}, rounds, round)
		if err != nil {
			t.Fatal(err)
		}
		r := leastRow("kernel "+k.name+", least times", figures)
		if k.loop {
			r.Promise, r.Bound = "P6: at most 1.03x on loops", 1.03
		}
		overTrusted += math.Log(r.Ratio)
		overBare += math.Log(figures[1].LeastNS / figures[2].LeastNS)
		rows = append(rows, r)
	}
	mean := func(logs float64) float64 { return math.Exp(logs / float64(len(kernels()))) }
	return append(rows, report.Row{
		Work: "geometric mean of the kernels", Subject: "handle, metered", Floor: "handle, trusted",
		Ratio: mean(overTrusted), Promise: "P6: at most 1.15x", Bound: 1.15,
	}, report.Row{
		Work: "geometric mean of the kernels", Subject: "handle, metered", Floor: "raw wazero", Ratio: mean(overBare),
	})
}

// leastRow is the row of the second figure beside the first, of least times.
func leastRow(work string, figures []report.Figure) report.Row {
	r := report.Rows(work, figures)[0]
	r.MedianNS, r.FloorNS, r.Ratio = figures[1].LeastNS, figures[0].LeastNS, figures[1].LeastRatio
	return r
}

// callRows is what the meter adds to a call that does next to nothing.
func callRows(t testing.TB) []report.Row {
	_, trusted, metered := kernelSubjects(t, kernel{name: "add", arg: 4})
	figures, err := measure([]subject{trusted, metered}, 100, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	r := leastRow("what the meter adds to a call, least times", figures)
	r.Value, r.Unit = max(r.MedianNS-r.FloorNS, 0.01), "ns more"
	r.Promise, r.Bound, r.Of = "P6: at most 1 ns a call", 1, report.OfValue
	return []report.Row{r}
}

// collectorRows is how long a garbage collection takes beside a guest that never
// ends, and beside a Go loop that does not either.
func collectorRows(t testing.TB) []report.Row {
	h := wasmHost(t, wasm.Options{CallTimeout: time.Minute})
	install(t, h, host.ClassWASM, "guest", guestFiles(host.ResetReuse))
	spin := function(t, h, "spin")
	guestLoop := func(ctx context.Context) { _, _ = spin.Exec(ctx, nil, nil) }
	goLoop := func(ctx context.Context) {
		for ctx.Err() == nil {
		}
	}
	var took [2][]float64
	for range 61 {
		for i, busy := range []func(context.Context){goLoop, guestLoop} {
			took[i] = append(took[i], collect(busy))
		}
	}
	floor, guest := report.Median(took[0]), report.Median(took[1])
	return []report.Row{{
		Work: "a garbage collection of the host", Subject: "beside an endless guest", Floor: "beside an endless Go loop",
		MedianNS: guest, FloorNS: floor, Ratio: guest / floor, Value: max(guest-floor, 1), Unit: "ns more",
		Promise: "P6: at most 1 ms more", Bound: 1e6, Of: report.OfValue,
	}}
}

// collect is how many nanoseconds a collection takes while something is busy.
func collect(busy func(context.Context)) float64 {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		busy(ctx)
	}()
	time.Sleep(2 * time.Millisecond) // until it is
	begun := time.Now()
	runtime.GC()
	took := time.Since(begun)
	stop()
	<-ended
	return float64(took.Nanoseconds())
}

// TestKernelsKnown: each kernel here is one that the meter has.
func TestKernelsKnown(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(kernelDir, "*.wasm"))
	if err != nil || len(names) < len(kernels()) {
		t.Fatal(names, err)
	}
	for _, k := range kernels() {
		if !slices.Contains(names, filepath.Join(kernelDir, k.name+".wasm")) {
			t.Errorf("%s: found none in %s", k.name, kernelDir)
		}
	}
}
