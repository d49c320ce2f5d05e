package wat_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// FuzzAssemble holds that no text makes the assembler panic, that it gives the same answer twice, that its errors have a
// place in the text, and that what assembles does not make the runtime panic, which may refuse it.
func FuzzAssemble(f *testing.F) {
	for _, p := range programs {
		f.Add(source(f, p.file))
	}
	for _, seed := range []string{
		``, `(`, `(module`, `(module $m (func $f (export "f") (local $x f32) (if (i32.const 1) (then) (else))))`,
		`(module (func block $l loop br_table 0 1 $l end end select (result i32) ref.null func))`,
		`(module (import "a" "b" (memory 1)) (data $d "\u{1F600}\ff") (func (memory.init $d)))`,
		`(module (table $t funcref (elem 0)) (func table.init $t 0) (elem declare func 0) (start 0))`,
		`(module (type $t (func (param $a i32) (result i32 i32))) (func (type $t) call_indirect (type $t)))`,
		`(module (global (mut f32) f32.const nan:0x1) (global f64 (f64.const -0x1.8p-3)) (; (; ;) ;))`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := wat.Assemble(src)
		again, againErr := wat.Assemble(src)
		if !bytes.Equal(out, again) || (err == nil) != (againErr == nil) || err != nil && err.Error() != againErr.Error() {
			t.Fatalf("two answers:\n%x %v\n%x %v", out, err, again, againErr)
		}
		if err != nil {
			e, ok := errors.AsType[*wat.Error](err)
			if !ok || e.Line < 1 || e.Line > 1+bytes.Count(src, []byte("\n")) || e.Column < 1 || e.Column > 1+len(src) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer r.Close(ctx)
		_, _ = r.CompileModule(ctx, out)
	})
}
