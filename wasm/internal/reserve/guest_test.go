package reserve_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/vanth-io/vanth/wasm/internal/reserve"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

const (
	page  = 64 << 10
	limit = 256 * page
)

// guest grows and fills its memory. It has no maximum of its own.
const guest = `(module
	(memory (export "memory") 1)
	(data (i32.const 8) "hello")
	(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
	(func (export "growAll") (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))
	(func (export "size") (result i32) (memory.size))
	(func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
	(func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2))))`

var engines = map[string]func() wazero.RuntimeConfig{
	"default":     wazero.NewRuntimeConfig, // the compiler, where there is one
	"interpreter": wazero.NewRuntimeConfigInterpreter,
}

// raced says that this binary has the race detector, which has memory of its own.
var raced bool

// config has random bytes that cost nothing: wazero's own take 4 us and 5 KiB for each instance.
var config = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(strings.NewReader(""))

// compiled is a module and the runtime that it is compiled by.
type compiled struct {
	wazero.Runtime
	code wazero.CompiledModule
}

func compile(t testing.TB, config wazero.RuntimeConfig, text string) *compiled {
	t.Helper()
	binary, err := wat.Assemble([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	c := &compiled{Runtime: wazero.NewRuntimeWithConfig(ctx, config.WithMemoryLimitPages(limit/page).WithCloseOnContextDone(true))}
	t.Cleanup(func() { c.Close(ctx) })
	// env.exit is what an exit is in wazero: it closes the module while its function runs.
	_, err = c.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func(ctx context.Context, m api.Module) {
		m.CloseWithExitCode(ctx, 7)
		m.Memory().ReadUint32Le(8) // as an import may that runs on
	}).Export("exit").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if c.code, err = c.CompileModule(ctx, binary); err != nil {
		t.Fatal(err)
	}
	return c
}

// start makes an instance on a memory of the pool.
func (c *compiled) start(ctx context.Context, t testing.TB, p *reserve.Pool) (api.Module, *reserve.Lease, error) {
	t.Helper()
	lease, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	mod, err := c.InstantiateModule(experimental.WithMemoryAllocator(ctx, lease), c.code, config)
	return mod, lease, err
}

// call calls an export and returns its result, if it has one.
func call(t testing.TB, m api.Module, name string, args ...uint64) int32 {
	t.Helper()
	r, err := m.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		t.Fatalf("%s%v: %v", name, args, err)
	}
	if len(r) == 0 {
		return 0
	}
	return int32(r[0])
}
