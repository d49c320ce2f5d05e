package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

const header = `(module (memory (export "memory") 1) (func (export "vanth_abi_1") (result i32) (i32.const 0)) `

// watBundle makes a bundle from text.
func watBundle(t testing.TB, text string, m host.Manifest) host.Bundle {
	t.Helper()
	code, err := wat.Assemble([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return bundle(t, "m", code, m)
}

// TestDeadlineHoldsUnderLoad: endless loops on every core end in time, although
// they leave the watchdog's ticker little to run on.
func TestDeadlineHoldsUnderLoad(t *testing.T) {
	const limit = 200 * time.Millisecond
	rt := newRuntime(t, Options{CallTimeout: limit, PoolMax: 8})
	m := load(t, rt, watBundle(t, header+`(func (export "fn_loop") (loop $l (br $l))))`, host.Manifest{Functions: []string{"loop"}}))
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			start := time.Now()
			_, err := fn(t, m, "loop").Exec(context.Background(), nil, nil)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took < limit || took > 5*limit {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
	wg.Wait()
}

// TestShortCallsAreNotCutShort: nothing ends before its time, however late the
// watchdog looks.
func TestShortCallsAreNotCutShort(t *testing.T) {
	rt := newRuntime(t, Options{CallTimeout: 50 * time.Millisecond})
	m := load(t, rt, watBundle(t, header+`(func (export "fn_f") (param $n i32) (result i32)
	  (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (i32.const 7)))`, host.Manifest{Functions: []string{"f"}}))
	f := fn(t, m, "f")
	for i := range 300 {
		if i%100 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
		if v, err := f.Exec(context.Background(), nil, []any{int64(1000)}); err != nil || v != int64(7) {
			t.Fatal(i, v, err)
		}
	}
}

// heapInUse is what is reachable.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// TestLoadingLeaksNothing: loading and closing plugins, one and the same and ever
// new ones, costs no memory and no disk in the end.
func TestLoadingLeaksNothing(t *testing.T) {
	dir := t.TempDir()
	rt := newRuntime(t, Options{CacheDir: dir, PoolIdle: time.Hour})
	cycle := func(i int) {
		text := fmt.Sprintf(`(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
		  (func (export "f") (result i32) (i32.const %d)))`, i)
		m := load(t, rt, watBundle(t, text, host.Manifest{Functions: []string{"f"}}))
		if v, err := fn(t, m, "f").Exec(context.Background(), nil, nil); err != nil || v != int64(i) {
			t.Fatal(v, err)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		cycle(i)
	}
	before := heapInUse()
	const cycles = 100
	for i := range cycles {
		cycle(i)
	}
	if grown := int64(heapInUse()) - int64(before); grown > cycles*10<<10 {
		t.Errorf("%d bytes a cycle", grown/cycles)
	}
	if left, _ := os.ReadDir(dir); len(left) > spare+1 {
		t.Errorf("%d folders are in the cache after %d updates", len(left), cycles)
	}
	if err := rt.shelf.prune(0); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d folders are left in the cache", len(left))
	}
}

// TestDamagedCache: whatever happens to the cache on disk, plugins load and
// answer rightly.
func TestDamagedCache(t *testing.T) {
	dir := t.TempDir()
	text := `(module (func $g (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
	  (func (export "f") (param i32) (result i32) (call $g (local.get 0))))`
	run := func(what string) {
		t.Helper()
		rt, err := New(context.Background(), Options{Engine: "compiler", CacheDir: dir})
		if err != nil {
			t.Fatal(what, err)
		}
		defer rt.Close(context.Background())
		m := load(t, rt, watBundle(t, text, host.Manifest{Functions: []string{"f"}}))
		if v, err := fn(t, m, "f").Exec(context.Background(), nil, []any{int64(7)}); err != nil || v != int64(21) {
			t.Errorf("%s: %v, %v", what, v, err)
		}
	}
	var files []string
	list := func() {
		files = files[:0]
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path)
			}
			return err
		})
	}
	run("first")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
	list()
	if len(files) != 3 { // code, module and checksums
		t.Fatalf("files %q", files)
	}
	for range files {
		for at := 0; at < 400; at += 3 {
			list()
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				if at < len(b) {
					b[at] ^= 1 << (at % 8)
					os.WriteFile(f, b, 0o600)
					run(fmt.Sprintf("%s flipped at %d", filepath.Base(f), at))
				}
			}
		}
	}
	list()
	for _, f := range files {
		os.Truncate(f, 10)
		run("truncated " + f)
	}
	os.RemoveAll(dir)
	run("removed")
	list()
	for _, f := range files { // a folder where a file should be
		os.Remove(f)
		os.Mkdir(f, 0o700)
		run("folder")
	}
}

// TestCacheIsNotNeeded: a cache that cannot be written keeps nothing from
// running.
func TestCacheIsNotNeeded(t *testing.T) {
	dir := t.TempDir()
	rt := newRuntime(t, Options{CacheDir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in the way
		t.Fatal(err)
	}
	m := load(t, rt, watBundle(t, `(module (func (export "f")))`, host.Manifest{Functions: []string{"f"}}))
	if _, err := fn(t, m, "f").Exec(context.Background(), nil, nil); err != nil {
		t.Error(err)
	}
}

// TestLogStormIsBounded: a guest that logs in a loop gets some lines through,
// and is told on.
func TestLogStormIsBounded(t *testing.T) {
	var log bytes.Buffer
	rt := newRuntime(t, Options{CallTimeout: 300 * time.Millisecond, OutputKiB: 1 << 20, Log: slog.New(slog.NewTextHandler(&log, nil))})
	m := load(t, rt, watBundle(t, `(module (import "vanth" "log" (func $log (param i32 i32 i32))) (memory (export "memory") 1)
	  (func (export "vanth_abi_1") (result i32) (i32.const 0))
	  (func (export "fn_storm") (loop $l (call $log (i32.const 3) (i32.const 0) (i32.const 64)) (br $l)))
	  (func (export "fn_once") (call $log (i32.const 3) (i32.const 0) (i32.const 64))))`, host.Manifest{Functions: []string{"storm", "once"}}))
	if _, err := fn(t, m, "storm").Exec(context.Background(), nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	time.Sleep(50 * time.Millisecond) // a line is earned
	if _, err := fn(t, m, "once").Exec(context.Background(), nil, nil); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "\n"); n < 10 || n > 2*logBurst {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(log.String(), "lines were dropped") {
		t.Error("nothing is said about the lines that were dropped")
	}
}

// TestStartsAreJudged: what an instance does while it starts.
func TestStartsAreJudged(t *testing.T) {
	rt := newRuntime(t, Options{StartTimeout: 5 * time.Second, CallTimeout: 100 * time.Millisecond, PoolMax: 2})
	t.Run("exit 0", func(t *testing.T) {
		_, err := rt.Load(context.Background(), watBundle(t, `(module (import "wasi_snapshot_preview1" "proc_exit" (func $x (param i32)))
		  (func (export "_initialize") (call $x (i32.const 0))) (func (export "f")))`, host.Manifest{Functions: []string{"f"}}))
		if err == nil || !strings.Contains(err.Error(), "exit code 0") {
			t.Error(err)
		}
	})
	t.Run("a global import", func(t *testing.T) {
		_, err := rt.Load(context.Background(), watBundle(t, `(module (import "env" "g" (global i32)) (func (export "f")))`, host.Manifest{Functions: []string{"f"}}))
		if err == nil || !strings.Contains(err.Error(), "imports a global or a table") {
			t.Error(err)
		}
	})
	t.Run("state is read only", func(t *testing.T) {
		b := watBundle(t, `(module (import "vanth" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
		  (import "vanth" "state_del" (func $del (param i32 i32) (result i32)))
		  (memory (export "memory") 1) (global $got (mut i32) (i32.const 0))
		  (func (export "vanth_abi_1") (result i32) (i32.const 0))
		  (func (export "_initialize")
		    (global.set $got (i32.add (call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)) (call $del (i32.const 0) (i32.const 1)))))
		  (func (export "fn_f") (result i32) (global.get $got)))`, host.Manifest{Functions: []string{"f"}, Requires: []string{"state"}})
		if v := exec1(t, load(t, rt, b), "f"); v != int64(2*codeDenied) {
			t.Errorf("the guest was answered %v", v)
		}
		if _, ok := b.State.Append(nil, "", "\x00"); ok {
			t.Error("state was written")
		}
	})
	t.Run("a later instance hangs", func(t *testing.T) {
		// The first instance counts itself in the state when it is called; those
		// that start after that never end.
		b := watBundle(t, `(module (import "vanth" "counter_incr" (func $incr (param i32 i32 i64) (result i64)))
		  (import "vanth" "counter_get" (func $get (param i32 i32) (result i64)))
		  (memory (export "memory") 1)
		  (func (export "vanth_abi_1") (result i32) (i32.const 0))
		  (func (export "_initialize") (if (i64.ne (i64.const 0) (call $get (i32.const 0) (i32.const 1))) (then (loop $l (br $l)))))
		  (func (export "fn_mark") (drop (call $incr (i32.const 0) (i32.const 1) (i64.const 1))))
		  (func (export "fn_trap") unreachable)
		  (func (export "fn_f")))`, host.Manifest{Functions: []string{"mark", "trap", "f"}, Requires: []string{"state"}})
		m := load(t, rt, b)
		exec1(t, m, "mark")
		if _, err := fn(t, m, "trap").Exec(context.Background(), nil, nil); err == nil {
			t.Fatal("no trap")
		}
		began := time.Now()
		_, err := fn(t, m, "f").Exec(context.Background(), nil, nil)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		// Closing ends a start under way at once.
		done := make(chan error)
		m.took = time.Hour
		go func() {
			_, err := fn(t, m, "f").Exec(context.Background(), nil, nil)
			done <- err
		}()
		for starting := false; !starting; time.Sleep(time.Millisecond) {
			m.pool.mu.Lock()
			starting = m.pool.live > 0
			m.pool.mu.Unlock()
		}
		began = time.Now()
		if err := m.Close(context.Background()); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("close: %v after %v", err, time.Since(began))
		}
		if err := <-done; !errors.Is(err, host.ErrClosed) {
			t.Errorf("the call: %v", err)
		}
	})
}

// TestTrustedLoopKeepsItsEngine: a guest that cannot be interrupted does not lose
// the code it runs when its module is closed, and gives it back when it ends.
func TestTrustedLoopKeepsItsEngine(t *testing.T) {
	// A collection would wait for the loop, and this test for the collection.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	rt := newRuntime(t, Options{Trusted: []string{"m"}})
	m := watModule(t, rt, `(module (func (export "long") (param $n i64) (result i32)
	  (loop $l (br_if $l (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
	  (i32.const 42)))`, "long")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if v, err := fn(t, m, "long").Exec(context.Background(), nil, []any{int64(5_000_000_000)}); err != nil || v != int64(42) {
			t.Errorf("%v, %v", v, err)
		}
	}()
	for idle(m.pool) > 0 { // until the call has its instance
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := m.Close(ctx); err == nil || !strings.Contains(err.Error(), "could not be forced to end") {
		t.Errorf("close: %v", err)
	}
	<-done
	<-m.pool.done
	if m.engine.Runtime != nil {
		t.Error("the engine was not given back")
	}
}

// TestManyFunctions: a dispatcher of many names costs an instance one entry.
func TestManyFunctions(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprint("f", i))
	}
	rt := newRuntime(t, Options{})
	_, err := rt.Load(context.Background(), watBundle(t, header+`)`, host.Manifest{Functions: names}))
	if err == nil || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "1000 problems") || !strings.Contains(err.Error(), "and 990 more") {
		t.Errorf("%.300v", err)
	}
	m := load(t, rt, watBundle(t, header+`(func (export "vanth_buf") (param i32) (result i32) (i32.const 1024))
	  (func (export "vanth_call") (param i32 i32 i32) (result i64)
	    (i32.store8 (i32.const 0) (local.get 0)) (i64.const 1)))`, host.Manifest{Functions: names}))
	for _, i := range []int{0, 1, 77} {
		if v := exec1(t, m, names[i]); v != int64(i) {
			t.Errorf("function %d is called as %v", i, v)
		}
	}
	in, err := m.pool.get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer m.pool.put(in)
	used := 0
	for _, e := range in.entries {
		if e != nil {
			used++
		}
	}
	if used != 1 {
		t.Errorf("%d entries", used)
	}
}

// TestReturnedMessageIsCut: an error of a guest does not carry megabytes.
func TestReturnedMessageIsCut(t *testing.T) {
	// ext 1 of 20,017 bytes: {"msg": 20,000 spaces, "class": "io"}
	m := load(t, newRuntime(t, Options{}), watBundle(t, `(module (memory (export "memory") 1)
	  (data (i32.const 16) "\c8\4e\31\01\82\a3msg\da\4e\20")
	  (data (i32.const 20028) "\a5class\a2io")
	  (func (export "vanth_abi_1") (result i32) (i32.const 0))
	  (func (export "vanth_buf") (param i32) (result i32) (i32.const 40000))
	  (func (export "fx_f") (param i32 i32) (result i64)
	    (memory.fill (i32.const 28) (i32.const 32) (i32.const 20000))
	    (i64.const 0x0000001080004e35)))`, host.Manifest{Functions: []string{"f"}}))
	_, err := fn(t, m, "f").Exec(context.Background(), nil, nil)
	g, ok := errors.AsType[*host.GuestError](err)
	if !ok || g.Fault != host.FaultReturned || g.Class != "io" || len(err.Error()) > maxMessage+100 {
		t.Errorf("%d bytes: %.100v", len(fmt.Sprint(err)), err)
	}
}
