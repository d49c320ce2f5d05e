//go:build unix

package wasm

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestBudgetPays: what is used is taken off, calls wait in their order for what there is
// not, and fuel is priced by what was measured.
func TestBudgetPays(t *testing.T) {
	const ms = time.Millisecond
	b := newBudget(50) // 50 ms at once
	for i, c := range []struct {
		at   time.Duration
		bill bill
		want time.Duration
	}{
		{0, bill{took: 50 * ms, known: true}, 0},
		{0, bill{took: 10 * ms, known: true}, 20*ms + turn},
		{0, bill{took: 10 * ms, known: true}, 40*ms + turn}, // behind the one before
		{-5 * ms, bill{}, 40*ms + turn},                     // a look at the clock that came late
		{30 * ms, bill{}, 10*ms + turn},
		{60 * ms, bill{}, 0},
		{60 * ms, bill{took: 10*ms - 10, units: 10}, 0},                    // 10 ns, by the estimate
		{60 * ms, bill{took: 15 * ms, units: math.MaxInt32}, 10*ms + turn}, // no more than went by
		{60 * ms, bill{took: -15 * ms, known: true}, 0},                    // too much was taken
		{60 * ms, bill{work: 20 * ms, known: true}, 20*ms + turn},
		{time.Hour, bill{took: 50 * ms, known: true}, 0}, // and no more than at first
		{time.Hour, bill{took: ms, known: true}, 2*ms + turn},
	} {
		if got := b.pay(c.at, c.bill); got.Round(time.Microsecond) != c.want.Round(time.Microsecond) || b.owing.Load() != (c.want > 0) {
			t.Errorf("bill %d: waits %v, want %v", i, got, c.want)
		}
	}
	for range 50 {
		b.pay(0, bill{took: 40 * time.Microsecond, units: 2000, known: true, trial: trialPassed})
		b.pay(0, bill{took: ms, units: 1, known: true}) // not measured
	}
	if b.each < 19 || b.each > 21 {
		t.Errorf("a unit is said to cost %.1f ns, want 20", b.each)
	}
	for _, c := range []struct {
		trial trial
		want  int64
	}{{trialMissed, mostTrial / 2}, {trialMissed, mostTrial / 4}, {trialPassed, mostTrial / 2}, {trialPassed, mostTrial}, {trialPassed, mostTrial}} {
		if b.pay(0, bill{trial: c.trial, units: 1, took: 20, known: true}); b.trialSize() != c.want {
			t.Errorf("the next slice to measure has %d, want %d", b.trialSize(), c.want)
		}
	}
}

// TestNoBudget: without one there is nothing to pay.
func TestNoBudget(t *testing.T) {
	for _, o := range []Options{{}, {CPUPercent: 5, Trusted: []string{"m"}}, {CPUPercent: 5, unmetered: true}} {
		m := busyModule(t, newRuntime(t, o), 1, host.Manifest{})
		if err := turning(100_000)(t, m)(t.Context()); err != nil || m.budget != nil || m.Waited() != 0 {
			t.Errorf("%+v: a budget of %v, waited %v, %v", o, m.budget, m.Waited(), err)
		}
	}
}

// indebt has calls of m wait for so long, were nothing to end them.
func indebt(m *module, d time.Duration) {
	used := time.Duration(float64(d) * m.budget.rate / float64(time.Second))
	m.budget.pay(m.rt.clock(), bill{took: used, known: true})
}

// waiter calls endlessly, and returns when it waits for the budget. wait returns the
// call's error, and how long it took to come since somebody called wait.
func waiter(t testing.TB, m *module, ctx context.Context) (wait func() (error, time.Duration)) {
	t.Helper()
	done, fuel := make(chan error, 1), m.Fuel()
	go func() { done <- spinning(t, m)(ctx) }()
	for range 1000 {
		if m.Fuel() > fuel { // it has asked for more
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * time.Millisecond)
	return func() (error, time.Duration) {
		began := time.Now()
		select {
		case err := <-done:
			return err, time.Since(began)
		case <-time.After(10 * time.Second):
			return errors.New("it goes on waiting"), time.Since(began)
		}
	}
}

// TestBudgetWaitEnds: a call that waits ends as others do, at once, and says what held it.
func TestBudgetWaitEnds(t *testing.T) {
	const held = "of waiting for more of the plugin's budget, which is 1 percent of a core: see limits.cpuPercent of the manifest and wasm.cpuPercent"
	open := func(t *testing.T, ms int) *module {
		m := busyModule(t, newRuntime(t, Options{}), 1, host.Manifest{Limits: host.Limits{CPUPercent: 1, CallMs: ms}})
		indebt(m, time.Hour)
		return m
	}
	soon := func(t *testing.T, d time.Duration) {
		t.Helper()
		if d > 100*time.Millisecond { // some, at most, on an idle machine
			t.Errorf("it took %v", d)
		}
	}
	t.Run("deadline", func(t *testing.T) {
		m := open(t, 100)
		began := time.Now()
		err := spinning(t, m)(t.Context())
		g, ok := errors.AsType[*host.GuestError](err)
		if !ok || g.Fault != host.FaultDeadline || !strings.Contains(err.Error(), "ran longer than 100ms, with ") || !strings.Contains(err.Error(), held) {
			t.Error(err)
		}
		if d := time.Since(began); d < 95*time.Millisecond || d > time.Second {
			t.Errorf("it took %v", d)
		}
		if w := m.breaker.wasted; w > 50*time.Millisecond {
			t.Errorf("%v are said to be wasted", w)
		}
	})
	t.Run("caller", func(t *testing.T) {
		m := open(t, 0)
		m.grant.timeout = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		wait := waiter(t, m, ctx)
		cancel()
		err, d := wait()
		if soon(t, d); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "given up by its caller, after ") || !strings.Contains(err.Error(), held) {
			t.Error(err)
		}
		if m.breaker.faults > 0 || m.Waited() < 4*time.Millisecond {
			t.Errorf("%d faults, waited %v", m.breaker.faults, m.Waited())
		}
	})
	t.Run("removal", func(t *testing.T) {
		m := open(t, 0)
		m.grant.timeout = time.Hour
		wait := waiter(t, m, context.Background())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = m.Close(ctx)
		if err, d := wait(); !errors.Is(err, host.ErrInterrupted) {
			t.Error(err)
		} else {
			soon(t, d)
		}
	})
	t.Run("no instance", func(t *testing.T) {
		m := busyModule(t, newRuntime(t, Options{PoolMax: 1, PoolWait: 1}), 1, host.Manifest{Limits: host.Limits{CPUPercent: 1}})
		indebt(m, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		wait := waiter(t, m, ctx)
		if err := turning(1)(t, m)(t.Context()); !errors.Is(err, host.ErrBusy) || !strings.Contains(err.Error(), "raise limits.cpuPercent of the manifest and wasm.cpuPercent, since") {
			t.Error(err)
		}
		cancel()
		_, _ = wait()
	})
	t.Run("installation", func(t *testing.T) { // is free
		m := busyModule(t, newRuntime(t, Options{}), 1_000_000, host.Manifest{Reset: host.ResetFresh, Limits: host.Limits{CPUPercent: 1}})
		if err := turning(1)(t, m)(t.Context()); err != nil || m.Waited() > 0 {
			t.Errorf("%v, waited %v", err, m.Waited())
		}
	})
	t.Run("start", func(t *testing.T) {
		m := busyModule(t, newRuntime(t, Options{}), 100_000, host.Manifest{Reset: host.ResetFresh, Limits: host.Limits{CPUPercent: 1, CallMs: 50}})
		m.pool.drain()
		indebt(m, time.Hour)
		if err := turning(1)(t, m)(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), held) {
			t.Error(err)
		}
	})
	t.Run("time", func(t *testing.T) { // after which the call goes on
		m := open(t, 0)
		m.budget.bucket.spent = 0
		indebt(m, 200*time.Millisecond)
		if err := turning(100_000)(t, m)(t.Context()); err != nil || m.Waited() == 0 {
			t.Errorf("%v, waited %v", err, m.Waited())
		}
	})
}

// TestBudgetOfNeighbours: calls that wait for their plugin's budget have no seat, and do
// not keep another plugin's from theirs.
func TestBudgetOfNeighbours(t *testing.T) {
	rt := newRuntime(t, Options{CallTimeout: time.Minute})
	m := busyModule(t, rt, 1, host.Manifest{Limits: host.Limits{CPUPercent: 1}})
	call := turning(200_000)(t, busyModule(t, rt, 1, host.Manifest{}))
	least := func() time.Duration {
		d := time.Hour
		for range 300 {
			began := time.Now()
			if err := call(t.Context()); err != nil {
				t.Fatal(err)
			}
			d = min(d, time.Since(began))
		}
		return d
	}
	alone := least()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { _ = spinning(t, m)(ctx) })
	}
	time.Sleep(100 * time.Millisecond)
	indebt(m, time.Hour)
	free := 0
	for range 200 {
		if len(rt.seats.free) == cap(rt.seats.free) {
			free++
		}
		time.Sleep(time.Millisecond / 2)
	}
	beside := least()
	cancel()
	group.Wait()
	if free < 190 {
		t.Errorf("seats were free in %d of 200 looks while all calls waited", free)
	}
	if beside > 2*alone {
		t.Errorf("a neighbour's call took %v at least, %v alone", beside, alone)
	}
}

// TestBudgetCosts: paying allocates nothing.
func TestBudgetCosts(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	m := busyModule(t, newRuntime(t, Options{CPUPercent: 100_000}), 1, host.Manifest{})
	free := busyModule(t, newRuntime(t, Options{}), 1, host.Manifest{})
	allocs := func(m *module, n int) float64 {
		f, words := fn(t, m, "turn").(host.Scalar), make([]uint64, 1)
		return testing.AllocsPerRun(200, func() {
			words[0] = uint64(n)
			_ = f.ExecScalar(context.Background(), nil, words)
		})
	}
	for _, n := range []int{100, 5000, 100_000} {
		if got, want := allocs(m, n), allocs(free, n); got > 0 && want == 0 { // the interpreter's calls have some
			t.Errorf("%.0f allocations, %.0f without a budget", got, want)
		}
	}
	if m.budget.spent == 0 {
		t.Error("nothing was paid")
	}
}

// TestBudgetOfRequests: a call that waits for the network uses no processor.
func TestBudgetOfRequests(t *testing.T) {
	b := newWebBench(t, Options{CPUPercent: 5, CallTimeout: 10 * time.Second}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		time.Sleep(100 * time.Millisecond)
	}))
	for range 3 {
		if _, err := b.do(get(b.server.URL)); err != nil {
			t.Fatal(err)
		}
	}
	if w := b.m.Waited(); w > 0 {
		t.Errorf("its calls waited %v for their budget", w)
	}
}
