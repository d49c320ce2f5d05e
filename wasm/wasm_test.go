package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// assemble assembles a guest and returns its directives: lines ";; key: value"
// at its head.
func assemble(t testing.TB, file string) ([]byte, map[string]string) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code, err := wat.Assemble(src)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	directives := map[string]string{}
	for line := range strings.Lines(string(src)) {
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), ";; "), ": ")
		if ok && strings.HasPrefix(line, ";;") {
			directives[key] = value
		}
	}
	return code, directives
}

func newRuntime(t testing.TB, o Options) *Runtime {
	t.Helper()
	if o.Engine == "" { // the whole suite can be run on the other engine
		o.Engine = os.Getenv("VANTH_WASM_ENGINE")
	}
	rt, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// bundle writes a bundle of one module.
func bundle(t testing.TB, name string, code []byte, m host.Manifest) host.Bundle {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name+".wasm"), code, 0o644); err != nil {
		t.Fatal(err)
	}
	id := host.ID{Class: host.ClassWASM, Name: name}
	state, err := host.NewState(&hosttest.MemStore{}, id)
	if err != nil {
		t.Fatal(err)
	}
	return host.Bundle{Plugin: host.Plugin{ID: id, Manifest: m, Dir: dir}, Dir: dir, State: state}
}

func load(t testing.TB, rt *Runtime, b host.Bundle) *module {
	t.Helper()
	m, err := rt.Load(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*module)
}

func fn(t testing.TB, m host.Module, name string) host.Function {
	t.Helper()
	f, err := m.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// watModule loads a module from text whose functions are all bare exports, or
// marked ones.
func watModule(t testing.TB, rt *Runtime, text string, functions ...string) *module {
	t.Helper()
	code, err := wat.Assemble([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return load(t, rt, bundle(t, "m", code, host.Manifest{Functions: functions}))
}

func engines(t *testing.T, run func(t *testing.T, engine string)) {
	for _, e := range []string{"compiler", "interpreter"} {
		t.Run(e, func(t *testing.T) { run(t, e) })
	}
}

func TestConformance(t *testing.T) {
	code, _ := assemble(t, "testdata/kit.wat")
	engines(t, func(t *testing.T, engine string) {
		hosttest.Runtime(t, hosttest.RuntimeKit{
			New: func() (host.Runtime, error) {
				return New(context.Background(), Options{Engine: engine, CallTimeout: 10 * time.Second, PoolWait: 10 * time.Second})
			},
			Files:    map[string][]byte{"kit.wasm": code},
			Sums:     []string{"add", "sum"},
			Damaged:  map[string][]byte{"kit.wasm": code[:len(code)-7]},
			Foreign:  "python",
			Language: "wasm",
		})
	})
}

// guest is a module of testdata/guests, with what it must do.
type guest struct {
	name       string
	code       []byte
	directives map[string]string
}

func guests(t *testing.T) (list []guest) {
	files, err := filepath.Glob("testdata/guests/*.wat")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		code, d := assemble(t, f)
		list = append(list, guest{strings.TrimSuffix(filepath.Base(f), ".wat"), code, d})
	}
	return list
}

func (g guest) manifest(t testing.TB) host.Manifest {
	m := host.Manifest{Version: "v9", Functions: []string{"f"}, Limits: host.Limits{CallMs: 20_000, MemoryMiB: 2}}
	if c := g.directives["requires"]; c != "" {
		m.Requires = []string{c}
	}
	if ms := g.directives["callMs"]; ms != "" {
		fmt.Sscan(ms, &m.Limits.CallMs)
	}
	if r := g.directives["returns"]; r != "" {
		var ty host.Type
		if err := ty.UnmarshalText([]byte(r)); err != nil {
			t.Fatal(err)
		}
		m.Symbols = map[string]host.Signature{"f": {Variadic: true, Returns: ty}}
	}
	return m
}

// check judges the error of a call.
func (g guest) check(err error) error {
	e, ok := errors.AsType[*host.GuestError](err)
	if !ok || string(e.Fault) != g.directives["fault"] || !strings.Contains(err.Error(), g.directives["text"]) {
		return fmt.Errorf("%s: error %q; want fault %q and %q", g.name, err, g.directives["fault"], g.directives["text"])
	}
	if e.Plugin.Name != g.name || e.Symbol != "f" || e.Version != "v9" {
		return fmt.Errorf("%s: the error names %s %s %s", g.name, e.Plugin, e.Version, e.Symbol)
	}
	return nil
}

// TestGuestFaults: each way of misbehaving is the error of that call, of the
// right kind, twice in a row.
func TestGuestFaults(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine, CallTimeout: time.Minute})
		for _, g := range guests(t) {
			t.Run(g.name, func(t *testing.T) {
				m := load(t, rt, bundle(t, g.name, g.code, g.manifest(t)))
				f := fn(t, m, "f")
				for range 2 {
					if _, err := f.Exec(context.Background(), nil, []any{"x"}); g.check(err) != nil {
						t.Error(g.check(err))
					}
				}
				quick, unpin := pinFunction(t, m, "f")
				defer unpin()
				for _, f := range []host.Function{f, quick, quick} {
					b, ok := f.(host.Bytes)
					if !ok || g.directives["returns"] != "" {
						continue
					}
					if out, err := b.ExecBytes(context.Background(), nil, []byte("kept"), []byte{0x91, 1}); g.check(err) != nil || string(out) != "kept" {
						t.Errorf("bytes lane: %q, %v", out, g.check(err))
					}
				}
			})
		}
	})
}

// TestGuestFaultsAllAtOnce runs every misbehaving guest at once beside a good
// one, whose calls all pass.
func TestGuestFaultsAllAtOnce(t *testing.T) {
	rt := newRuntime(t, Options{PoolWait: 5 * time.Second, CallTimeout: time.Minute})
	kit, _ := assemble(t, "testdata/kit.wat")
	good := fn(t, load(t, rt, bundle(t, "kit", kit, host.Manifest{Functions: []string{"echo"}})), "echo")
	stop := make(chan struct{})
	var bad, fine sync.WaitGroup
	var calls int
	fine.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			want := fmt.Sprint("call ", calls)
			if got, err := good.Exec(context.Background(), nil, []any{want}); err != nil || got != want {
				t.Errorf("the good neighbour: %v, %v", got, err)
				return
			}
			calls++
		}
	})
	for _, g := range guests(t) {
		m := load(t, rt, bundle(t, g.name, g.code, g.manifest(t)))
		f := fn(t, m, "f")
		callers, rounds := 2, 3
		if g.directives["slow"] != "" {
			callers, rounds = 1, 1
		}
		for range callers {
			bad.Go(func() {
				for range rounds {
					if _, err := f.Exec(context.Background(), nil, []any{"x"}); g.check(err) != nil {
						t.Error(g.check(err))
					}
				}
			})
		}
	}
	bad.Wait()
	close(stop)
	fine.Wait()
	t.Logf("%d calls of the good neighbour", calls)
	if calls == 0 {
		t.Error("the good neighbour was never called")
	}
}

// TestRefused: a module that cannot run says at load what is wrong with it.
func TestRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/refused/*.wat")
	if err != nil || len(files) < 15 {
		t.Fatal(files, err)
	}
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine, StartTimeout: 100 * time.Millisecond})
		for _, file := range files {
			code, d := assemble(t, file)
			m, err := rt.Load(context.Background(), bundle(t, "m", code, host.Manifest{Functions: []string{"f"}}))
			if m != nil || err == nil || !strings.Contains(err.Error(), d["error"]) {
				t.Errorf("%s: %v, want %q", file, err, d["error"])
			}
		}
		if n := len(rt.loaded()); n != 0 {
			t.Errorf("%d modules are loaded", n)
		}
	})
}

func TestManifestAgainstModule(t *testing.T) {
	rt := newRuntime(t, Options{Grants: []string{capClock}})
	code, err := wat.Assemble([]byte(`(module
	  (func (export "vanth_abi_1") (result i32) (i32.const 0))
	  (func (export "fn_f") (param i32 f64) (result i64) (i64.const 7)))`))
	if err != nil {
		t.Fatal(err)
	}
	sig := func(ret host.Type, args ...host.Type) map[string]host.Signature {
		return map[string]host.Signature{"f": {Args: args, Returns: ret}}
	}
	cases := []struct {
		m    host.Manifest
		want string
	}{
		{host.Manifest{Symbols: sig(host.TypeI64, host.TypeI32, host.TypeF64)}, ""},
		{host.Manifest{Symbols: sig(host.TypeAny, host.TypeBool, host.TypeAny)}, ""},
		{host.Manifest{Symbols: sig(host.TypeI64, host.TypeI32)}, "the manifest gives it 1 arguments, its export fn_f has (i32 f64) -> (i64)"},
		{host.Manifest{Symbols: sig(host.TypeF64, host.TypeI64, host.TypeF64)}, "argument 1 is i64 in the manifest and i32 in its export; function f: the result is f64 in the manifest"},
		{host.Manifest{Symbols: map[string]host.Signature{"f": {Variadic: true, NullCall: true}}}, `"null": "call"`},
		{host.Manifest{Symbols: map[string]host.Signature{"f": {Variadic: true, Aggregate: true}}}, "aggregates need an export fx_f"},
		{host.Manifest{Sources: []string{"s"}}, "source s of the manifest: no export so_s_poll or vanth_node, vanth_nodes and vanth_poll"},
		{host.Manifest{Sinks: []string{"s"}}, "sink s of the manifest: none of the exports si_s_collect, _list and _bytes"},
		{host.Manifest{ABI: 2}, "abi 2 in the manifest: this build knows 1"},
		{host.Manifest{Requires: []string{"files"}}, "files: this build grants state, clock, random, http only"},
		{host.Manifest{Requires: []string{"http"}}, "http: not granted here: add it to wasm.grants"},
		{host.Manifest{Requires: []string{"state"}}, "state: not granted here: add it to wasm.grants"},
	}
	for _, c := range cases {
		c.m.Functions = []string{"f"}
		_, err := rt.Load(context.Background(), bundle(t, "m", code, c.m))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	b := bundle(t, "m", code, host.Manifest{Functions: []string{"f"}})
	os.Remove(filepath.Join(b.Dir, "m.wasm"))
	if _, err := rt.Load(context.Background(), b); err == nil || !strings.Contains(err.Error(), "missing m.wasm") {
		t.Error(err)
	}
	if _, err := rt.Load(context.Background(), bundle(t, "m", []byte("GIF89a"), host.Manifest{Functions: []string{"f"}})); err == nil || !strings.Contains(err.Error(), "not a WebAssembly module") {
		t.Error(err)
	}
}

// TestBareModules: modules without a marker run as eKuiper's old documentation
// says, with arguments coerced to the declared types.
func TestBareModules(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine})
		m := watModule(t, rt, `(module
		  (func (export "add") (param i32 i64) (result i64) (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1)))
		  (func (export "half") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
		  (func (export "swap") (param f64 i32) (result i32 f64) (local.get 1) (local.get 0))
		  (func (export "nothing"))
		  (func (export "neg") (param i32) (result i32) (i32.sub (i32.const 0) (local.get 0))))`, "add", "half", "swap", "nothing", "neg")
		for _, c := range []struct {
			name string
			args []any
			want string
		}{
			{"add", []any{int64(-1), 3.0}, "2"},
			{"add", []any{nil, 3.0}, "<nil>"},
			{"half", []any{int64(3)}, "1.5"},
			{"swap", []any{1.5, int64(-7)}, "[-7 1.5]"},
			{"nothing", nil, "<nil>"},
			{"neg", []any{1.0}, "-1"},
			{"neg", []any{1.5}, "neg: argument 1 of (i32) -> i32: found 1.5, expected an integer in the range of i32"},
			{"neg", []any{int64(1 << 40)}, "neg: argument 1 of (i32) -> i32: found 1099511627776, which overflows i32"},
			{"neg", []any{"1"}, `neg: argument 1 of (i32) -> i32: found string "1", expected i32`},
			{"neg", nil, "neg: found 0 arguments, expected 1: (i32) -> i32"},
		} {
			v, err := fn(t, m, c.name).Exec(context.Background(), nil, c.args)
			got := fmt.Sprint(v)
			if err != nil {
				got = err.Error()
				if !errors.Is(err, host.ErrInvalid) {
					t.Errorf("%s%v: %v is not ErrInvalid", c.name, c.args, err)
				}
			}
			if got != c.want {
				t.Errorf("%s%v = %q, want %q", c.name, c.args, got, c.want)
			}
		}
	})
}

func TestPoolIsBounded(t *testing.T) {
	kit, _ := assemble(t, "testdata/kit.wat")
	rt := newRuntime(t, Options{PoolMax: 2, PoolWait: 30 * time.Millisecond})
	m := load(t, rt, bundle(t, "kit", kit, host.Manifest{Functions: []string{"echo", "spin"}}))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := fn(t, m, "spin").Exec(ctx, nil, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("spin: %v", err)
			}
		})
	}
	busy := func() bool {
		p := m.pool
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.live == 2 && idle(p) == 0
	}
	for !busy() {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	if _, err := fn(t, m, "echo").Exec(context.Background(), nil, []any{"x"}); !errors.Is(err, host.ErrBusy) || !strings.Contains(err.Error(), "wasm.poolMax") {
		t.Errorf("third call: %v", err)
	}
	if waited := time.Since(start); waited < 30*time.Millisecond {
		t.Errorf("it waited %v", waited)
	}
	// A waiter is served as soon as an instance is gone.
	wg.Go(func() {
		m.pool.wait = 10 * time.Second
		if _, err := fn(t, m, "echo").Exec(context.Background(), nil, []any{"x"}); err != nil {
			t.Errorf("waiter: %v", err)
		}
	})
	time.Sleep(10 * time.Millisecond)
	cancel()
	wg.Wait()
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if m.pool.live > 2 {
		t.Errorf("%d instances", m.pool.live)
	}
}

func TestJanitorEndsIdleInstances(t *testing.T) {
	kit, _ := assemble(t, "testdata/kit.wat")
	rt := newRuntime(t, Options{PoolMax: 4, PoolIdle: 20 * time.Millisecond})
	m := load(t, rt, bundle(t, "kit", kit, host.Manifest{Functions: []string{"echo"}}))
	f := fn(t, m, "echo")
	var held []*instance
	for range 4 {
		in, err := m.pool.get(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, in)
	}
	for _, in := range held {
		m.pool.put(in)
	}
	live := func() int { m.pool.mu.Lock(); defer m.pool.mu.Unlock(); return m.pool.live }
	for deadline := time.Now().Add(5 * time.Second); live() > 1 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := live(); n != 1 {
		t.Errorf("%d instances are alive", n)
	}
	if v, err := f.Exec(context.Background(), nil, []any{"x"}); err != nil || v != "x" {
		t.Error(v, err)
	}
}

// TestLeastOfWishAndCeiling: a manifest may ask for less than the operator
// allows, never for more.
func TestLeastOfWishAndCeiling(t *testing.T) {
	o := Options{CallTimeout: time.Second, MemoryMiB: 8, PoolMax: 4}
	if err := o.fill(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wish         host.Limits
		timeout      time.Duration
		memory, pool int
	}{
		{host.Limits{}, time.Second, 8, 4},
		{host.Limits{CallMs: 50, MemoryMiB: 2, Concurrency: 1}, 50 * time.Millisecond, 2, 1},
		{host.Limits{CallMs: 5000, MemoryMiB: 200, Concurrency: 100}, time.Second, 8, 4},
	} {
		g, err := o.grantTo(host.Plugin{Manifest: host.Manifest{Limits: c.wish}})
		if err != nil || g.timeout != c.timeout || g.memory != c.memory || g.pool != c.pool {
			t.Errorf("%+v: %+v, %v", c.wish, g, err)
		}
	}
}

// TestTrustedHasNoDeadline: a call of a trusted plugin runs to its end.
func TestTrustedHasNoDeadline(t *testing.T) {
	text := `(module (func (export "long") (param $n i32) (result i32)
	  (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
	  (i32.const 42)))`
	const turns = int64(100_000_000)
	for _, trusted := range []bool{true, false} {
		o := Options{CallTimeout: 10 * time.Millisecond}
		if trusted {
			o.Trusted = []string{"m"}
		}
		m := watModule(t, newRuntime(t, o), text, "long")
		v, err := fn(t, m, "long").Exec(context.Background(), nil, []any{turns})
		if trusted != (err == nil) || trusted && v != int64(42) || !trusted && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("trusted %t: %v, %v", trusted, v, err)
		}
	}
}

// TestAllocations holds the ceilings of the fast lanes, metered or not.
func TestAllocations(t *testing.T) {
	compiled(t)
	ctx := context.Background()
	kit, _ := assemble(t, "testdata/kit.wat")
	for _, trusted := range []bool{true, false} {
		o := Options{}
		if trusted {
			o.Trusted = []string{"kit", "m"}
		}
		rt := newRuntime(t, o)
		m := watModule(t, rt, `(module (func (export "add") (param f64 f64) (result f64) (f64.add (local.get 0) (local.get 1))))`, "add")
		scalar := fn(t, m, "add").(host.Scalar)
		echo := fn(t, load(t, rt, bundle(t, "kit", kit, host.Manifest{Functions: []string{"echo"}})), "echo").(host.Bytes)
		words := make([]uint64, 2)
		quick, unpin := pinFunction(t, m, "add")
		defer unpin()
		for _, scalar := range []host.Scalar{scalar, quick.(host.Scalar)} {
			if n := testing.AllocsPerRun(1000, func() { _ = scalar.ExecScalar(ctx, nil, words) }); n > 0 {
				t.Errorf("scalar lane, trusted %t: %v allocations", trusted, n)
			}
		}
		args, dst := append([]byte{0x91, 0xc5, 1, 0}, make([]byte, 256)...), make([]byte, 0, 512)
		if n := testing.AllocsPerRun(1000, func() { dst, _ = echo.ExecBytes(ctx, nil, dst[:0], args) }); n > 0 || len(dst) != 259 {
			t.Errorf("bytes lane, trusted %t: %v allocations; %d bytes", trusted, n, len(dst))
		}
	}
}

// idle counts the instances that are free.
func idle(p *pool) int {
	n := len(p.free)
	for i := range p.desks {
		if p.desks[i].hot.Load() != nil {
			n++
		}
	}
	return n
}

// compiled skips what the interpreter does not promise.
func compiled(t testing.TB) {
	t.Helper()
	if os.Getenv("VANTH_WASM_ENGINE") == "interpreter" {
		t.Skip("the interpreter allocates")
	}
}
