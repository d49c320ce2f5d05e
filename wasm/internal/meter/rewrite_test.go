package meter_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// errFuel and errRoom are how the host in these tests ends a guest.
var (
	errFuel = errors.New("out of fuel")
	errRoom = errors.New("out of room")
)

// guest is a metered instance.
type guest struct {
	api.Module
	fuel    api.MutableGlobal
	granted int64
	refills int
}

// meterWAT assembles, meters and instantiates a module. Fuel is given in slices until limit is reached.
func meterWAT(t testing.TB, text string, l meter.Limits, slice, limit int64) *guest {
	t.Helper()
	code, err := wat.Assemble([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return meterCode(t, code, l, slice, limit)
}

func meterCode(t testing.TB, code []byte, l meter.Limits, slice, limit int64) *guest {
	t.Helper()
	m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
	if err != nil {
		t.Fatal(err)
	}
	metered, err := meter.Rewrite(code, m, l)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	t.Cleanup(func() { rt.Close(ctx) })
	g := &guest{}
	refill := func(_ context.Context, _ api.Module, stack []uint64) {
		left, room := int64(stack[0]), int64(stack[1])
		if room < 0 {
			panic(errRoom)
		}
		if g.refills++; g.granted >= limit {
			panic(errFuel)
		}
		g.granted += slice
		stack[0] = uint64(left + slice)
	}
	i64 := api.ValueTypeI64
	if _, err := rt.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refill), []api.ValueType{i64, i64}, []api.ValueType{i64}).
		Export(meter.ImportName).Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	mod, err := rt.Instantiate(ctx, metered)
	if err != nil {
		t.Fatal(err)
	}
	g.Module, g.fuel = mod, mod.ExportedGlobal(meter.ExportFuel).(api.MutableGlobal)
	return g
}

// TestEnds: whatever a guest does for long, it is asked to pay, and ends where the host ends it.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"loop", `(module (func (export "f") (loop $l (br $l))))`, errFuel},
		{"calls without loops", tree(), errFuel},
		{"recursion", `(module (func $f (export "f") (call $f)))`, errRoom},
		{"recursion of two", `(module (func $f (export "f") (call $g)) (func $g (call $f)))`, errRoom},
		{"recursion through a table", `(module (type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)
		  (func $f (export "f") (call_indirect (type $t) (i32.const 0))))`, errRoom},
		{"fill", `(module (memory 16) (func (export "f") ` + strings.Repeat(`(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x100000))`, 50) + `))`, errFuel},
		{"one fill", `(module (memory 1600) (func (export "f") (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x6400000))))`, errFuel},
		{"copies up", `(module (memory 1600) (func (export "f") (memory.copy (i32.const 0) (i32.const 1) (i32.const 0x63fffff))))`, errFuel},
		{"copies down", `(module (memory 1600) (func (export "f") (memory.copy (i32.const 1) (i32.const 0) (i32.const 0x63fffff))))`, errFuel},
	} {
		t.Run(c.name, func(t *testing.T) {
			const slice, limit = 100_000, 1_000_000
			g := meterWAT(t, c.text, meter.Limits{}, slice, limit)
			_, err := g.ExportedFunction("f").Call(context.Background())
			if !errors.Is(err, c.want) {
				t.Errorf("found %v, expected %v", err, c.want)
			}
		})
	}
}

// tree is a module whose functions call the next one twice.
func tree() string {
	var b strings.Builder
	b.WriteString(`(module (func $f0 (export "f") (call $f1) (call $f1))`)
	for i := 1; i < 60; i++ {
		b.WriteString("(func $f" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + " (call $f" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + ") (call $f" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + "))")
	}
	b.WriteString(`(func $f60))`)
	return strings.ReplaceAll(b.String(), "$f1)", "$f01)")
}
