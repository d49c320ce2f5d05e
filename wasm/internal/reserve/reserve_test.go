//go:build linux || darwin

package reserve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

func TestMemoryGrowsInPlaceUpToItsLimit(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			c := compile(t, engine(), guest)
			p := reserve.New(limit)
			mod, lease, err := c.start(t.Context(), t, p)
			if err != nil {
				t.Fatal(err)
			}
			first, _ := mod.Memory().Read(0, page)
			for i := int32(1); i < limit/page; i++ {
				if got := call(t, mod, "grow", 1); got != i {
					t.Fatalf("memory.grow answered %d, want %d", got, i)
				}
				call(t, mod, "fill", uint64(i)*page, 7, page)
			}
			all, ok := mod.Memory().Read(0, limit)
			if !ok || unsafe.SliceData(all) != unsafe.SliceData(first) {
				t.Errorf("memory of %d bytes at %p, want %d at %p", mod.Memory().Size(), all, limit, first)
			}
			if string(all[8:13]) != "hello" || all[limit-1] != 7 {
				t.Errorf("found %q and %d", all[8:13], all[limit-1])
			}
			for _, more := range []uint64{1, 2, 1 << 15, 1<<31 - 1, 1<<32 - 1} {
				if got := call(t, mod, "grow", more); got != -1 {
					t.Errorf("memory.grow(%d) at the limit answered %d, want -1", more, got)
				}
			}
			if got := call(t, mod, "grow", 0); got != limit/page {
				t.Errorf("memory.grow(0) answered %d, want %d", got, limit/page)
			}
			want := reserve.Stats{Leases: 1, Reserved: limit, Used: limit}
			if got := p.Stats(); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			mod.Close(t.Context())
			lease.Release()
		})
	}
}

// TestSmallerReservationEndsGrowth has a pool that is smaller than the engine's limit.
func TestSmallerReservationEndsGrowth(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			mod, lease, err := compile(t, engine(), guest).start(t.Context(), t, reserve.New(3*page+5))
			if err != nil {
				t.Fatal(err)
			}
			defer lease.Release()
			defer mod.Close(t.Context())
			if got := call(t, mod, "grow", 3); got != -1 {
				t.Errorf("memory.grow(3) answered %d, want -1", got)
			}
			if got := call(t, mod, "grow", 2); got != 1 {
				t.Errorf("memory.grow(2) answered %d, want 1", got)
			}
			call(t, mod, "fill", 0, 1, 3*page)
			if got := call(t, mod, "grow", 1); got != -1 || call(t, mod, "size") != 3 {
				t.Errorf("memory.grow(1) answered %d at %d pages, want -1 at 3", got, call(t, mod, "size"))
			}
		})
	}
}

func TestDeclaredMaximumEndsGrowth(t *testing.T) {
	for name, engine := range engines {
		for max, want := range map[int]int32{2: 2, 256: 256, 60000: limit / page} {
			t.Run(fmt.Sprint(name, max), func(t *testing.T) {
				c := compile(t, engine(), fmt.Sprintf(`(module (memory 0 %d) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`, max))
				mod, lease, err := c.start(t.Context(), t, reserve.New(limit))
				if err != nil {
					t.Fatal(err)
				}
				defer lease.Release()
				defer mod.Close(t.Context())
				if got := call(t, mod, "grow", uint64(want)+1); got != -1 {
					t.Errorf("memory.grow(%d) answered %d, want -1", want+1, got)
				}
				if got := call(t, mod, "grow", uint64(want)); got != 0 {
					t.Errorf("memory.grow(%d) answered %d, want 0", want, got)
				}
			})
		}
	}
}

// TestEveryEndGivesBack ends instances in each way that wazero knows, with the memory read after it: under an allocator
// that frees when wazero says so, some are a fault and the others a leak.
func TestEveryEndGivesBack(t *testing.T) {
	cases := []struct {
		name, text string
		starts     bool
		call       string
	}{
		{"returns", `(module (memory 1) (func (export "f")))`, true, "f"},
		{"traps", `(module (memory 1) (func (export "f") (unreachable)))`, true, "f"},
		{"exits", `(module (import "env" "exit" (func $exit)) (memory 1) (func (export "f") (call $exit) (unreachable)))`, true, "f"},
		{"runs on", `(module (memory 1) (func (export "f") (loop $l (br $l))))`, true, "f"},
		{"start traps", `(module (memory 1) (func $s (unreachable)) (start $s))`, false, ""},
		{"start exits", `(module (import "env" "exit" (func $exit)) (memory 1) (func $s (call $exit)) (start $s))`, false, ""},
		{"start runs on", `(module (memory 1) (func $s (loop $l (br $l))) (start $s))`, false, ""},
		{"data outside", `(module (memory 1) (data (i32.const 65535) "xy"))`, false, ""},
		{"no memory", `(module (func (export "f")))`, true, "f"},
	}
	for name, engine := range engines {
		for _, tc := range cases {
			t.Run(name+"/"+tc.name, func(t *testing.T) {
				c, p := compile(t, engine(), tc.text), reserve.New(limit)
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				mod, lease, err := c.start(ctx, t, p)
				if (err == nil) != tc.starts {
					t.Fatalf("started: %v; want %v", err, tc.starts)
				}
				if err == nil {
					mod.ExportedFunction(tc.call).Call(ctx)
					mod.Close(ctx)
					if tc.name != "no memory" {
						mod.Memory().ReadUint32Le(16)
					}
				}
				if got := p.Stats(); got.Leases != 1 {
					t.Errorf("before Release: %+v", got)
				}
				lease.Release()
				lease.Release()
				if got := p.Stats(); got.Leases != 0 || got.Used != 0 || got.Reserved != uint64(got.Idle)*limit {
					t.Errorf("after Release: %+v", got)
				}
				p.Discard()
				if got, want := p.Stats(), (reserve.Stats{}); got != want {
					t.Errorf("after Discard: %+v", got)
				}
			})
		}
	}
}

func TestPoolWithoutMemory(t *testing.T) {
	p := reserve.New(0)
	mod, lease, err := compile(t, engines["default"](), `(module (memory 0) (func (export "f") (result i32) (memory.grow (i32.const 1))))`).start(t.Context(), t, p)
	if err != nil {
		t.Fatal(err)
	}
	if got := call(t, mod, "f"); got != -1 {
		t.Errorf("memory.grow answered %d, want -1", got)
	}
	mod.Close(t.Context())
	lease.Release()
	if got, want := p.Stats(), (reserve.Stats{}); got != want {
		t.Errorf("%+v", got)
	}
}

func TestLeaseServesOneInstantiation(t *testing.T) {
	lease, err := reserve.New(limit).Lease()
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	lease.Allocate(page, limit)
	defer func() {
		if recover() == nil {
			t.Error("a second instance got the memory of the first")
		}
	}()
	lease.Allocate(page, limit)
}

func TestDiscard(t *testing.T) {
	p := reserve.New(limit)
	out, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	idle, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	m := out.Allocate(page, limit)
	m.Reallocate(page)[0] = 1
	idle.Release()
	p.Discard()
	p.Discard()
	want := reserve.Stats{Leases: 1, Reserved: limit, Used: page}
	if got := p.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if m.Reallocate(2 * page)[0] != 1 {
		t.Error("a memory that is leased is gone")
	}
	if _, err := p.Lease(); !errors.Is(err, reserve.ErrDiscarded) {
		t.Errorf("%v, want %v", err, reserve.ErrDiscarded)
	}
	out.Release()
	if got, want := p.Stats(), (reserve.Stats{}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if m.Reallocate(page) != nil {
		t.Error("a released memory grows")
	}
}

// TestInstancesShareNothing has many guests at once, each of which fills its memory with a byte of its own.
func TestInstancesShareNothing(t *testing.T) {
	c, p := compile(t, engines["default"](), guest), reserve.New(limit)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 40 {
				mod, lease, err := c.start(t.Context(), t, p)
				if err != nil {
					t.Error(err)
					return
				}
				pages := uint64(1 + (g*7+i)%40)
				call(t, mod, "grow", pages-1)
				for at := uint64(16); at < pages*page; at += 1000 {
					if got := call(t, mod, "load", at); got != 0 {
						t.Errorf("a new memory has %d at %#x", got, at)
						break
					}
				}
				call(t, mod, "fill", 0, uint64(g+1), pages*page)
				mem, _ := mod.Memory().Read(0, uint32(pages)*page)
				if n := bytes.Count(mem, []byte{byte(g + 1)}); n != len(mem) {
					t.Errorf("guest %d finds %d of its %d bytes", g+1, n, len(mem))
				}
				p.Stats()
				if i%16 == 0 {
					p.Trim()
				}
				mod.Close(t.Context())
				lease.Release()
			}
		})
	}
	all.Wait()
	p.Discard()
	if got, want := p.Stats(), (reserve.Stats{}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
