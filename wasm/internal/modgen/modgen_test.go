package modgen_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
)

// TestValid: the engine compiles every module, and the gate lets it through.
func TestValid(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	for seed := range uint64(2000) {
		code := modgen.Module(seed)
		m, err := r.CompileModule(ctx, code)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		m.Close(ctx)
		if _, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestSame: a seed stands for one module.
func TestSame(t *testing.T) {
	for seed := range uint64(200) {
		if !bytes.Equal(modgen.Module(seed), modgen.Module(seed)) {
			t.Fatal(seed)
		}
	}
	if bytes.Equal(modgen.Module(1), modgen.Module(2)) {
		t.Error("two seeds stand for the same module")
	}
}

// TestFast: making a module takes a small part of what running it takes.
func TestFast(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	const n = 2000
	best := time.Hour
	size := 0
	for range 3 {
		start := time.Now()
		for seed := range uint64(n) {
			size += len(modgen.Module(seed))
		}
		best = min(best, time.Since(start))
	}
	t.Logf("%.0f modules a second, of %d bytes", n/best.Seconds(), size/n/3)
	if limit := 20 * n / 5000 * time.Second; best > limit { // 5,000 a second, and 20 times that for the race detector and others
		t.Errorf("%v for %d modules", best, n)
	}
}

// TestDiverse: what a rewriter looks at occurs often.
func TestDiverse(t *testing.T) {
	seen := map[gate.Op]int{}
	var leaves, wide, imports, tables int
	for seed := range uint64(2000) {
		code := modgen.Module(seed)
		m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
		if err != nil {
			t.Fatal(seed, err)
		}
		for _, mark := range m.Marks {
			seen[mark.Op()]++
		}
		leaves += leaving(code, m.Marks)
		if m.Functions+m.ImportedFunctions() > 127 {
			wide++
		}
		imports += min(1, m.ImportedFunctions())
		tables += len(m.Tables)
	}
	t.Logf("%v, branches to the end of functions %d; of 2000 modules, %d have more than 127 functions, %d imports, %d tables in all",
		seen, leaves, wide, imports, tables)
	for op, n := range seen {
		if n < 500 {
			t.Errorf("instruction %x occurs %d times", op, n)
		}
	}
	if len(seen) != 14 || leaves < 1000 || wide < 50 || imports < 400 || tables < 1000 {
		t.Error("something is missing")
	}
}

// leaving counts the branches that may go to the end of their function: the outermost label is among their targets.
func leaving(code []byte, marks []gate.Mark) (n int) {
	depth := uint64(0) // of open blocks; the last end of a function closes none
	for _, k := range marks {
		rest := code[k.At+1:]
		number := func() uint64 {
			v, size := binary.Uvarint(rest)
			rest = rest[size:]
			return v
		}
		labels := uint64(0)
		switch k.Op() {
		case gate.OpBlock, gate.OpLoop, gate.OpIf:
			depth++
		case gate.OpEnd:
			if depth > 0 {
				depth--
			}
		case gate.OpBr, gate.OpBrIf:
			labels = 1
		case gate.OpBrTable:
			labels = number() + 1
		}
		leaves := false
		for range labels {
			leaves = number() == depth || leaves
		}
		if leaves {
			n++
		}
	}
	return n
}
