package reserve

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// kinds are the ways a pool has of making memories.
func kinds(size uint64) map[string]*Pool {
	blind, heap := New(size), New(size)
	blind.wiper.blind, heap.heap = true, true
	return map[string]*Pool{"asks the kernel": New(size), "clears all": blind, "heap": heap}
}

// leftover returns the first byte that a new guest of a pool finds in n bytes of memory and that is not zero, or -1.
func leftover(t *testing.T, p *Pool, n uint64) int {
	t.Helper()
	lease, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	m := lease.Allocate(0, n)
	for size := uint64(0); size <= n; size += wasmPage {
		mem := m.Reallocate(size)
		last := max(0, len(mem)-wasmPage)
		if at := dirty(mem[last:]); at >= 0 {
			return last + at
		}
	}
	return -1
}

// dirty returns where the first byte of mem is that is not zero, or -1.
func dirty(mem []byte) int {
	clean := make([]byte, wasmPage)
	for at := 0; at < len(mem); at += wasmPage {
		if part := mem[at:min(at+wasmPage, len(mem))]; !bytes.Equal(part, clean[:len(part)]) {
			return at + bytes.IndexFunc(part, func(r rune) bool { return r != 0 })
		}
	}
	return -1
}

// soil has a guest of a pool write n bytes at each of some places.
func soil(t *testing.T, p *Pool, size uint64, n int, at ...int) {
	t.Helper()
	lease, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	mem := lease.Allocate(0, size).Reallocate(size)
	for _, i := range at {
		copy(mem[i:], bytes.Repeat([]byte{0xa5}, n))
	}
	lease.Release()
}

func TestReusedMemoryIsZero(t *testing.T) {
	const size = 32 << 20
	cases := []struct {
		size uint64
		n    int
		at   []int
	}{
		{wasmPage, 1, []int{0}},
		{wasmPage, 1, []int{wasmPage - 1}},
		{wasmPage, wasmPage, []int{0}},
		{clearMost, clearMost, []int{0}},
		{1 << 20, 1, []int{0, 4095, 4096, 1<<20 - 1}},
		{1 << 20, 1 << 20, []int{0}},
		{oneBytes + wasmPage, oneBytes + wasmPage, []int{0}},
		{3 << 20, 5000, []int{1 << 20, 2<<20 - 100, 2<<20 + 4096*100, 3<<20 - 1}},
		{16 << 20, 8192, []int{0, 9 << 20, 16<<20 - 1}},
		{16 << 20, 16 << 20, []int{0}},
		{size, 1, []int{0, size - 1}},
	}
	for name, p := range kinds(size) {
		for _, tc := range cases {
			t.Run(fmt.Sprintf("%s/%d/%d", name, tc.size, tc.n), func(t *testing.T) {
				soil(t, p, tc.size, tc.n, tc.at...)
				for range 2 { // and what waited beside it
					if at := leftover(t, p, size); at >= 0 {
						t.Fatalf("a byte of the guest before at %#x", at)
					}
				}
			})
		}
		p.Discard()
	}
}

// TestReusedMemoryIsZeroAtRandom has several lives of few memories, of different sizes.
func TestReusedMemoryIsZeroAtRandom(t *testing.T) {
	const size = 2 << 20
	for name, p := range kinds(size) {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(6, 8))
			reused, seen := 0, map[*byte]bool{}
			for life := range 300 {
				lease, err := p.Lease()
				if err != nil {
					t.Fatal(err)
				}
				m := lease.Allocate(0, size)
				n := wasmPage * (1 + r.Uint64N(size/wasmPage))
				m.Reallocate(n / 2 / wasmPage * wasmPage)
				mem := m.Reallocate(n)
				if base := unsafe.SliceData(mem); seen[base] {
					reused++
				} else {
					seen[base] = true
				}
				if at := dirty(mem); at >= 0 {
					t.Fatalf("life %d: a byte of the guest before at %#x", life, at)
				}
				for range r.IntN(40) {
					at := r.IntN(len(mem))
					copy(mem[at:min(at+r.IntN(9000), len(mem))], "xxxxxxxx")
				}
				lease.Release()
			}
			if name == "asks the kernel" && p.wiper.asks() && reused < 250 {
				t.Errorf("%d of 300 lives were on a memory used before, which is too few to show anything", reused)
			}
			if got := p.Stats(); got.Leases != 0 || got.Used != 0 || got.Touched > idleBytes {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestIdleIsBounded releases more than may wait.
func TestIdleIsBounded(t *testing.T) {
	for _, tc := range []struct {
		name string
		size uint64
		n    int
		idle int
	}{
		{"small", wasmPage, 1, maxIdle()},
		{"touched", 1 << 20, 1 << 20, min(maxIdle(), idleBytes/oneBytes)},
		{"touched too much", 2 << 20, 2 << 20, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := New(16 << 20)
			if p.heap || !p.wiper.asks() {
				t.Skip("only where the kernel says what was touched")
			}
			leases := make([]*Lease, 40)
			for i := range leases {
				var err error
				if leases[i], err = p.Lease(); err != nil {
					t.Fatal(err)
				}
				mem := leases[i].Allocate(0, 16<<20).Reallocate(tc.size)
				copy(mem, bytes.Repeat([]byte{1}, tc.n))
			}
			for _, l := range leases {
				l.Release()
			}
			got := p.Stats()
			if got.Idle != tc.idle || got.Leases != 0 || got.Reserved != uint64(tc.idle)*(16<<20) || got.Touched > idleBytes {
				t.Errorf("%+v, want %d idle", got, tc.idle)
			}
			again, err := p.Lease()
			if err != nil {
				t.Fatal(err)
			}
			if left := p.Stats(); tc.idle > 0 && (left.Idle != tc.idle-1 || left.Touched != got.Touched/uint64(tc.idle)*uint64(tc.idle-1)) {
				t.Errorf("%+v, then with one leased %+v", got, left)
			}
			again.Release()
			p.Trim()
			if got, want := p.Stats(), (Stats{}); got != want {
				t.Errorf("after Trim: %+v", got)
			}
			p.Discard()
		})
	}
}

// TestDiscardWhileReleasing ends pools under those who release.
func TestDiscardWhileReleasing(t *testing.T) {
	for range 100 {
		p := New(16 << 20)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					lease, err := p.Lease()
					if err != nil {
						if !errors.Is(err, ErrDiscarded) {
							t.Error(err)
						}
						return
					}
					lease.Allocate(0, wasmPage).Reallocate(wasmPage)[0] = 1
					lease.Release()
				}
			})
		}
		time.Sleep(100 * time.Microsecond)
		p.Discard()
		all.Wait()
		if got, want := p.Stats(), (Stats{}); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
}
