package wasm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vanth-io/vanth/host"
)

// edges are what a hostile guest passes for pointers, lengths, handles and numbers. Its memory has one page.
func edges() []int64 {
	return []int64{0, 1, 8, 65_528, 65_535, 65_536, 65_537, 1<<31 - 1, -1 << 31, -65_536, -8, -1}
}

// forwarder is a guest whose function f calls an import with what it is called with.
func forwarder(module, name string, t funcType) string {
	var get strings.Builder
	for i := range t.params {
		fmt.Fprintf(&get, "(local.get %d)", i)
	}
	list := func(what string, types []api.ValueType) string {
		text := ""
		for _, ty := range types {
			text += fmt.Sprintf(" (%s %s)", what, api.ValueTypeName(ty))
		}
		return text
	}
	signature := list("param", t.params) + list("result", t.results)
	return fmt.Sprintf(`(module (import "%s" "%s" (func $i %s)) (memory (export "memory") 1) (func (export "f") %s (call $i %s)))`,
		module, name, signature, signature, get.String())
}

// everyImport lists what guests may import, by module and name.
func everyImport(t *testing.T) map[[2]string]funcType {
	list := map[[2]string]funcType{}
	for _, f := range importTable() {
		list[[2]string{importHost, f.name}] = f.typ
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	wasi, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range wasi.ExportedFunctions() {
		list[[2]string{importWASI, name}] = typeOf(d)
	}
	return list
}

// TestHostilePointers: whatever a guest passes to an import, the import answers, or the call fails with a fault of the
// guest's; the host's own code does not panic.
func TestHostilePointers(t *testing.T) {
	const calls = 150
	rt := newRuntime(t, Options{PoolMax: 1, Quarantine: -1, CallTimeout: 5 * time.Second, Grants: grantable(), HTTP: HTTP{Allow: []string{"127.0.0.1:1"}}})
	random := rand.New(rand.NewPCG(7, 7))
	list := everyImport(t)
	names := slices.SortedFunc(maps.Keys(list), func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	faults := map[host.Fault]int{}
	for _, name := range names {
		typ := list[name]
		m := host.Manifest{Functions: []string{"f"}, Requires: grantable(), HTTP: []string{"127.0.0.1:1"}}
		f := fn(t, load(t, rt, watBundle(t, forwarder(name[0], name[1], typ), m)), "f")
		for range calls {
			args := make([]any, len(typ.params))
			for i := range args {
				args[i] = edges()[random.IntN(len(edges()))]
			}
			began := time.Now()
			_, err := f.Exec(context.Background(), &host.Call{Rule: "r"}, args)
			if took := time.Since(began); took > loose(100*time.Millisecond) {
				t.Errorf("%s.%s%v: took %v", name[0], name[1], args, took)
			}
			if g, ok := errors.AsType[*host.GuestError](err); ok {
				faults[g.Fault]++
			} else if err != nil {
				t.Errorf("%s.%s%v: %v", name[0], name[1], args, err)
			}
			if err != nil && (strings.Contains(err.Error(), "runtime error") || strings.Contains(err.Error(), "nil pointer")) && name[0] == importHost {
				t.Errorf("%s.%s%v: %v", name[0], name[1], args, err)
			}
		}
	}
	t.Logf("%d imports, %d calls each; faults: %v", len(names), calls, faults)
	if len(names) < 50 || faults[host.FaultMemory] == 0 || faults[host.FaultExit] == 0 {
		t.Errorf("%d imports, faults: %v", len(names), faults)
	}
}

// TestHostilePointersOfSources is the same for what only a source that is polled may call: bad pointers are answered, and
// never taken.
func TestHostilePointersOfSources(t *testing.T) {
	var calls strings.Builder
	n := 0
	for _, ptr := range edges() {
		for _, size := range edges() {
			if size == 0 || uint64(uint32(ptr))+uint64(uint32(size)) <= 65_536 {
				continue
			}
			bad := fmt.Sprintf("(i32.const %d) (i32.const %d)", ptr, size)
			for _, call := range []string{
				"(call $bytes (local.get $h) " + bad + " (i32.const 0) (i32.const 0) (i64.const 0))",
				"(call $bytes (local.get $h) (i32.const 0) (i32.const 1) " + bad + " (i64.const -1))",
				"(call $emit (local.get $h) " + bad + " " + bad + " (i64.const 0))",
				"(call $mark (local.get $h) " + bad + ")", "(call $fail (local.get $h) " + bad + ")",
				"(call $mark (i32.const -1) " + bad + ")",
			} {
				fmt.Fprintf(&calls, "(if (i32.ge_s %s (i32.const 0)) (then unreachable))\n", call)
				n++
			}
		}
	}
	engines(t, func(t *testing.T, engine string) {
		m := load(t, newRuntime(t, Options{Engine: engine}), watBundle(t, `(module
		  (import "vanth" "emit" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
		  (import "vanth" "emit_bytes" (func $bytes (param i32 i32 i32 i32 i32 i64) (result i32)))
		  (import "vanth" "mark" (func $mark (param i32 i32 i32) (result i32)))
		  (import "vanth" "fail" (func $fail (param i32 i32 i32) (result i32)))
		  (memory (export "memory") 1)
		  (func (export "vanth_abi_1") (result i32) (i32.const 0))
		  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
		  (func (export "so_f_poll") (param $h i32) (param i64) (result i64) `+calls.String()+` (i64.const -1)))`, host.Manifest{Sources: []string{"f"}}))
		if err := pollOnce(context.Background(), m, nil); err == nil || err.Error() != "EOF" {
			t.Errorf("%d calls: %v", n, err)
		}
	})
}

// TestHostileResults: a result that points anywhere is a fault of the right kind.
func TestHostileResults(t *testing.T) {
	rt := newRuntime(t, Options{PoolMax: 1})
	for _, ptr := range edges() {
		for _, size := range []uint32{0, 1, 2, 65_535, 65_536, 1<<31 - 1, 1 << 31, 1<<31 | 1, 1<<32 - 1} {
			r := uint64(uint32(ptr))<<32 | uint64(size)
			m := load(t, rt, watBundle(t, fmt.Sprintf(`(module (memory (export "memory") 1) (data (i32.const 0) "\c0\01")
			  (func (export "vanth_abi_1") (result i32) (i32.const 0))
			  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
			  (func (export "fx_f") (param i32 i32) (result i64) (i64.const %d)))`, int64(r)), host.Manifest{Functions: []string{"f"}}))
			_, err := fn(t, m, "f").Exec(context.Background(), nil, nil)
			want := host.FaultResult // zeros are a frame of one byte
			switch n := uint64(size &^ (1 << 31)); {
			case r == 0 || n == 1 && size == 1 && uint64(uint32(ptr)) < 65_536:
				want = ""
			case uint64(uint32(ptr))+n > 65_536:
				want = host.FaultMemory
			}
			got := host.Fault("")
			if g, ok := errors.AsType[*host.GuestError](err); ok {
				got = g.Fault
			}
			if got != want || (want == "") != (err == nil) {
				t.Errorf("%#x: %v, want a fault %q", r, err, want)
			}
			_ = m.Close(context.Background())
		}
	}
}
