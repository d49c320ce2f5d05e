package wasm

import (
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// TestHuskAsLong: a module that has a husk of its own length is loaded as others are.
func TestHuskAsLong(t *testing.T) {
	for nops := range 100 {
		code, err := wat.Assemble([]byte(`(module (memory 2) (data $d "` + strings.Repeat("x", 70_000) + `")
		  (func (export "vanth_abi_1") (result i32) (i32.const 0))
		  (func (export "fn_seven") (result i32) ` + strings.Repeat("nop ", nops) + ` (data.drop $d) (i32.const 7)))`))
		if err != nil {
			t.Fatal(err)
		}
		k := newJailKit(t, "", Options{Engine: "compiler", CacheDir: t.TempDir()})
		terms := k.terms(grant{memory: 16, tables: 10, stack: 1 << 20})
		p, err := terms.inspect(code)
		if err != nil || !p.husked {
			t.Fatalf("a module of %d bytes has no husk: %v", len(code), err)
		}
		if len(p.shown) != len(p.code) {
			continue
		}
		m := load(t, k.Runtime, bundle(t, "m", code, host.Manifest{Functions: []string{"seven"}}))
		if v, err := fn(t, m, "seven").Exec(t.Context(), nil, nil); err != nil || v != int64(7) {
			t.Error(v, err)
		}
		return
	}
	t.Error("no module was found whose husk is as long")
}
