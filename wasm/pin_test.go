package wasm

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

const pinGuest = `(module
	(func (export "add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1)))
	(func (export "trap") (param f64) (result f64) unreachable)
	(func (export "spin") (loop $l (br $l))))`

func pinOf(t testing.TB, m *module, name string) (host.Scalar, func()) {
	t.Helper()
	f, unpin := pinFunction(t, m, name)
	return f.(host.Scalar), unpin
}

func pinFunction(t testing.TB, m host.Module, name string) (host.Function, func()) {
	t.Helper()
	p := m.(host.Pinner).Pin()
	return p.Function(fn(t, m, name)), p.Unpin
}

// sum calls add, and says what was wrong.
func sum(f host.Scalar, x, y float64) error {
	words := []uint64{math.Float64bits(x), math.Float64bits(y)}
	if err := f.ExecScalar(context.Background(), nil, words); err != nil {
		return err
	}
	if got := math.Float64frombits(words[0]); got != x+y {
		return errors.New("a wrong sum")
	}
	return nil
}

func kept(p *pool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pin := range p.pins {
		if pin.in != nil {
			n++
		}
	}
	return n
}

// TestPinsShare: more pins and callers than instances, at once; nobody waits for an idle pin.
func TestPinsShare(t *testing.T) {
	rt := newRuntime(t, Options{PoolMax: 2, PoolWait: 10 * time.Second, PoolIdle: 5 * time.Millisecond})
	m := watModule(t, rt, pinGuest, "add", "trap", "spin")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			f, end := fn(t, m, "add").(host.Scalar), func() {}
			if i%2 == 0 {
				f, end = pinOf(t, m, "add")
			}
			defer end()
			for n := range 2000 {
				if err := sum(f, float64(i), float64(n)); err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
				if n%500 == 0 {
					time.Sleep(time.Millisecond) // an idle pin
				}
			}
		})
	}
	wg.Wait()
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if m.pool.live > 2 || len(m.pool.pins) != 0 {
		t.Errorf("%d instances, %d pins", m.pool.live, len(m.pool.pins))
	}
}

// TestPinIsRecalled: an idle pin keeps no instance from who waits for one, and goes on.
func TestPinIsRecalled(t *testing.T) {
	rt := newRuntime(t, Options{PoolMax: 1, PoolWait: 5 * time.Second})
	m := watModule(t, rt, pinGuest, "add", "trap", "spin")
	f, unpin := pinOf(t, m, "add")
	defer unpin()
	for range 3 {
		if err := sum(f, 1, 2); err != nil {
			t.Fatal(err)
		}
		if err := sum(fn(t, m, "add").(host.Scalar), 3, 4); err != nil {
			t.Fatal(err)
		}
		if n := kept(m.pool); n != 0 {
			t.Fatalf("%d kept while recalled", n)
		}
		if err := sum(f, 5, 6); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); kept(m.pool) == 0; time.Sleep(time.Millisecond) {
			if err := sum(f, 7, 8); err != nil || time.Now().After(deadline) {
				t.Fatal("the pin keeps nothing again: ", err)
			}
		}
	}
}

// TestPinAfterFault: an instance that trapped is not used again, nor is one that nobody uses kept.
func TestPinAfterFault(t *testing.T) {
	rt := newRuntime(t, Options{PoolMax: 2, PoolIdle: 10 * time.Millisecond})
	m := watModule(t, rt, pinGuest, "add", "trap", "spin")
	f, unpin := pinOf(t, m, "trap")
	defer unpin()
	for range 5 {
		if e, ok := errors.AsType[*host.GuestError](f.ExecScalar(context.Background(), nil, make([]uint64, 1))); !ok || e.Fault != host.FaultTrap {
			t.Fatal(e)
		}
		if n := kept(m.pool); n != 0 {
			t.Fatalf("%d kept after a trap", n)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	spin, unspin := pinOf(t, m, "spin")
	defer unspin()
	if err := spin.ExecScalar(ctx, nil, make([]uint64, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	add, unadd := pinOf(t, m, "add")
	defer unadd()
	if err := sum(add, 1, 1); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); kept(m.pool) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the janitor does not see what a pin keeps")
		}
	}
	if err := sum(add, 1, 1); err != nil {
		t.Fatal(err)
	}
}

// TestPinAtClose: the end of a module does not wait for idle pins, and does for the call of one.
func TestPinAtClose(t *testing.T) {
	for range 20 {
		rt := newRuntime(t, Options{PoolMax: 4})
		m := watModule(t, rt, pinGuest, "add", "trap", "spin")
		idle, unpin := pinOf(t, m, "add")
		if err := sum(idle, 1, 1); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var calls atomic.Int64
		for range 2 {
			wg.Go(func() {
				f, unpin := pinOf(t, m, "add")
				defer unpin()
				for {
					if err := sum(f, 1, 1); err != nil {
						if !errors.Is(err, host.ErrClosed) {
							t.Error(err)
						}
						return
					}
					calls.Add(1)
				}
			})
		}
		for calls.Load() < 100 {
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := m.Close(ctx); err != nil || ctx.Err() != nil {
			t.Fatal(err, ctx.Err())
		}
		cancel()
		wg.Wait()
		if err := sum(idle, 1, 1); !errors.Is(err, host.ErrClosed) {
			t.Fatal(err)
		}
		unpin()
	}
	rt := newRuntime(t, Options{})
	m := watModule(t, rt, pinGuest, "add", "trap", "spin")
	var wg sync.WaitGroup
	wg.Go(func() {
		f, unpin := pinOf(t, m, "spin")
		defer unpin()
		if err := f.ExecScalar(context.Background(), nil, make([]uint64, 1)); !errors.Is(err, host.ErrInterrupted) {
			t.Error(err)
		}
	})
	for n := 0; n == 0; time.Sleep(time.Millisecond) {
		m.pool.mu.Lock()
		for p := range m.pool.pins {
			if p.mark.InUse() {
				n++
			}
		}
		m.pool.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}
