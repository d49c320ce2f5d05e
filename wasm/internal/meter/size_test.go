package meter_test

import (
	"strings"
	"testing"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// TestSize: what the meter adds is in proportion, also to modules that are made to have much added.
func TestSize(t *testing.T) {
	loops := func(n int) string { return strings.Repeat("(loop $l)", n) }
	params := "(param" + strings.Repeat(" i32", 1000) + ")"
	for _, c := range []struct{ name, text string }{
		{"3,000 loops", "(module (func " + loops(3000) + "))"},
		{"60 x 500 loops", "(module " + strings.Repeat("(func "+loops(500)+")", 60) + ")"},
		{"functions of 1,000 parameters", "(module (type $t (func " + params + ")) " + strings.Repeat("(func (type $t) (local i32) (call 0 "+strings.Repeat("(i32.const 0)", 1000)+"))", 50) + ")"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, err := wat.Assemble([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
			if err != nil {
				t.Fatal(err)
			}
			out, err := meter.Rewrite(code, m, meter.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			const more = 100_000 // bytes, for what may be unrolled beyond the module's own size
			if len(out) > 16*len(code)+more {
				t.Errorf("%d bytes became %d", len(code), len(out))
			}
			t.Logf("%d bytes became %d", len(code), len(out))
		})
	}
}
