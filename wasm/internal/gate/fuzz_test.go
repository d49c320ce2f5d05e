package gate_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/wasm/internal/gate"
)

// What a walk may allocate for each byte of the module, and beside that.
const (
	allocPerByte = 64
	allocFixed   = 512 << 10
)

// FuzzWalk holds that no bytes make the gate panic, that it allocates and takes time by the size of the input only, that
// its errors have a place, that positions change no answer, and that what passes does not make the engine panic.
func FuzzWalk(f *testing.F) {
	for _, code := range killers() {
		f.Add(code)
	}
	for name, code := range samples(f) {
		if len(code) < 20_000 {
			f.Add(code)
		} else {
			f.Logf("%s is too large for a seed", name)
		}
	}
	for _, b := range bombs {
		f.Add(b.make(3))
	}
	f.Add(tableGrow)
	ctx := context.Background()
	engine := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(256))
	f.Cleanup(func() { engine.Close(ctx) })
	f.Fuzz(func(t *testing.T, code []byte) {
		before := allocatedAbout()
		m, err := gate.Walk(code, gate.Caps{Positions: true})
		grown := allocatedAbout() - before
		if limit := uint64(allocFixed + allocPerByte*len(code)); grown > limit {
			t.Fatalf("%d bytes allocated for %d", grown, len(code))
		}
		start := time.Now()
		_, plain := gate.Walk(code, gate.Caps{})
		took := time.Since(start)
		most := 2*time.Millisecond + time.Duration(len(code))*time.Microsecond
		for try := 0; took > most && try < 5; try++ { // the machine may have been busy
			start = time.Now()
			_, _ = gate.Walk(code, gate.Caps{})
			took = min(took, time.Since(start))
		}
		if took > most {
			t.Fatalf("%v for %d bytes", took, len(code))
		}
		if (err == nil) != (plain == nil) || err != nil && err.Error() != plain.Error() {
			t.Fatalf("with positions %v, without %v", err, plain)
		}
		if err != nil {
			if e, ok := errors.AsType[*gate.Error](err); !ok || e.Offset < 0 || e.Offset > len(code) || e.Found == "" || e.Allowed == "" {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		checkMarks(t, "fuzz", code, m)
		if m.Memory != nil && m.Memory.Min > 256 {
			return
		}
		if m, err := engine.CompileModule(ctx, code); err == nil {
			m.Close(ctx)
		}
	})
}

// allocatedAbout is less exact, by the objects of some pages, and stops nobody.
func allocatedAbout() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// allocated is what was ever allocated, in bytes.
func allocated() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.TotalAlloc
}

// mutate changes a few places of a module: bits, bytes, numbers made absurd, pieces doubled or lost.
func mutate(r *rand.Rand, code []byte) []byte {
	code = slices.Clone(code)
	for range 1 + r.IntN(3) {
		at := 8 + r.IntN(max(1, len(code)-8))
		if at >= len(code) {
			return code
		}
		switch r.IntN(6) {
		case 0:
			code[at] ^= 1 << r.IntN(8)
		case 1:
			code[at] = byte(r.IntN(256))
		case 2:
			code[at]++
		case 3:
			code = slices.Insert(code, at, 0xff, 0xff, 0xff, 0xff, 0x0f)
		case 4:
			n := min(r.IntN(16), len(code)-at)
			code = slices.Insert(code, at, slices.Clone(code[at:at+n])...)
		case 5:
			n := min(r.IntN(8), len(code)-at)
			code = slices.Delete(code, at, at+n)
		}
	}
	return code
}

// TestMutants: of whatever is made from good modules, what the gate lets through neither stops the engine nor costs it
// much. The engine runs in a process of its own, within limits; that it ends would be a failure of the gate.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	const seed = 6
	each := 20_000
	if raced {
		each = 2_000
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	var passed [][]byte
	sum, tried := 0, 0
	all := samples(t)
	for _, name := range []string{"kit", "assemblyscript", "zig", "bombs"} {
		base := all[name]
		for i := range each {
			if name == "bombs" {
				base = bombs[i%len(bombs)].make(1 + i%7)
			}
			code := mutate(r, base)
			tried++
			if m, err := gate.Walk(code, gate.Caps{Pages: 256}); err == nil && (len(code) < 4000 || i%10 == 0) {
				passed, sum = append(passed, code), sum+m.Work
			}
		}
	}
	c := compileAll(t, passed)
	t.Logf("%d of %d mutants pass; all of them compile or are refused in %d ms and %d MiB, estimated %d ms", len(passed), tried, c.ms, c.mib, sum/1000)
	if c.ms < 0 || c.mib > 300 {
		t.Errorf("%+v", c)
	}
}

// compileAll compiles modules one after the other in one process.
func compileAll(t *testing.T, all [][]byte) cost {
	t.Helper()
	var joined []byte
	for _, code := range all {
		joined = append(joined, sized(code)...)
	}
	return compileAs(t, joined, "many")
}

// TestReal holds that what toolchains make passes with margin, and says what it needs.
func TestReal(t *testing.T) {
	all := samples(t)
	for _, name := range []string{"geo", "alert"} {
		code, err := os.ReadFile("../../../build/plugins/" + name + "/" + name + ".wasm")
		if err != nil {
			t.Logf("%s is not built: make guests", name)
			continue
		}
		all[name] = code
	}
	for name, code := range all {
		m, err := gate.Walk(code, gate.Caps{
			Work: 1_000_000, Memory: 128 << 10, Types: 1000, Imports: 200, Functions: 20_000, Locals: 10_000,
			Body: 100 << 10, Nesting: 1500, Branches: 2000, Data: 50_000, Exports: 1000, TableEntries: 20_000, Globals: 1000,
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%-15s %9d bytes, %4d functions, estimated %4d ms, %2d MiB", name, len(code), m.Functions, m.Work/1000, m.WorkKiB>>10)
	}
}

// TestAllocations: a walk keeps a few bytes for each function, and with positions less than the module has.
func TestAllocations(t *testing.T) {
	for name, code := range samples(t) {
		for _, positions := range []bool{false, true} {
			before := allocated()
			m, err := gate.Walk(code, gate.Caps{Positions: positions})
			grown := int(allocated() - before)
			if err != nil {
				t.Fatal(err)
			}
			if most := 16<<10 + 32*m.Functions; !positions && grown > most {
				t.Errorf("%s: %d bytes allocated, at most %d are allowed", name, grown, most)
			}
			if positions && grown > 16<<10+4*len(code) {
				t.Errorf("%s: %d bytes allocated with positions, of a module of %d", name, grown, len(code))
			}
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	code, err := os.ReadFile("../../../build/plugins/geo/geo.wasm")
	if err != nil {
		b.Skip("geo is not built: make guests")
	}
	for name, caps := range map[string]gate.Caps{"gate": {}, "positions": {Positions: true}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(code)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := gate.Walk(code, caps); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
