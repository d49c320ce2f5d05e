package meter_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
)

// verdicts are what became of modules.
type verdicts struct{ gate, neither, both int }

// agree holds that the engine says the same of a module with the meter and without: what is invalid must not become valid,
// nor the other way round. It says nothing of what the gate refuses, or the meter for its own names.
func agree(r wazero.Runtime, code []byte, by rewriting, v *verdicts) error {
	ctx := context.Background()
	rewritten, _, err := metered(code, by)
	if err != nil {
		if e, ok := errors.AsType[*gate.Error](err); ok && (e.Found == "" || e.Allowed == "") {
			return fmt.Errorf("an error that says nothing: %w", err)
		}
		v.gate++
		return nil
	}
	before, ours := r.CompileModule(ctx, code)
	if ours == nil {
		before.Close(ctx)
	}
	after, theirs := r.CompileModule(ctx, rewritten)
	if theirs == nil {
		after.Close(ctx)
	}
	switch {
	case (ours == nil) != (theirs == nil):
		return fmt.Errorf("%v, without the meter %v", theirs, ours)
	case ours == nil:
		v.both++
	default:
		v.neither++
	}
	return nil
}

// damage changes one thing in a body, most often so that the gate, which does not look at types, lets it pass: an
// instruction more that leaves or takes a value, or another type of a block.
func damage(r *rand.Rand, code []byte) []byte {
	code = slices.Clone(code)
	m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
	if err != nil || len(m.Marks) == 0 {
		return code
	}
	i := r.IntN(len(m.Marks))
	k := m.Marks[i]
	switch op := k.Op(); {
	case r.IntN(8) == 0:
		code[m.Bodies[0].Code+uint32(r.IntN(int(m.Bodies[len(m.Bodies)-1].End-m.Bodies[0].Code)))] = byte(r.IntN(256))
		return code
	case (op == gate.OpBlock || op == gate.OpLoop || op == gate.OpIf) && code[k.At+1] >= 0x40 && r.IntN(2) == 0:
		code[k.At+1] = []byte{0x40, 0x7f, 0x7e, 0x70}[r.IntN(4)]
		return code
	}
	return insert(code, m, i, [][]byte{{0x41, 0}, {0x42, 0}, {0x1a}, {0x45}, {0x1b}, {0x0f}, {0x0c, 0}, {0x41, 0, 0x0d, 0}, {0x00}}[r.IntN(9)])
}

// insert puts instructions in front of a mark.
func insert(code []byte, m *gate.Module, mark int, more []byte) []byte {
	f := 0
	for f+1 < len(m.Bodies) && int(m.Bodies[f+1].Marks) <= mark {
		f++
	}
	at := m.Marks[mark].At
	var section gate.Part
	for _, s := range m.Sections {
		if s.Kind == 10 {
			section = s
		}
	}
	count, width := binary.Uvarint(code[section.Content.Start:])
	content := binary.AppendUvarint(nil, count)
	start := section.Content.Start + uint32(width)
	for i, b := range m.Bodies {
		_, width := binary.Uvarint(code[b.Size:])
		body := code[b.Size+uint32(width) : b.End]
		if i == f {
			split := at - b.Size - uint32(width)
			body = slices.Concat(body[:split], more, body[split:])
		}
		content = binary.AppendUvarint(content, uint64(len(body)))
		content = append(content, body...)
		start = b.End
	}
	out := slices.Clone(code[:section.ID+1])
	out = binary.AppendUvarint(out, uint64(len(content)))
	return slices.Concat(out, content, code[start:])
}

// TestRefusals: of modules that were damaged at random, the engine accepts the same with the meter and without.
func TestRefusals(t *testing.T) {
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(ctx)
	count := modules(t) * 2
	var v verdicts
	for seed := range count {
		r := rand.New(rand.NewPCG(seed, 2))
		if err := agree(runtime, damage(r, modgen.Module(seed)), roomy, &v); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	t.Logf("the gate refuses %d, the engine %d, and accepts %d", v.gate, v.neither, v.both)
	if n := int(count); v.neither < n/50 || v.both < n/10 {
		t.Error("too few of a kind")
	}
}

// FuzzMeter holds that gate, meter and engine never panic, and agree about what is valid.
func FuzzMeter(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(modgen.Module(seed))
	}
	runtime := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	f.Cleanup(func() { runtime.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) > 1<<16 {
			return
		}
		m, err := gate.Walk(code, gate.Caps{})
		if err != nil || m.Memory != nil && m.Memory.Min > 256 {
			return
		}
		if err := agree(runtime, code, roomy, &verdicts{}); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRefusals is TestRefusals for any seed, and more damage.
func FuzzRefusals(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, byte(seed))
	}
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	f.Cleanup(func() { runtime.Close(ctx) })
	f.Fuzz(func(t *testing.T, seed uint64, times byte) {
		r := rand.New(rand.NewPCG(seed, 2))
		code := modgen.Module(seed)
		for range 1 + times%8 {
			code = damage(r, code)
		}
		if err := agree(runtime, code, roomy, &verdicts{}); err != nil {
			t.Error(err)
		}
	})
}

// FuzzDifferential is TestDifferential for any seed.
func FuzzDifferential(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed)
	}
	l := newLaboratory(f, 0)
	f.Fuzz(func(t *testing.T, seed uint64) {
		if err := l.compare(modgen.Module(seed), roomy, seed, seed%32 == 0, &stats{}); err != nil {
			t.Error(err)
		}
	})
}
