package meter_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
)

// seen is what one call did, as far as anybody can see.
type seen struct {
	call    string // the export and the arguments
	err     string
	results string
	imports hash // what was passed to imports
	globals hash
	memory  uint32 // sum
	pages   uint32
	steps   int32 // left
}

// run is what a module did, and what it was charged.
type run struct {
	calls []seen
	open  [][]string // functions that were open when a call trapped
	used  []int64    // by each call
	had   []int64    // what each call had to spend
	steps []int64    // that each call took
}

// runner runs modules in a world.
type runner struct {
	*world
	drain    bool          // takes the fuel away before each call, so that the room is seen
	patience time.Duration // with a call, if the runtime ends calls; 0 without end
	opened   *meter.Opened // what is run, when it starts in steps; nil when it does not
	copied   bool          // when it does, calls are those of a second instance that got the state of the first
}

// begin returns the context of a call, and what to do behind it.
func (r *runner) begin() (context.Context, context.CancelFunc) {
	r.forget()
	if r.patience == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), r.patience)
}

// run instantiates a module and calls each export twice. m is what the gate found in the module before the rewrite;
// shifted says that this is behind it.
func (r *runner) run(code []byte, m *gate.Module, shifted bool, seed uint64) (run, error) {
	var out run
	ctx, done := r.begin()
	defer done()
	compiled, err := r.CompileModule(ctx, code)
	if err != nil {
		return out, err
	}
	defer compiled.Close(ctx)
	imported := m.ImportedFunctions()
	count := imported + m.Functions
	mod, err := r.instantiate(ctx, compiled, m.Memory != nil)
	text, open := failure(err, shifted, imported, count)
	out.calls = append(out.calls, seen{call: "instantiate", err: text, imports: r.log})
	out.open = append(out.open, open)
	if err != nil {
		return out, nil
	}
	defer mod.Close(ctx)
	g := &instance{runner: r, Module: mod, rand: rand.New(rand.NewPCG(seed, 1)), shifted: shifted, imported: imported, count: count}
	g.open()
	var names []string
	for name := range compiled.ExportedFunctions() {
		if name != meter.ExportStart {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	budget := []uint64{20, 100, 100, 700}[seed%4]
	for range 2 {
		for _, name := range names {
			g.call(name, budget, &out)
		}
	}
	return out, g.err
}

// instance is one whose exports are called.
type instance struct {
	*runner
	api.Module
	rand            *rand.Rand
	shifted         bool
	imported, count int
	globals         []api.Global
	steps, fuel     api.MutableGlobal
	trapped         bool
	rooms           map[string]int64
	err             error
}

func (g *instance) open() {
	g.steps = g.ExportedGlobal(modgen.Steps).(api.MutableGlobal)
	g.fuel, _ = g.ExportedGlobal(meter.ExportFuel).(api.MutableGlobal)
	g.rooms = map[string]int64{}
	for i := 0; ; i++ {
		global := g.ExportedGlobal("g" + strconv.Itoa(i))
		if global == nil {
			return
		}
		g.globals = append(g.globals, global)
	}
}

// left is the fuel that the guest has of what it was given, with a sign.
func (g *instance) left() int64 {
	if g.fuel == nil {
		return g.granted
	}
	return int64(g.fuel.Get())
}

// call calls an export and notes what is to be seen.
func (g *instance) call(name string, budget uint64, out *run) {
	f := g.ExportedFunction(name)
	args := arguments(g.rand, f.Definition().ParamTypes())
	g.steps.Set(budget)
	if g.drain && g.fuel != nil {
		g.granted += -1 - g.left()
		g.fuel.Set(uint64(1<<64 - 1))
	}
	g.room = noRoom
	ctx, done := g.begin()
	defer done()
	before := g.granted - g.left()
	results, err := f.Call(ctx, args...)
	text, open := failure(err, g.shifted, g.imported, g.count)
	s := seen{call: name + fmt.Sprint(args), err: text, imports: g.log, steps: int32(g.steps.Get())}
	if err == nil {
		s.results = show(f.Definition().ResultTypes(), results)
	}
	g.balance(name, err != nil)
	for _, global := range g.globals {
		s.globals.add(plain(global.Type(), global.Get()))
	}
	if memory := g.ExportedMemory(modgen.Memory); memory != nil {
		b, _ := memory.Read(0, memory.Size())
		s.memory, s.pages = crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)), memory.Size()>>16
	}
	out.calls = append(out.calls, s)
	out.open = append(out.open, open)
	out.used = append(out.used, g.granted-g.left()-before)
	out.had = append(out.had, g.granted-before)
	out.steps = append(out.steps, int64(budget)-int64(s.steps))
}

// balance holds that a function finds as much room as before, so that all that was called in between gave back what it
// took. A trap takes it with it.
func (g *instance) balance(name string, trapped bool) {
	if !g.drain || g.trapped || g.room == noRoom {
		g.trapped = g.trapped || trapped
		return
	}
	if room, ok := g.rooms[name]; ok && room != g.room && g.err == nil {
		g.err = fmt.Errorf("%s found room for %d, and at the first call for %d", name, g.room, room)
	}
	g.rooms[name] = g.room
	g.trapped = trapped
}

// arguments makes arguments of some types.
func arguments(r *rand.Rand, types []api.ValueType) []uint64 {
	var args []uint64
	for _, t := range types {
		v := r.Uint64N(20)
		if r.IntN(3) == 0 {
			v = r.Uint64()
		}
		switch t {
		case api.ValueTypeI32:
			v = uint64(uint32(v))
		case api.ValueTypeF32:
			v = api.EncodeF32(float32(int32(v)) / 4)
		case api.ValueTypeF64:
			v = api.EncodeF64(float64(int64(v)) / 4)
		case 0x70: // the host has no functions of its own
			v = 0
		case 0x7b: // two words
			args = append(args, v)
		}
		args = append(args, v)
	}
	return args
}

// show is the results of a call.
func show(types []api.ValueType, results []uint64) string {
	var b []byte
	for _, t := range types {
		n := 1
		if t == 0x7b {
			n = 2
		}
		for _, v := range results[:n] {
			b = strconv.AppendUint(b, plain(t, v), 16)
			b = append(b, ' ')
		}
		results = results[n:]
	}
	return string(b)
}
