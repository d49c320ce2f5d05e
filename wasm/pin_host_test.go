package wasm

import (
	"context"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// TestForgottenPins: pins that nobody closed give their instances back when the collector finds them, and what handles
// keep for processors do when the janitor asks; and every call was counted.
func TestForgottenPins(t *testing.T) {
	code, err := wat.Assemble([]byte(`(module (func (export "add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1))))`))
	if err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, Options{PoolMax: 8})
	h := hostIn(t, rt, code, host.Manifest{Functions: []string{"add"}})
	const callers, calls = 6, 500
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			f := handleOf(t, h, "add")
			exec := f.ExecScalar
			if i%2 == 0 {
				pin, err := f.Pin()
				if err != nil {
					t.Error(err)
					return
				}
				exec = pin.ExecScalar // and forget to close it
			}
			for n := range calls {
				words := []uint64{math.Float64bits(float64(i)), math.Float64bits(float64(n))}
				if err := exec(context.Background(), nil, words); err != nil || math.Float64frombits(words[0]) != float64(i+n) {
					t.Error(words, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if d, err := h.FunctionNamed("add"); err != nil || d.Usage.Calls != callers*calls {
		t.Errorf("%d calls were counted, of %d: %v", d.Usage.Calls, callers*calls, err)
	}
	pool := rt.loaded()[0].pool
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		pool.recallPins(0)
		pool.mu.Lock()
		pins, live := len(pool.pins), pool.live
		pool.mu.Unlock()
		if pins <= runtime.GOMAXPROCS(0) && live == idle(pool) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d pins are left; of %d instances %d are idle", pins, live, idle(pool))
		}
	}
	if d, err := h.FunctionNamed("add"); err != nil || d.Usage.Calls != callers*calls {
		t.Errorf("afterwards %d calls are counted, of %d: %v", d.Usage.Calls, callers*calls, err)
	}
}
