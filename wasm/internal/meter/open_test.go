package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// instantiate starts an instance, in steps if the module was opened. The engine's Memory is not nil if there is none.
func (r *runner) instantiate(ctx context.Context, compiled wazero.CompiledModule, memory bool) (api.Module, error) {
	mod, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil || r.opened == nil {
		return mod, err
	}
	for _, s := range r.opened.Data {
		mod.Memory().Write(s.At, s.Bytes)
	}
	if r.opened.Start {
		if _, err := mod.ExportedFunction(meter.ExportStart).Call(ctx); err != nil {
			mod.Close(ctx)
			return nil, fmt.Errorf("start function[.$0] failed: %w", err)
		}
	}
	if !r.copied || r.opened.Sealed != "" {
		return mod, nil
	}
	defer mod.Close(ctx)
	again, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, err
	}
	for i := range r.opened.Globals {
		name := meter.ExportGlobal(i)
		again.ExportedGlobal(name).(api.MutableGlobal).Set(mod.ExportedGlobal(name).Get())
	}
	if memory {
		from, to := mod.Memory(), again.Memory()
		to.Grow((from.Size() - to.Size()) >> 16)
		b, _ := from.Read(0, from.Size())
		to.Write(0, b)
	}
	return again, nil
}

// opened is a rewriting by Open.
func opened(code []byte, m *gate.Module) ([]byte, error) {
	o, err := meter.Open(code, m, meter.Limits{Stack: 64 << 20, TableEntries: 1_000_000})
	if err != nil {
		return nil, err
	}
	return o.Code, nil
}

// TestOpenedDoesTheSame: a module that starts in steps does what it does else, and so does an instance of it that got
// memory and globals of another.
func TestOpenedDoesTheSame(t *testing.T) {
	count := modules(t) / 2
	var next, starts, data, copied atomic.Uint64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		l := newLaboratory(t, 0)
		all.Go(func() {
			for !t.Failed() {
				seed := next.Add(1) - 1
				if seed >= count {
					return
				}
				o, err := l.compareOpened(modgen.Module(seed), seed, seed%32 == 0)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
				for n, is := range map[*atomic.Uint64]bool{&starts: o.Start, &data: len(o.Data) > 0, &copied: o.Sealed == ""} {
					if is {
						n.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d modules: %d with a start function, %d with data, %d were copied", count, starts.Load(), data.Load(), copied.Load())
	if n := count / 200; starts.Load() < n || data.Load() < n || copied.Load() < n {
		t.Error("too little was compared")
	}
}

// compareOpened compares a module with what opening makes of it.
func (l *laboratory) compareOpened(code []byte, seed uint64, compiler bool) (*meter.Opened, error) {
	m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
	if err != nil {
		return nil, err
	}
	o, err := meter.Open(code, m, meter.Limits{Stack: 64 << 20, TableEntries: 1_000_000})
	if err != nil {
		return nil, err
	}
	plain, metered := l.plain, l.drained
	if compiler {
		plain, metered = l.compiled, l.metered
	}
	want, err := plain.run(code, m, false, seed)
	if err != nil {
		return nil, err
	}
	for _, copied := range []bool{false, true} {
		stepwise := *metered
		stepwise.opened, stepwise.copied = o, copied
		stepwise.drain = !copied
		got, err := stepwise.run(o.Code, m, true, seed)
		if err != nil {
			return nil, err
		}
		if err := same(want, got); err != nil {
			return nil, fmt.Errorf("copied %v, sealed %q: %w", copied, o.Sealed, err)
		}
	}
	return o, nil
}

// TestOpenedRefusals: the engine accepts the same modules opened and as they are.
func TestOpenedRefusals(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(ctx)
	var v verdicts
	for seed := range modules(t) {
		if err := agree(rt, modgen.Module(seed), opened, &v); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	for _, text := range []string{
		`(module (func $s (param i32)) (start $s))`,
		`(module (func $s (result i32) (i32.const 1)) (start $s))`,
		`(module (memory 1) (data (i64.const 1) "x"))`,
		`(module (memory 1) (data (f64.const 1) "x"))`,
		`(module (memory 1) (data (ref.null func) "x"))`,
	} {
		code, err := wat.Assemble([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := agree(rt, code, opened, &v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if v.both == 0 || v.neither == 0 {
		t.Errorf("of one kind only: %+v", v)
	}
}

func TestOpen(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		sealed     string
		start      bool
		globals    int
		data       []meter.Segment
	}{
		{name: "empty", text: `(module)`},
		{
			name: "all of it", text: `(module (memory 1) (global $a (mut i32) (i32.const 1)) (global i64 (i64.const 300)) (global (export "b") (mut f64) (f64.const 2))
			(func $s) (start $s) (data (i32.const 65534) "xy") (data (memory 0) (i32.const 5) "a") (data (i32.const 65536) "") (data "idle"))`,
			start: true, globals: 2, data: []meter.Segment{{65534, []byte("xy")}, {5, []byte("a")}},
		},
		{name: "negative place", text: `(module (memory 1) (data (i32.const -1) "x"))`, sealed: "outside of its memory"},
		{name: "beyond", text: `(module (memory 1) (data (i32.const 65535) "xy"))`, sealed: "outside of its memory"},
		{name: "empty beyond", text: `(module (memory 1) (data (i32.const 65537) ""))`, sealed: "outside of its memory"},
		{name: "place by a global", text: `(module (global $g i32 (i32.const 3)) (memory 1) (data (global.get $g) "x"))`, sealed: "not constant"},
		{name: "memory.init", text: `(module (memory 1) (data "x") (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1))))`, sealed: "uses data segments"},
		{name: "data.drop", text: `(module (memory 1) (data "x") (func (data.drop 0)))`, sealed: "uses data segments"},
		{name: "table.set", text: `(module (table 1 1 funcref) (func (table.set 0 (i32.const 0) (ref.null func))))`, sealed: "changes tables"},
		{name: "table.grow", text: `(module (table 1 2 funcref) (func (drop (table.grow 0 (ref.null func) (i32.const 1)))))`, sealed: "changes tables"},
		{name: "table.fill", text: `(module (table 1 1 funcref) (func (table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))))`, sealed: "changes tables"},
		{name: "table.copy", text: `(module (table 1 1 funcref) (func (table.copy 0 0 (i32.const 0) (i32.const 0) (i32.const 1))))`, sealed: "changes tables"},
		{name: "table.init", text: `(module (table 1 1 funcref) (elem funcref) (func (table.init 0 0 (i32.const 0) (i32.const 0) (i32.const 0))))`, sealed: "changes tables"},
		{name: "a reference", text: `(module (global (mut funcref) (ref.null func)))`, sealed: "no number"},
		{name: "many globals", text: `(module ` + strings.Repeat(`(global (mut i32) (i32.const 0))`, 1001) + `)`, sealed: "more than 1000 mutable globals"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.ReplaceAll(tc.text, "(elem funcref)", "(elem func)")
			code, err := wat.Assemble([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
			if err != nil {
				t.Fatal(err)
			}
			o, err := meter.Open(code, m, meter.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if (o.Sealed == "") != (tc.sealed == "") || !strings.Contains(o.Sealed, tc.sealed) {
				t.Errorf("sealed: found %q, expected %q", o.Sealed, tc.sealed)
			}
			if o.Start != tc.start || o.Globals != tc.globals {
				t.Errorf("start %v, %d globals; expected %v, %d", o.Start, o.Globals, tc.start, tc.globals)
			}
			if !slices.EqualFunc(o.Data, tc.data, func(a, b meter.Segment) bool { return a.At == b.At && bytes.Equal(a.Bytes, b.Bytes) }) {
				t.Errorf("data %v, expected %v", o.Data, tc.data)
			}
		})
	}
}

// TestOpenRefusesItsNames: a guest cannot have exports that the host would take for its own.
func TestOpenRefusesItsNames(t *testing.T) {
	for _, name := range []string{meter.ExportFuel, meter.ExportStart, meter.ExportGlobal(0), meter.ExportGlobal(17)} {
		code, err := wat.Assemble([]byte(`(module (func (export "` + name + `")))`))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := metered(code, opened); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: found error %v, expected one that names it", name, err)
		}
	}
}
