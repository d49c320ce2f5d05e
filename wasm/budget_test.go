//go:build unix

package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// busy works for as long as it is told to, at its start too. A turn is 8 units.
const busy = `(module (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func $turn (export "fn_turn") (param $n i32)
    (loop $l (i32.store (i32.const 0) (local.get $n)) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "fn_trap") (param $n i32) (call $turn (local.get $n)) unreachable)
  (func (export "_initialize") (call $turn (i32.const %d)))
  (func (export "fn_spin") (loop $l (br $l))))`

func busyModule(t testing.TB, rt *Runtime, start int, m host.Manifest) *module {
	t.Helper()
	m.Functions = []string{"turn", "trap", "spin"}
	return load(t, rt, watBundle(t, fmt.Sprintf(busy, max(1, start)), m))
}

// touchy touches pages, and each call finds them as at the start: that is the host's work.
const touchy = `(module (memory (export "memory") 128)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "fn_turn") (param $n i32)
    (loop $l (i32.store (i32.shl (local.get $n) (i32.const 12)) (local.get $n)) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`

// chasing follows so many pointers a call, each to where the processor has nothing at hand: without a loop or a call in it
// all is paid at once, and small enough it would be part of its caller.
func chasing(loads int) string {
	return `(module (memory 256) (global $p (mut i32) (i32.const 64))
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "_initialize") (local $i i32)
    (loop $l (i32.store (i32.shl (local.get $i) (i32.const 6)) (i32.shl (i32.and (i32.add (i32.mul (local.get $i) (i32.const 1664525)) (i32.const 1013904223)) (i32.const 0x3ffff)) (i32.const 6)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 0x40000)))))
  (func (export "fn_turn") (param $n i32)
    (global.set $p ` + strings.Repeat("(i32.load ", loads) + "(global.get $p)" + strings.Repeat(")", loads) + `)))`
}

// processTime is what the process used of processors so far.
func processTime(t testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// use is what calls used of processors in a while.
type use struct {
	wall, cpu time.Duration
	fuel      uint64
	waited    time.Duration // of each caller
}

// useFor has callers call for so long, one call after another, and give up the last.
func useFor(t testing.TB, m *module, d time.Duration, callers int, call func(context.Context) error) use {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	began, cpu, fuel, waited := time.Now(), processTime(t), m.Fuel(), m.Waited()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for ctx.Err() == nil {
				err := call(ctx)
				if g, ok := errors.AsType[*host.GuestError](err); err != nil && ctx.Err() == nil && !(ok && g.Fault == host.FaultTrap) && !errors.Is(err, host.ErrBusy) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return use{time.Since(began), processTime(t) - cpu, m.Fuel() - fuel, (m.Waited() - waited) / time.Duration(callers)}
}

// keeps judges whether what was used is the budget of so many percent, give or take a
// third, after what may be used at once. Less is fine while others had the processors,
// not while calls waited, unless it is to be the most.
func (u use) keeps(budget int, most bool) error {
	share := float64(budget) / 100
	got := float64(u.cpu)/float64(u.wall) - share*float64(budgetBurst)/float64(u.wall)
	if got > share*4/3 || got < share*2/3 && u.waited > u.wall/2 && !most {
		return fmt.Errorf("used %.1f percent of a core in %v, of which calls waited %v, and has a budget of %d", 100*got, u.wall, u.waited, budget)
	}
	return nil
}

func (u use) String() string {
	return fmt.Sprintf("%.1f percent of a core, waited %v of %v", 100*float64(u.cpu)/float64(u.wall), u.waited, u.wall)
}

// budgetCase is a way to use processors.
type budgetCase struct {
	name    string
	start   int    // turns
	text    string // of the guest, if not busy
	m       host.Manifest
	callers int
	call    func(testing.TB, *module) func(context.Context) error
	host    bool // works too, and that is not small
	most    bool // is all that the budget is, since pages take time of no processor here
}

// spinning never ends by itself.
func spinning(t testing.TB, m *module) func(context.Context) error {
	f := fn(t, m, "spin")
	return func(ctx context.Context) error {
		_, err := f.Exec(ctx, nil, nil)
		return err
	}
}

func turning(n int) func(testing.TB, *module) func(context.Context) error {
	return func(t testing.TB, m *module) func(context.Context) error {
		f := fn(t, m, "turn").(host.Scalar)
		return func(ctx context.Context) error {
			words := [1]uint64{uint64(n)}
			return f.ExecScalar(ctx, nil, words[:])
		}
	}
}

// turningPinned goes the quick way: its caller does not give up.
func turningPinned(n int) func(testing.TB, *module) func(context.Context) error {
	return func(t testing.TB, m *module) func(context.Context) error {
		f, unpin := pinFunction(t, m, "turn")
		t.Cleanup(unpin)
		return func(context.Context) error {
			return f.(host.Scalar).ExecScalar(context.Background(), nil, []uint64{uint64(n)})
		}
	}
}

func trapping(t testing.TB, m *module) func(context.Context) error {
	f := fn(t, m, "trap")
	return func(ctx context.Context) error {
		_, err := f.Exec(ctx, nil, []any{int64(500_000)})
		return err
	}
}

// A call of few turns ends within its slice, one of many does not.
const few, many = 2000, 3_000_000

func budgetCases() []budgetCase {
	fueled := host.Manifest{Limits: host.Limits{Fuel: 1 << 40}}
	return []budgetCase{
		{name: "an endless call", callers: 1, call: spinning},
		{name: "endless calls", callers: 4, call: spinning},
		{name: "long calls", callers: 2, call: turning(many)},
		{name: "short calls", callers: 1, call: turning(few)},
		{name: "short calls of many", callers: 4, call: turning(few), host: true},
		{name: "long calls with fuel", m: fueled, callers: 2, call: turning(many)},
		{name: "short calls with fuel", m: fueled, callers: 2, call: turning(few), host: true},
		{name: "short calls of a pin", callers: 1, call: turningPinned(few)},
		{name: "calls that trap", callers: 2, call: trapping, host: true},
		{name: "starts", start: 500_000, m: host.Manifest{Reset: host.ResetFresh}, callers: 2, call: turning(1), host: true},
		{name: "small calls that wait for memory", text: chasing(24), m: host.Manifest{Functions: []string{"turn"}}, callers: 1, call: turning(1), host: true, most: true},
		{name: "calls that wait for memory", text: chasing(200), m: host.Manifest{Functions: []string{"turn"}}, callers: 1, call: turning(1), most: true},
		{name: "resets", text: touchy, m: host.Manifest{Functions: []string{"turn"}, Reset: host.ResetSnapshot}, callers: 1, call: turning(200), host: true, most: true},
	}
}

func (c budgetCase) load(t testing.TB, engine string, percent int) *module {
	rt := newRuntime(t, Options{CallTimeout: time.Minute, Engine: engine, Quarantine: -1})
	c.m.Limits.CPUPercent = percent
	if c.text != "" {
		return load(t, rt, watBundle(t, c.text, c.m))
	}
	return busyModule(t, rt, c.start, c.m)
}

// keeps runs the case, up to three times: others use the machine too.
func (c budgetCase) keeps(t testing.TB, m *module, percent int) (u use, err error) {
	call := c.call(t, m)
	for range 3 {
		u = useFor(t, m, 800*time.Millisecond, c.callers, call)
		if err = u.keeps(percent, c.most); err == nil {
			break
		}
	}
	return u, err
}

// TestBudget: a plugin uses what its budget is, whatever it does.
func TestBudget(t *testing.T) {
	const percent = 10
	engines(t, func(t *testing.T, engine string) {
		for i, c := range budgetCases() {
			if engine == "interpreter" && i > 3 { // the rest is the same
				break
			}
			t.Run(c.name, func(t *testing.T) {
				if c.host && raced {
					t.Skip("the race detector uses more than the guest")
				}
				m := c.load(t, engine, percent)
				u, err := c.keeps(t, m, percent)
				if err != nil {
					t.Error(err)
				}
				if w := m.Waited(); u.fuel == 0 || w == 0 && u.cpu > u.wall*percent/100 || m.Status().Instances.Waited != w {
					t.Errorf("%d units, waited %v, told %v", u.fuel, w, m.Status().Instances.Waited)
				}
				t.Log(u)
			})
		}
	})
}

// TestBrokenBudgets: what TestBudget judges by is more than a budget that is not kept, in
// each of the ways in which it might not be.
func TestBrokenBudgets(t *testing.T) {
	const percent = 5
	cases := budgetCases()
	for name, breakIt := range map[string]func(*module) budgetCase{
		"there is none": func(m *module) budgetCase {
			m.budget = nil
			return cases[1]
		},
		"it is twice what it should be": func(m *module) budgetCase {
			m.budget.rate *= 2
			return cases[1]
		},
		"calls within a slice are free": func(m *module) budgetCase {
			return budgetCase{callers: 1, call: func(t testing.TB, m *module) func(context.Context) error {
				call := turning(few)(t, m)
				return func(ctx context.Context) error {
					m.budget.mu.Lock()
					m.budget.each = 0
					m.budget.mu.Unlock()
					return call(ctx)
				}
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := cases[0].load(t, "", percent)
			c := breakIt(m)
			for range 5 { // where others have the processors, none has too much
				u := useFor(t, m, 500*time.Millisecond, c.callers, c.call(t, m))
				if u.keeps(percent, c.most) != nil {
					return
				}
				t.Log(u)
			}
			t.Error("it passes for a sound one")
		})
	}
}
