package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// counting is a guest that starts with 100 in a global and in memory, in a page that it asks for, and counts both on; and
// that tells when it starts.
const counting = `(module (import "vanth" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1 8) (global $n (mut i64) (i64.const 0)) (global $f (mut f64) (f64.const 0.5))
  (data (i32.const 16) "starting")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func $start (global.set $n (i64.const 99)))
  (start $start)
  (func (export "_initialize")
    (call $log (i32.const 1) (i32.const 16) (i32.const 8))
    (drop (memory.grow (i32.const 2)))
    (i64.store (i32.const 0x28000) (i64.const 100))
    (global.set $f (f64.add (global.get $f) (f64.const 1)))
    (global.set $n (i64.add (global.get $n) (i64.const 1))))
  (func (export "fn_global") (result i64) (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n))
  (func (export "fn_float") (result f64) (global.set $f (f64.add (global.get $f) (f64.const 1))) (global.get $f))
  (func (export "fn_memory") (result i64)
    (i64.store (i32.const 0x28000) (i64.add (i64.load (i32.const 0x28000)) (i64.const 1))) (i64.load (i32.const 0x28000)))
  (func (export "fn_pages") (result i32) (memory.size))
  (func (export "fn_grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "vanth_buf") (param i32) (result i32) (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1))) (i32.const 0x20000))
  (func (export "fx_echo") (param i32 i32) (result i64) (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get 0) (i32.const 1))) (i64.const 32)) (i64.extend_i32_u (i32.sub (local.get 1) (i32.const 1)))))
  (func (export "fn_asked") (result i64) (i64.load (i32.const 8)))
  (func (export "fn_trap") (i64.store (i32.const 0x28000) (i64.const -1)) unreachable))`

// countingModule loads it.
func countingModule(t *testing.T, o Options, reset host.Reset) (*module, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := watBundle(t, counting, host.Manifest{
		Reset:     reset,
		Functions: []string{"global", "float", "memory", "pages", "grow", "echo", "asked", "trap"},
	})
	return load(t, newRuntime(t, o), b), &log
}

// TestReset: what a call finds of the one before.
func TestReset(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		for reset, moves := range map[host.Reset]bool{"": true, host.ResetReuse: true, host.ResetSnapshot: false, host.ResetFresh: false} {
			t.Run(string("reset "+reset), func(t *testing.T) {
				m, log := countingModule(t, Options{Engine: engine, PoolMax: 1}, reset)
				for _, pinned := range []bool{false, true} {
					call := func(name string, args ...any) any { return exec1(t, m, name, args...) }
					if pinned {
						call = func(name string, args ...any) any {
							f, end := pinFunction(t, m, name)
							defer end()
							if _, err := f.Exec(context.Background(), nil, args); err != nil {
								t.Fatal(err)
							}
							v, err := f.Exec(context.Background(), nil, args)
							if err != nil {
								t.Fatal(err)
							}
							return v
						}
					}
					m.pool.drain() // with a new instance
					for n := range int64(4) {
						calls := int64(1)
						if pinned {
							calls = 2
						}
						want := 100 + (n+1)*calls
						if !moves {
							want = 101
						}
						if g, mem, f := call("global"), call("memory"), call("float"); g != want || mem != want || f != float64(want)-98.5 {
							t.Errorf("pinned %v, call %d: %v of the global, %v of the memory, %v, expected %d", pinned, n, g, mem, f, want)
						}
						if pages := call("pages"); pages != int64(3) {
							t.Errorf("call %d: %v pages, expected 3", n, pages)
						}
						if v := call("echo", "x"); v != "x" {
							t.Errorf("echo: %v", v)
						}
						if asked := call("asked"); (asked == int64(0)) == moves {
							t.Errorf("the buffer was asked for %v times", asked)
						}
					}
				}
				starts := strings.Count(log.String(), "starting")
				if reset == host.ResetFresh && starts < 50 || reset != host.ResetFresh && starts != 1 {
					t.Errorf("it started %d times", starts)
				}
			})
		}
	})
}

// TestResetAfterGrowth: a guest that has grown its memory in a call has it as before in the next.
func TestResetAfterGrowth(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		m, log := countingModule(t, Options{Engine: engine, PoolMax: 2}, host.ResetSnapshot)
		for range 5 {
			if old, pages := exec1(t, m, "grow"), exec1(t, m, "pages"); old != int64(3) || pages != int64(3) {
				t.Errorf("grown from %v pages, and then it has %v; expected 3 and 3", old, pages)
			}
			if v := exec1(t, m, "memory"); v != int64(101) {
				t.Errorf("memory: %v", v)
			}
		}
		if n := strings.Count(log.String(), "starting"); n != 1 {
			t.Errorf("it started %d times", n)
		}
	})
}

// TestSamplesResetAlike: the samples in Go answer the same whatever becomes of their instances.
func TestSamplesResetAlike(t *testing.T) {
	rt := newRuntime(t, Options{StartTimeout: time.Minute, CallTimeout: time.Minute, PoolWait: time.Minute, CacheDir: t.TempDir()})
	var want []string
	for _, reset := range []host.Reset{host.ResetReuse, host.ResetSnapshot, host.ResetFresh} {
		m := load(t, rt, sampleBundle(t, "geo", host.Manifest{Reset: reset}))
		var got []string
		for i := range 30 {
			for _, c := range []struct {
				name string
				args []any
			}{
				{"geohash", []any{float64(i), float64(2 * i), int64(1 + i%12)}},
				{"geohash_decode", []any{"u33dc0cpk"[:1+i%9]}},
				{"distance", []any{52.52, 13.405, float64(i), 2.35}},
				{"geohash", []any{91.0, 0.0, int64(5)}},
			} {
				v, err := fn(t, m, c.name).Exec(context.Background(), nil, c.args)
				got = append(got, fmt.Sprint(v, err))
			}
		}
		if want == nil {
			want = got
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: call %d: %s, expected %s", reset, i, got[i], want[i])
			}
		}
	}
}

// TestResetUnderLoad calls, traps and closes from several goroutines, while the plugin is loaded anew.
func TestResetUnderLoad(t *testing.T) {
	for _, reset := range []host.Reset{host.ResetReuse, host.ResetSnapshot, host.ResetFresh} {
		t.Run(string(reset), func(t *testing.T) {
			rt := newRuntime(t, Options{PoolMax: 4, PoolWait: time.Minute, CallTimeout: time.Minute, Quarantine: -1})
			b := watBundle(t, counting, host.Manifest{Reset: reset, Functions: []string{"global", "memory", "grow", "echo", "trap"}})
			for range 4 {
				m := load(t, rt, b)
				var all sync.WaitGroup
				for g := range 4 {
					all.Go(func() {
						f, end := pinFunction(t, m, "memory")
						defer end()
						for i := 0; ; i++ {
							v, err := f.Exec(context.Background(), nil, nil)
							if errors.Is(err, host.ErrClosed) {
								return
							}
							if err != nil || v.(int64) < 101 || reset != host.ResetReuse && v != int64(101) {
								t.Errorf("%v, %v", v, err)
								return
							}
							name := []string{"trap", "grow", "echo"}[i%3]
							args := []any{"x"}
							if name != "echo" {
								args = nil
							}
							if _, err := fn(t, m, name).Exec(context.Background(), nil, args); err != nil && name != "trap" && !errors.Is(err, host.ErrClosed) {
								t.Error(err)
							}
							if g == 0 && i == 100 {
								if err := m.Close(context.Background()); err != nil {
									t.Error(err)
								}
							}
						}
					})
				}
				all.Wait()
				if s := m.memories.Stats(); s.Leases != 0 || s.Reserved != 0 {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// TestResetOfSources: a source has its instance to itself, whatever becomes of those of functions.
func TestResetOfSources(t *testing.T) {
	rt := newRuntime(t, Options{StartTimeout: time.Minute, CallTimeout: time.Minute, CacheDir: t.TempDir()})
	for _, reset := range []host.Reset{host.ResetReuse, host.ResetSnapshot, host.ResetFresh} {
		t.Run(string(reset), func(t *testing.T) {
			b := sampleBundle(t, "ticker", host.Manifest{Reset: reset})
			var err error
			if b.State, err = host.NewState(&hosttest.MemStore{}, b.Plugin.ID); err != nil {
				t.Fatal(err)
			}
			m := load(t, rt, b)
			s, err := m.Source("ticker", &host.Call{}, host.Props{"interval": int64(0), "count": int64(10)})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Open(context.Background()); err != nil {
				t.Fatal(err)
			}
			var seen []any
			for len(seen) < 3 {
				got, err := s.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, got)
			}
			if fmt.Sprint(seen[0]) == fmt.Sprint(seen[2]) {
				t.Errorf("it does not go on: %v", seen)
			}
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}
