package meter_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
)

// errApart says that a way to break the meter has nothing to break in a module.
var errApart = errors.New("nothing to break")

// A breaking makes a meter with one fault, at a place that r chooses.
type breaking func(r *rand.Rand) rewriting

// forgets leaves one function index of a section as it was.
func forgets(section byte) breaking {
	return func(r *rand.Rand) rewriting {
		return func(code []byte, m *gate.Module) ([]byte, error) {
			var there []int
			for _, s := range m.Sections {
				for i, at := range m.FuncRefs {
					index, _ := binary.Uvarint(code[at:])
					if s.Kind == section && at >= s.Content.Start && at < s.Content.End && int(index) >= m.ImportedFunctions() {
						there = append(there, i)
					}
				}
			}
			if len(there) == 0 {
				return nil, errApart
			}
			broken := *m
			i := there[r.IntN(len(there))]
			broken.FuncRefs = slices.Delete(slices.Clone(m.FuncRefs), i, i+1)
			return roomy(code, &broken)
		}
	}
}

// takes has the meter take one instruction for another.
func takes(one, other gate.Op) breaking {
	return func(r *rand.Rand) rewriting {
		return func(code []byte, m *gate.Module) ([]byte, error) {
			var ones, others []int
			for i, k := range m.Marks {
				switch k.Op() {
				case one:
					ones = append(ones, i)
				case other:
					others = append(others, i)
				}
			}
			if len(ones) == 0 || len(others) == 0 {
				return nil, errApart
			}
			broken := *m
			broken.Marks = slices.Clone(m.Marks)
			i := ones[r.IntN(len(ones))]
			broken.Marks[i] = m.Marks[others[r.IntN(len(others))]]
			broken.Marks[i].At = m.Marks[i].At
			return roomy(code, &broken)
		}
	}
}

// writes has the meter write some bytes in place of others, once.
func writes(one, other string) breaking {
	return func(*rand.Rand) rewriting {
		return func(code []byte, m *gate.Module) ([]byte, error) {
			out, err := chunked(code, m)
			if err != nil || !bytes.Contains(out, []byte(one)) || bytes.Contains(code, []byte(one)) {
				return nil, errors.Join(err, errApart)
			}
			return bytes.Replace(out, []byte(one), []byte(other), 1), nil
		}
	}
}

// keeps has a function take its frame twice, where it ought to give it back at its end.
func keeps(r *rand.Rand) rewriting {
	return func(code []byte, m *gate.Module) ([]byte, error) {
		out, err := roomy(code, m)
		if err != nil {
			return nil, err
		}
		room := binary.AppendUvarint(nil, uint64(m.Globals)+1)
		var there []int
		for i := range out {
			rest, ok := bytes.CutPrefix(out[i:], append([]byte{0x23}, room...)) // global.get, i64.const
			if !ok || rest[0] != 0x42 {
				continue
			}
			_, n := binary.Uvarint(rest[1:])
			rest = rest[1+max(0, n):]
			if bytes.HasPrefix(rest, slices.Concat([]byte{0x7c, 0x24}, room, []byte{0x0b})) { // add, global.set, end
				there = append(there, len(out)-len(rest))
			}
		}
		if len(there) == 0 {
			return nil, errApart
		}
		out[there[r.IntN(len(there))]] = 0x7d // subtract
		return out, nil
	}
}

// TestBroken: the comparison finds a meter that does one thing wrong. Each fault stands in one place of a module only, where
// it may do nothing; but in some modules it does, and there the meter without it passes.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		fault  string
		breaks breaking
	}{
		{"a call is not shifted", forgets(10)},
		{"an export is not shifted", forgets(7)},
		{"the start is not shifted", forgets(8)},
		{"an element is not shifted", forgets(9)},
		{"a name is not shifted", forgets(0)},
		{"a loop is free", takes(gate.OpLoop, gate.OpBlock)},
		{"a return keeps its frame", takes(gate.OpReturn, gate.OpUnreachable)},
		{"a frame is not given back", keeps},
		{"a branch is not relabelled", takes(gate.OpBr, gate.OpUnreachable)},
		{"copies go the wrong way", writes("\x20\x00\x20\x01\x4b\x04\x40", "\x20\x00\x20\x01\x49\x04\x40")},
		{"there is no room", narrow},
	} {
		t.Run(c.fault, func(t *testing.T) {
			l := newLaboratory(t, 2*time.Second)
			found, tried := 0, 0
			for seed := uint64(0); seed < 3000 && found < 2; seed++ {
				by := once(c.breaks(rand.New(rand.NewPCG(seed, 3))))
				if _, _, err := metered(modgen.Module(seed), by); errors.Is(err, errApart) {
					continue
				}
				tried++
				err := l.compare(modgen.Module(seed), by, seed, false, &stats{})
				if err == nil {
					continue
				}
				if sound := l.compare(modgen.Module(seed), roomy, seed, false, &stats{}); sound != nil {
					t.Fatalf("seed %d without the fault: %v", seed, sound)
				}
				if found++; found == 1 {
					t.Logf("seed %d: %v", seed, err)
				}
			}
			t.Logf("found in %d of %d modules", found, tried)
			if found < 2 {
				t.Error("the comparison does not find it")
			}
		})
	}
}

// narrow leaves a module hardly any room.
func narrow(*rand.Rand) rewriting {
	return func(code []byte, m *gate.Module) ([]byte, error) {
		return meter.Rewrite(code, m, meter.Limits{Stack: 400})
	}
}

// once rewrites once, and gives the same again.
func once(by rewriting) rewriting {
	var out []byte
	var err error
	return func(code []byte, m *gate.Module) ([]byte, error) {
		if out == nil && err == nil {
			out, err = by(code, m)
		}
		return out, err
	}
}
