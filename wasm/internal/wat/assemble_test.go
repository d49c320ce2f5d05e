package wat_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// call is one call of an export. The calls of one program run in order, on one instance.
type call struct {
	name string
	args []uint64
	want []uint64
	trap bool
}

func u(v ...uint64) []uint64 { return v }

func i32(v int32) uint64 { return api.EncodeI32(v) }

var programs = []struct {
	file  string
	calls []call
}{
	{"fib.wat", []call{
		{name: "rec", args: u(1), want: u(1)},
		{name: "rec", args: u(20), want: u(6765)},
		{name: "iter", args: u(0), want: u(0)},
		{name: "iter", args: u(20), want: u(6765)},
		{name: "iterative", args: u(90), want: u(2880067194370816120)},
	}},
	{"memory.wat", []call{
		{name: "byte", args: u(16), want: u('h')},
		{name: "byte", args: u(24), want: u('o')},
		{name: "byte", args: u(28), want: u('\n')},
		{name: "byte", args: u(29), want: u(0xf0)},
		{name: "byte", args: u(33), want: u('\t')},
		{name: "byte", args: u(36), want: u('\\')},
		{name: "byte", args: u(37), want: u(0)},
		{name: "store", args: u(100, 0xffff_ffff_8000_0001)},
		{name: "load", args: u(100), want: u(0xffff_ffff_8000_0001)},
		{name: "byte", args: u(65536), trap: true},
		{name: "grow", want: u(21)},
		{name: "grow", want: u(19)},
		{name: "byte", args: u(65536), want: u(0)},
		{name: "fill", args: u(200, 7, 3)},
		{name: "copy", args: u(300, 199, 5)},
		{name: "byte", args: u(300), want: u(0)},
		{name: "byte", args: u(303), want: u(7)},
		{name: "init", args: u(400)},
		{name: "byte", args: u(406), want: u('e')},
		{name: "drop"},
		{name: "init", args: u(400), trap: true},
	}},
	{"tables.wat", []call{
		{name: "ops", args: u(0, 7, 5), want: u(2)}, // the last (elem) put $sub over $add
		{name: "ops", args: u(1, 7, 5), want: u(2)},
		{name: "ops", args: u(2, 7, 5), trap: true},
		{name: "more", args: u(0, 7, 5), trap: true},
		{name: "more", args: u(1, 7, 5), want: u(35)},
		{name: "back"},
		{name: "ops", args: u(0, 7, 5), want: u(35)},
		{name: "spare", args: u(0), trap: true}, // back has dropped it
		{name: "hidden", want: u(99)},
		{name: "more", args: u(3, 7, 5), trap: true}, // of another type
		{name: "null", want: u(2)},
		{name: "size", want: u(6)},
	}},
	{"control.wat", []call{
		{name: "switch", args: u(0), want: u(100)},
		{name: "switch", args: u(1), want: u(101)},
		{name: "switch", args: u(2), want: u(102)},
		{name: "switch", args: u(3), want: u(i32(-1))},
		{name: "switch", args: u(i32(-1)), want: u(i32(-1))},
		{name: "swap", args: u(1, 2), want: u(2, 1)},
		{name: "blocks", args: u(4), want: u(28)},
		{name: "flat", args: u(5), want: u(7)},
		{name: "flat", args: u(0), want: u(7)},
		{name: "select", args: u(1), want: u(math.Float64bits(1.5))},
		{name: "select", args: u(0), want: u(math.Float64bits(2.5))},
		{name: "shadow", args: u(0), want: u(11)},
	}},
	{"imports.wat", []call{
		{name: "next", want: u(43)},
		{name: "next", want: u(44)},
		{name: "again"},
		{name: "next", want: u(43)},
		{name: "adder", args: u(2, 3), want: u(5)},
	}},
	{"numbers.wat", []call{
		{name: "i32.min", want: u(0x8000_0000)},
		{name: "i32.max", want: u(0xffff_ffff)},
		{name: "i64.min", want: u(1 << 63)},
		{name: "i64.max", want: u(math.MaxUint64)},
		{name: "i64.mid", want: u(1_000_000)},
		{name: "i64.64", want: u(64)},
		{name: "i64.-65", want: u(math.MaxUint64 - 64)},
		{name: "f32.pi", want: u(0x40490fdb)},
		{name: "f32.hex", want: u(0x41400000)},
		{name: "f32.tie", want: u(0x3f800000)},
		{name: "f32.nan", want: u(0x7fa00001)},
		{name: "f32.inf", want: u(0xff800000)},
		{name: "f64.dot", want: u(math.Float64bits(10))},
		{name: "f64.exp", want: u(math.Float64bits(-0.0015))},
		{name: "f64.hex", want: u(math.Float64bits(-10.5))},
		{name: "f64.tiny", want: u(1)},
		{name: "f64.nan", want: u(0xfff8 << 48)},
		{name: "f64.zero", want: u(1 << 63)},
		{name: "sat", want: u(math.MaxInt32)},
		{name: "sign", args: u(0x8000), want: u(0xffff_ffff_ffff_8000)},
		{name: "bits", args: u(0), want: u(1 << 63)},
	}},
	{"ops.wat", nil},
}

func TestAssembledProgramsRun(t *testing.T) {
	for _, p := range programs {
		t.Run(p.file, func(t *testing.T) {
			ctx := context.Background()
			binary, err := wat.Assemble(source(t, p.file))
			if err != nil {
				t.Fatal(err)
			}
			var noted []uint64
			mod := instantiate(ctx, t, binary, &noted)
			for i, c := range p.calls {
				got, err := mod.ExportedFunction(c.name).Call(ctx, c.args...)
				if (err != nil) != c.trap {
					t.Errorf("call %d: %s(%v): %v; trap: want %v", i, c.name, c.args, err, c.trap)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("call %d: %s(%v) = %#x, want %#x", i, c.name, c.args, got, c.want)
				}
			}
			if p.file == "imports.wat" && !slices.Equal(noted, u(math.MaxInt64, math.MaxInt64, math.MaxInt64)) {
				t.Errorf("env.note heard %v", noted)
			}
		})
	}
}

// instantiate runs the binary with env.add and env.note, which appends to noted.
func instantiate(ctx context.Context, t *testing.T, binary []byte, noted *[]uint64) api.Module {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { _ = r.Close(ctx) })
	_, err := r.NewHostModuleBuilder("env").
		NewFunctionBuilder().WithFunc(func(a, b int32) int32 { return a + b }).Export("add").
		NewFunctionBuilder().WithFunc(func(v uint64) { *noted = append(*noted, v) }).Export("note").
		Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := r.Instantiate(ctx, binary)
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

func TestNamesReachTheRuntime(t *testing.T) {
	ctx := context.Background()
	binary, err := wat.Assemble([]byte(`(module $guest (func) (func $boom (export "boom") unreachable))`))
	if err != nil {
		t.Fatal(err)
	}
	mod := instantiate(ctx, t, binary, nil)
	if got := mod.Name(); got != "guest" {
		t.Errorf("the module is called %q", got)
	}
	if got := mod.ExportedFunction("boom").Definition().Name(); got != "boom" {
		t.Errorf("the function is called %q", got)
	}
}

// The types of what assembles are not checked here: the runtime must refuse this.
func TestInvalidModuleIsLeftToTheRuntime(t *testing.T) {
	ctx := context.Background()
	binary, err := wat.Assemble([]byte(`(module (func (result i32) f64.const 1))`))
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	if _, err := r.CompileModule(ctx, binary); err == nil {
		t.Error("a function with the wrong result compiles")
	}
}

func source(t testing.TB, file string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return src
}
