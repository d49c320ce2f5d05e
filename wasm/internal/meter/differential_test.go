package meter_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
)

// laboratory is the worlds that one goroutine compares in.
type laboratory struct {
	plain, drained, small *runner // interpreters
	compiled, metered     *runner
}

// newLaboratory opens the worlds. With patience, each call is ended behind it, which makes everything slower.
func newLaboratory(t testing.TB, patience time.Duration) *laboratory {
	interpreter := wazero.NewRuntimeConfigInterpreter().WithCloseOnContextDone(patience > 0)
	compiler := wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(patience > 0)
	return &laboratory{
		plain:    &runner{world: newWorld(t, interpreter, 1), drain: false, patience: patience},
		drained:  &runner{world: newWorld(t, interpreter, 100_000), drain: true, patience: patience},
		small:    &runner{world: newWorld(t, interpreter, 1_000), drain: false, patience: patience},
		compiled: &runner{world: newWorld(t, compiler, 1), drain: false, patience: patience},
		metered:  &runner{world: newWorld(t, compiler, 100_000), drain: true, patience: patience},
	}
}

// stats counts what was compared, so that it cannot be nothing.
type stats struct {
	modules, compiled, chunked, calls, traps, ended atomic.Int64
}

// compare compares a module with what a rewriting makes of it. The error is the first difference.
func (l *laboratory) compare(code []byte, by rewriting, seed uint64, compiler bool, n *stats) error {
	rewritten, m, err := metered(code, by)
	if err != nil {
		return err
	}
	if again, _, _ := metered(code, by); !bytes.Equal(again, rewritten) {
		return fmt.Errorf("rewritten twice, the bytes differ")
	}
	want, err := l.plain.run(code, m, false, seed)
	if err != nil {
		return fmt.Errorf("the generator: %w", err)
	}
	drained, err := l.drained.run(rewritten, m, true, seed)
	if err != nil {
		return err
	}
	l.small.slice = []int64{10, 100, 1_000}[seed%3]
	chunks, some := inChunks(rewritten, code)
	small, err := l.small.run(chunks, m, true, seed)
	if err != nil {
		return err
	}
	for _, err := range []error{
		same(want, drained), same(want, small), samePrice(drained, small, false), paid(small, l.small.slice),
	} {
		if err != nil {
			return err
		}
	}
	n.modules.Add(1)
	n.chunked.Add(int64(some))
	n.count(want)
	if !compiler {
		return nil
	}
	return l.compareCompiled(code, rewritten, m, seed, drained, n)
}

func (l *laboratory) compareCompiled(code, rewritten []byte, m *gate.Module, seed uint64, interpreted run, n *stats) error {
	want, err := l.compiled.run(code, m, false, seed)
	if err != nil {
		return fmt.Errorf("the generator: %w", err)
	}
	got, err := l.metered.run(rewritten, m, true, seed)
	if err != nil {
		return err
	}
	n.compiled.Add(1)
	if err := same(want, got); err != nil {
		return fmt.Errorf("compiled: %w", err)
	}
	if err := same(interpreted, got); err != nil {
		return fmt.Errorf("interpreted and compiled: %w", err)
	}
	return samePrice(interpreted, got, true)
}

func (n *stats) count(r run) {
	for _, c := range r.calls {
		n.calls.Add(1)
		if c.err != "" {
			n.traps.Add(1)
		}
		if c.steps < 0 {
			n.ended.Add(1)
		}
	}
}

// same compares what is to be seen.
func same(want, got run) error {
	if len(got.calls) != len(want.calls) {
		return fmt.Errorf("%d calls, expected %d", len(got.calls), len(want.calls))
	}
	for i, w := range want.calls {
		if w != got.calls[i] {
			return fmt.Errorf("call %d:\n%+v, expected\n%+v", i, got.calls[i], w)
		}
		// The engine shows thirty frames, of which some may be the meter's.
		if n := min(len(want.open[i]), len(got.open[i])); !slices.Equal(want.open[i][:n], got.open[i][:n]) {
			return fmt.Errorf("call %d: trapped in\n%v, expected\n%v", i, got.open[i], want.open[i])
		}
	}
	return nil
}

// samePrice compares what calls were charged. A call that trapped may have more in its hands than it has paid for.
func samePrice(a, b run, trapped bool) error {
	for i, used := range a.used {
		if used != b.used[i] && (trapped || a.calls[i+1].err == "") {
			return fmt.Errorf("call %s cost %d, and at another time %d", a.calls[i+1].call, used, b.used[i])
		}
	}
	return nil
}

// paid holds that nothing that repeats is free. Each step that a guest takes stands in a dozen instructions of its own,
// or is one of at most four that are taken at once. What a call had paid when it trapped may be known to itself only; but
// it is no more than it had, a slice, and what stood between two looks.
func paid(r run, slice int64) error {
	const leaf, between = 60, 600 // a small function pays nothing if the host calls it
	for i, used := range r.used {
		owes := 3*r.steps[i] - leaf
		if r.calls[i+1].err != "" {
			used, owes = max(0, r.had[i])+slice, owes-between
		}
		if used < max(owes, r.steps[i]/2) {
			return fmt.Errorf("call %s took %d steps and paid %d at most", r.calls[i+1].call, r.steps[i], used)
		}
	}
	return nil
}

// modules is how many modules the suite compares; METER_MODULES asks for another number. The race detector makes them dear
// and finds nothing in them.
func modules(t *testing.T) uint64 {
	if text := os.Getenv("METER_MODULES"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("METER_MODULES=%q: expected a number", text)
		}
		return n
	}
	switch {
	case testing.Short():
		return 500
	case raced:
		return 1_500
	}
	return 10_000
}

// TestDifferential: a module does the same with the meter and without, at the same price whatever the engine and the
// slices. METER_SEED asks for one seed only.
func TestDifferential(t *testing.T) {
	var n stats
	if text := os.Getenv("METER_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("METER_SEED=%q: expected a number", text)
		}
		if err := newLaboratory(t, 0).compare(modgen.Module(seed), roomy, seed, true, &n); err != nil {
			t.Error(err)
		}
		return
	}
	count := modules(t)
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		l := newLaboratory(t, 0)
		wg.Go(func() {
			for !t.Failed() {
				seed := next.Add(1) - 1
				if seed >= count {
					return
				}
				if err := l.compare(modgen.Module(seed), roomy, seed, seed%32 == 0, &n); err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d modules, %d of them compiled too, %d with chunks; %d calls, of which %d trapped, %d of them for they took too many steps",
		n.modules.Load(), n.compiled.Load(), n.chunked.Load(), n.calls.Load(), n.traps.Load(), n.ended.Load())
	if !t.Failed() && (n.modules.Load() != int64(count) || n.chunked.Load() < int64(count)/4 || n.calls.Load() < 4*int64(count) || n.traps.Load() > n.calls.Load()*9/10) {
		t.Error("too little was compared")
	}
}
