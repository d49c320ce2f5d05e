package meter_test

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
)

// A rewriting makes one module of another: the meter, or a broken one. It is given what the gate found.
type rewriting func(code []byte, m *gate.Module) ([]byte, error)

// roomy is the meter with room for every recursion that the engines allow. After a trap an instance has lost what was
// taken from its room, and here it goes on.
func roomy(code []byte, m *gate.Module) ([]byte, error) {
	return meter.Rewrite(code, m, meter.Limits{Stack: 1 << 30})
}

// metered passes a module through the gate and a rewriting.
func metered(code []byte, by rewriting) ([]byte, *gate.Module, error) {
	m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
	if err != nil {
		return nil, nil, err
	}
	out, err := by(code, m)
	return out, m, err
}

// inChunks has a metered module do its operations on memory in chunks of 64 bytes instead of a quarter of a megabyte, so that a small
// memory has many; and says whether there are any. Both are as dear. original is the module before the meter, which may
// have that number itself: then all is left.
func inChunks(metered, original []byte) (out []byte, chunks int) {
	chunk := []byte("\x41\x80\x80\x10")
	if !bytes.Contains(metered, chunk) || bytes.Contains(original, chunk) {
		return metered, 0
	}
	return bytes.ReplaceAll(metered, chunk, []byte("\x41\xc0\x80\x00")), 1
}

// chunked is roomy, in chunks.
func chunked(code []byte, m *gate.Module) ([]byte, error) {
	out, err := roomy(code, m)
	if err != nil {
		return nil, err
	}
	out, _ = inChunks(out, code)
	return out, nil
}

// world is a runtime with what guests import, and what the guests did there. It is for one goroutine.
type world struct {
	wazero.Runtime
	slice   int64
	granted int64 // to all guests
	room    int64 // at the first refill since it was set to noRoom
	calls   int   // of imports, since forget
	log     hash  // of what was passed to imports
}

// noRoom is what no guest ever has.
const noRoom = math.MaxInt64

// newWorld opens a world in which fuel comes in such slices.
func newWorld(t testing.TB, c wazero.RuntimeConfig, slice int64) *world {
	ctx := context.Background()
	w := &world{Runtime: wazero.NewRuntimeWithConfig(ctx, c.WithMemoryLimitPages(64)), slice: slice, room: noRoom}
	t.Cleanup(func() { w.Close(ctx) })
	i64 := api.ValueTypeI64
	_, err := w.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(w.refill), []api.ValueType{i64, i64}, []api.ValueType{i64}).
		Export(meter.ImportName).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	env := w.NewHostModuleBuilder("env")
	for i, f := range modgen.Imports() {
		do := func(_ context.Context, _ api.Module, stack []uint64) { w.called(i, f, stack) }
		env.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(do), f.Params, f.Results).Export(f.Name)
	}
	if _, err := env.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// refill gives slices until the guest can go on.
func (w *world) refill(_ context.Context, _ api.Module, stack []uint64) {
	fuel, room := int64(stack[0]), int64(stack[1])
	if w.room == noRoom {
		w.room = room
	}
	if room < 0 {
		panic(errRoom)
	}
	if fuel < 0 {
		n := (-fuel + w.slice - 1) / w.slice
		w.granted += n * w.slice
		fuel += n * w.slice
	}
	stack[0] = uint64(fuel)
}

// forget forgets what was called.
func (w *world) forget() { w.calls, w.log = 0, 0 }

// called notes a call of an import and answers it.
func (w *world) called(i int, f modgen.Import, stack []uint64) {
	w.calls++
	w.log.add(uint64(i))
	sum := uint64(0)
	for k, t := range f.Params {
		v := plain(t, stack[k])
		w.log.add(v)
		sum += v
	}
	for k, t := range f.Results {
		switch t {
		case api.ValueTypeF32:
			stack[k] = api.EncodeF32(float32(sum % 100))
		case api.ValueTypeF64:
			stack[k] = api.EncodeF64(float64(sum%1000) / 8)
		case api.ValueTypeExternref: // stays
		case api.ValueTypeI32:
			stack[k] = uint64(uint32(sum) + uint32(w.calls))
		default:
			stack[k] = sum * 3
		}
	}
}

// hash is of a sequence of numbers.
type hash uint64

func (h *hash) add(v uint64) { *h = (*h ^ hash(v)) * 0x100000001b3 >> 1 }

// plain is a value without what differs between two runs: the bits of a NaN, and where a function is.
func plain(t api.ValueType, v uint64) uint64 {
	switch t {
	case api.ValueTypeI32:
		return uint64(uint32(v))
	case api.ValueTypeF32:
		if f := api.DecodeF32(v); f != f {
			return 0x7fc00000
		}
		return uint64(uint32(v))
	case api.ValueTypeF64:
		if f := api.DecodeF64(v); f != f {
			return 0x7ff8 << 48
		}
	case 0x70: // funcref
		return min(v, 1)
	}
	return v
}

// failure is the text of a trap without what the meter changes, and the functions that were open, the innermost first.
// Those without a name have an index, which the meter shifts, and there are its own; a function that it calls again stands
// there twice, as one does that calls itself. imported is how many functions the module imports and count how many it has,
// before the rewrite; shifted says that this is behind it.
func failure(err error, shifted bool, imported, count int) (text string, frames []string) {
	if err == nil {
		return "", nil
	}
	text, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	if _, rest, ok := strings.Cut(text, "] failed: "); ok && strings.HasPrefix(text, "start function[") {
		text = "start function: " + rest
	}
	for line := range strings.SplitSeq(trace, "\n") {
		line = strings.TrimSpace(line)
		if module, rest, ok := strings.Cut(line, ".$"); ok && shifted {
			digits, types, _ := strings.Cut(rest, "(")
			index, _ := strconv.Atoi(digits)
			if index > count {
				continue
			}
			if index >= imported {
				index--
			}
			line = module + ".$" + strconv.Itoa(index) + "(" + types
		}
		if strings.HasPrefix(line, "...") {
			break
		}
		if n := len(frames); n == 0 || frames[n-1] != line {
			frames = append(frames, line)
		}
	}
	return text, frames
}
