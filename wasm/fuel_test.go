package wasm

import (
	"context"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// TestShortCallsPace: an instance whose calls all end within their fuel gets as much at once as one whose calls do not,
// for it is as quick.
func TestShortCallsPace(t *testing.T) {
	m := load(t, newRuntime(t, Options{PoolMax: 1}), watBundle(t, `(module (func (export "turns") (param i64) (result i64)
	  (loop $again
	    (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
	    (br_if $again (i64.gt_s (local.get 0) (i64.const 0))))
	  (local.get 0)))`, host.Manifest{Functions: []string{"turns"}}))
	f := fn(t, m, "turns")
	for range 20_000 {
		if v, err := f.Exec(context.Background(), nil, []any{int64(20)}); err != nil || v != int64(0) {
			t.Fatal(v, err)
		}
	}
	in := m.pool.idle()
	defer m.pool.put(in)
	if in.slice != mostFuel {
		t.Errorf("after 20,000 short calls it gets %d units at once, expected %d", in.slice, mostFuel)
	}
}
