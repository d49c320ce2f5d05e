package wasm

import (
	"context"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// TestShortCallsPace: an instance whose calls all end within their fuel gets more of it at once as long as they come
// quickly, as one does whose calls are long.
func TestShortCallsPace(t *testing.T) {
	m := load(t, newRuntime(t, Options{PoolMax: 1}), watBundle(t, `(module (func (export "turns") (param i64) (result i64)
	  (loop $again
	    (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
	    (br_if $again (i64.gt_s (local.get 0) (i64.const 0))))
	  (local.get 0)))`, host.Manifest{Functions: []string{"turns"}}))
	f := fn(t, m, "turns")
	turns := func() *instance {
		for range 1000 {
			if v, err := f.Exec(context.Background(), nil, []any{int64(20)}); err != nil || v != int64(0) {
				t.Fatal(v, err)
			}
		}
		in := m.pool.idle()
		m.pool.put(in)
		return in
	}
	const more = 8 * leastFuel
	for range 1000 { // a machine that has other work takes the time of some
		if turns().slice >= more {
			return
		}
	}
	t.Errorf("after a million short calls it gets %d units at once, expected at least %d", turns().slice, more)
}
