package meter_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// What is promised.
const (
	mostLoop   = 1.03             // times raw, each of the loops
	mostMean   = 1.15             // geometric mean of all
	mostCall   = time.Nanosecond  // more than raw
	mostGCWait = time.Millisecond // median
)

// TestKernels holds the kernels to their sources' results, on every subject, and to the files that were committed.
func TestKernels(t *testing.T) {
	sums, err := os.ReadFile(filepath.Join("testdata", "kernels", "sums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range append(costKernels(), callKernel()) {
		t.Run(k.name, func(t *testing.T) {
			code := readKernel(t, k)
			if len(code) > 4<<10 {
				t.Errorf("the module has %d bytes, expected at most 4 KiB", len(code))
			}
			for _, file := range []string{k.name + ".wasm", k.name + ".c"} {
				content, err := os.ReadFile(filepath.Join("testdata", "kernels", file))
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(content)
				if !strings.Contains(string(sums), hex.EncodeToString(sum[:])+"  "+file+"\n") {
					t.Errorf("%s has sum %x, which sums.txt does not: run testdata/kernels/make.sh", file, sum)
				}
			}
			for s := range subjects {
				newSubject(t, k, code, s)
			}
		})
	}
}

// priceOf is what a kernel took on each subject, in ns: the least and the median of all rounds.
type priceOf struct{ least, median [subjects]float64 }

func (p priceOf) ratio(s subject) float64 { return p.least[s] / p.least[subjectRaw] }

// price runs the subjects in turns, in rounds of a millisecond, so that each sees the machine as the others do.
func price(t *testing.T, k kernel, rounds int) (p priceOf) {
	code := readKernel(t, k)
	var list [subjects]*subjectRun
	var times [subjects][]float64
	var each [subjects]int // calls a round
	for s := range list {
		r := newSubject(t, k, code, subject(s))
		one := measure(t, r, 1)
		one = measure(t, r, 1+int(20_000/one))
		list[s], each[s] = r, 1+int(1e6/one)
	}
	for range rounds {
		for s, r := range list {
			times[s] = append(times[s], measure(t, r, each[s]))
		}
	}
	for s, all := range times {
		slices.Sort(all)
		p.least[s], p.median[s] = all[0], all[len(all)/2]
	}
	if n := testing.AllocsPerRun(3, func() { _, _ = list[subjectMetered].run(k.arg) }); n > testing.AllocsPerRun(3, func() { _, _ = list[subjectRaw].run(k.arg) }) {
		t.Errorf("%s: %v allocations a call, expected no more than raw", k.name, n)
	}
	return p
}

// measure is what one of n calls takes, in ns.
func measure(t *testing.T, r *subjectRun, n int) float64 {
	start := time.Now()
	for range n {
		if _, err := r.run(r.arg); err != nil {
			t.Fatal(r.name, err)
		}
	}
	return float64(time.Since(start)) / float64(n)
}

// TestMeterPrice measures what the meter costs. It takes half a minute and a machine that does little else, so it runs
// when METER_PRICE is set; METER_KERNELS names those to run.
func TestMeterPrice(t *testing.T) {
	if os.Getenv("METER_PRICE") == "" {
		t.Skip("METER_PRICE is not set")
	}
	const rounds = 100
	only := strings.Fields(os.Getenv("METER_KERNELS"))
	var table strings.Builder
	var sums [subjects]float64
	list := slices.DeleteFunc(append(costKernels(), goKernel()), func(k kernel) bool { return len(only) > 0 && !slices.Contains(only, k.name) })
	for _, k := range list {
		p := price(t, k, rounds)
		fmt.Fprintf(&table, "%-10s %10.0f %10.0f %8.3f %8.3f %8.2f\n", k.name, p.least[0], p.median[0],
			p.ratio(subjectMetered), p.median[subjectMetered]/p.median[subjectRaw], p.ratio(subjectSwitch))
		for s := range subjects {
			sums[s] += math.Log(p.ratio(s))
		}
		if r := p.ratio(subjectMetered); k.loop && r > mostLoop {
			t.Errorf("%s takes %.3f times as long as raw, at most %.2f are promised for loops", k.name, r, mostLoop)
		}
	}
	mean := func(s subject) float64 { return math.Exp(sums[s] / float64(len(list))) }
	fmt.Fprintf(&table, "%-10s %10s %10s %8.3f %8s %8.2f\n", "mean", "", "", mean(subjectMetered), "", mean(subjectSwitch))
	if r := mean(subjectMetered); r > mostMean {
		t.Errorf("the geometric mean is %.3f, at most %.2f is promised", r, mostMean)
	}
	call := price(t, callKernel(), rounds)
	fmt.Fprintf(&table, "a call: raw %.1f ns, metered %+.1f, switch %+.1f\n", call.least[0], call.least[1]-call.least[0], call.least[2]-call.least[0])
	if more := call.least[subjectMetered] - call.least[subjectRaw]; more > float64(mostCall) {
		t.Errorf("a call takes %.2f ns more than raw, at most %v is promised", more, mostCall)
	}
	t.Logf("times raw, least of %d rounds\n%-10s %10s %10s %8s %8s %8s\n%s", rounds, "kernel", "raw ns", "median", "metered", "(median)", "switch", &table)
}

// TestCollectorWaits: the host's garbage collector stops a guest that never ends, and waits for it hardly longer than for
// Go code that is as busy.
func TestCollectorWaits(t *testing.T) {
	code, err := wat.Assemble([]byte(`(module (func (export "spin") (loop $l (br $l))))`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
	if err != nil {
		t.Fatal(err)
	}
	if code, err = meter.Rewrite(code, m, meter.Limits{}); err != nil {
		t.Fatal(err)
	}
	rt := wazero.NewRuntime(context.Background())
	defer rt.Close(context.Background())
	giveFuel(t, rt)
	mod, err := rt.Instantiate(context.Background(), code)
	if err != nil {
		t.Fatal(err)
	}
	guest := func(ctx context.Context) { _, _ = mod.ExportedFunction("spin").Call(ctx) }
	host := func(ctx context.Context) {
		for ctx.Err() == nil {
		}
	}
	const tries = 3 // others may use this machine
	for try := range tries {
		besideGuest, besideHost := collections(t.Context(), guest, host)
		t.Logf("a collection takes %v next to an endless guest, %v next to a Go loop", besideGuest, besideHost)
		if besideGuest <= besideHost+mostGCWait || raced {
			return
		}
		if try == tries-1 {
			t.Errorf("a collection waits %v for a guest, expected at most %v", besideGuest-besideHost, mostGCWait)
		}
	}
}

// collections is how long a collection takes next to one thing and next to another: the median of many, in turns.
func collections(ctx context.Context, one, other func(context.Context)) (besideOne, besideOther time.Duration) {
	var times [2][]time.Duration
	for range 31 {
		for i, busy := range []func(context.Context){one, other} {
			times[i] = append(times[i], collect(ctx, busy))
		}
	}
	for _, list := range times {
		slices.SortFunc(list, cmp.Compare[time.Duration])
	}
	return times[0][len(times[0])/2], times[1][len(times[1])/2]
}

// collect is how long a collection takes while something is busy.
func collect(ctx context.Context, busy func(context.Context)) time.Duration {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		busy(ctx)
	}()
	time.Sleep(2 * time.Millisecond)
	start := time.Now()
	runtime.GC()
	took := time.Since(start)
	stop()
	<-ended
	return took
}
