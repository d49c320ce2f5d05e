package wasm

import (
	"context"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// bump adds one to the only byte of its argument, in place, and returns it.
const bump = `(module
  (memory (export "memory") 2)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 1024))
  (func (export "fx_bump") (param i32 i32) (result i64)
    (i32.store8 (i32.add (local.get 0) (i32.const 3)) (i32.add (i32.load8_u (i32.add (local.get 0) (i32.const 3))) (i32.const 1)))
    (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get 0) (i32.const 1))) (i64.const 32)) (i64.extend_i32_u (i32.sub (local.get 1) (i32.const 1))))))`

// TestRecallWithinEnter: a recall that begins and ends while a call is on its way in takes nothing from the pin, which
// keeps what it has and loses nothing.
func TestRecallWithinEnter(t *testing.T) {
	m := watModule(t, newRuntime(t, Options{PoolMax: 4}), bump, "bump")
	f, unpin := pinFunction(t, m, "bump")
	ctx := context.Background()
	call := func() {
		t.Helper()
		out, err := f.(host.Bytes).ExecBytes(ctx, nil, nil, []byte{0x91, 0xc4, 1, 7})
		if err != nil || len(out) != 3 || out[2] != 8 {
			t.Fatalf("found % x (%v), expected c4 01 08", out, err)
		}
	}
	call()
	call()
	fn := f.(*pinnedPacked).function
	p := f.(*pinnedPacked).pin
	had := p.in
	m.pool.recall.Store(true) // somebody trims
	if p.mark.Begin(p.recall) {
		t.Fatal("it is recalled")
	}
	m.pool.recall.Store(false) // and takes nothing, for the mark is set
	in, err := p.enterPool(ctx, fn, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.leave(in, fn, nil)
	if p.in != had {
		t.Error("the pin keeps another instance, and nobody has the first")
	}
	call()
	call()
	unpin()
	m.pool.mu.Lock()
	live := m.pool.live
	m.pool.mu.Unlock()
	if n := idle(m.pool); live != n {
		t.Errorf("%d instances are alive, %d idle", live, n)
	}
}

// TestEndless: most callers who do not give up are known as such; the quick way is theirs.
func TestEndless(t *testing.T) {
	type key struct{}
	if !endless(context.Background()) {
		t.Error("context.Background() is not known")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if endless(ctx) || endless(context.WithValue(ctx, key{}, 1)) {
		t.Error("a context that may end is taken for one that does not")
	}
}
