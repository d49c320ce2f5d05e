package wasm

import (
	"context"
	"errors"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// TestFuelOfACall: a call tells what it used: the same for the same call, on
// either engine, in line with what it does, and also when it fails.
func TestFuelOfACall(t *testing.T) {
	const text = `(module (memory (export "memory") 1)
	  (func (export "vanth_abi_1") (result i32) (i32.const 0))
	  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
	  (func $turn (param $n i32)
	    (loop $l (i32.store (i32.const 0) (local.get $n)) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
	  (func (export "fn_turn") (param $n i32) (call $turn (local.get $n)))
	  (func (export "fn_trap") (param $n i32) (call $turn (local.get $n)) unreachable)
	  (func (export "fx_null") (param i32 i32) (result i64) (call $turn (i32.const 1000)) (i64.const 0)))`
	used := map[string][]uint64{}
	engines(t, func(t *testing.T, engine string) {
		m := watModule(t, newRuntime(t, Options{Engine: engine, PoolMax: 1}), text, "turn", "trap", "null")
		call := func(name string, n ...any) uint64 {
			t.Helper()
			_, fuel, err := fn(t, m, name).(host.Metered).ExecMetered(context.Background(), nil, n)
			if _, ok := errors.AsType[*host.GuestError](err); ok != (name == "trap") {
				t.Errorf("%s%v: %v", name, n, err)
			}
			return fuel
		}
		call("turn", int64(1)) // starts what there is to start
		call("null")
		for _, n := range []int64{1000, 2000, 3000, 1000} {
			used[engine] = append(used[engine], call("turn", n))
		}
		used[engine] = append(used[engine], call("null"), call("trap", int64(1000)))
		got := used[engine]
		if got[0] < 1000 || got[1]-got[0] != got[2]-got[1] || got[3] != got[0] || got[1]-got[0] > 20*1000 {
			t.Errorf("a thousand turns more each, and the first again: %v", got[:4])
		}
		if got[4] < got[0] || got[4] > got[0]+100 || got[5] < got[0] || got[5] > got[0]+100 {
			t.Errorf("in a packed call and before a trap a thousand turns used %v, else %d", got[4:], got[0])
		}
		if n := call("turn", nil); n != 0 {
			t.Errorf("a call that did not take place used %d", n)
		}
	})
	for i, n := range used["compiler"] {
		if used["interpreter"][i] != n {
			t.Errorf("call %d: %d with the compiler, %d with the interpreter", i, n, used["interpreter"][i])
		}
	}
}
