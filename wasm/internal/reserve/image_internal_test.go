package reserve

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// scatter returns memory of some pages in which some stretches are not zero.
func scatter(r *rand.Rand, size, stretches, longest int) []byte {
	mem := make([]byte, size)
	for range stretches {
		at := r.IntN(size)
		for i := at; i < min(size, at+1+r.IntN(longest)); i++ {
			mem[i] = byte(i*7) | 1
		}
	}
	return mem
}

func TestCaptureKeepsWhatIsNotZero(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		mem := scatter(r, wasmPage*(1+r.IntN(8)), r.IntN(6), 20_000)
		i := capture(mem)
		got := bytes.Repeat([]byte{0xee}, len(mem))
		i.restore(got, 0)
		if !bytes.Equal(got, mem) {
			t.Fatal("restored as a whole it differs")
		}
		for range 10 { // and in parts, of whatever size
			from := r.IntN(len(mem))
			to := from + r.IntN(len(mem)-from)
			copy(got[from:to], bytes.Repeat([]byte{0xee}, to-from))
			i.restore(got[from:to], from)
			if !bytes.Equal(got, mem) {
				t.Fatalf("restored from %#x to %#x it differs", from, to)
			}
		}
		clear(got)
		if high := i.lay(got); !bytes.Equal(got, mem) || high != i.end() {
			t.Fatal("laid it differs")
		}
		kept := 0
		for at := 0; at < len(mem); at += block {
			if len(bytes.Trim(mem[at:at+block], "\x00")) > 0 {
				kept += block
			}
		}
		if i.Bytes() != kept {
			t.Fatalf("it keeps %d bytes, expected %d", i.Bytes(), kept)
		}
	}
	if i := capture(nil); i.Bytes() != 0 || i.end() != 0 {
		t.Errorf("of nothing: %+v", i)
	}
}

// TestLayWritesInOrder has segments that overlap, in any order.
func TestLayWritesInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		size := wasmPage * (1 + r.IntN(4))
		want := make([]byte, size)
		var list []Segment
		for n := range r.IntN(40) {
			at := r.IntN(size)
			s := Segment{uint32(at), bytes.Repeat([]byte{byte(n + 1)}, r.IntN(min(9_000, size-at+1)))}
			copy(want[at:], s.Bytes)
			list = append(list, s)
		}
		got := make([]byte, size)
		i := Lay(list)
		i.lay(got)
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: %d segments are not what was written one after the other", round, len(list))
		}
		if len(list) > 0 && i.Bytes() > size {
			t.Fatalf("round %d: it keeps %d bytes of %d", round, i.Bytes(), size)
		}
	}
}

// captured is the image of a guest of a pool whose memory is like this.
func captured(p *Pool, mem []byte) *Image {
	lease, err := p.Lease()
	if err != nil {
		panic(err)
	}
	defer lease.Release()
	copy(lease.Allocate(0, 0).Reallocate(uint64(len(mem))), mem)
	return lease.Capture()
}

// images are small, which is copied, and large, which is mapped where that can be.
func images() map[string][]byte {
	r := rand.New(rand.NewPCG(5, 6))
	large := scatter(r, 2<<20, 0, 1)
	for at := 300_000; at < 1_200_000; at++ {
		large[at] = byte(at) | 1
	}
	large[1<<20+700_001] = 9
	return map[string][]byte{
		"nothing": make([]byte, wasmPage),
		"small":   scatter(r, 3*wasmPage, 3, 3000),
		"wide":    scatter(r, 3<<20, 2, 3000),
		"large":   large,
	}
}

// TestMemoriesStartWithTheImage: a memory is what the image is, however it was made and whoever had it before, and its size.
func TestMemoriesStartWithTheImage(t *testing.T) {
	const size = 8 << 20
	for what, want := range images() {
		for name, p := range kinds(size) {
			t.Run(what+"/"+name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(7, 8))
				soil(t, p, size, 100, 0, 5000, 1<<20)
				if err := p.Use(captured(p, want)); err != nil {
					t.Fatal(err)
				}
				for life := range 60 {
					lease, err := p.Lease()
					if err != nil {
						t.Fatal(err)
					}
					m := lease.Allocate(0, size)
					mem := m.Reallocate(wasmPage)
					if !bytes.Equal(mem, want) {
						t.Fatalf("life %d: %d bytes, of which the first that differs is at %#x", life, len(mem), differs(mem, want))
					}
					spoil := func() {
						for range r.IntN(30) {
							at := r.IntN(len(mem))
							copy(mem[at:min(at+r.IntN(9000), len(mem))], bytes.Repeat([]byte{byte(life)}, 9000))
						}
					}
					for range 4 {
						spoil()
						if life%10 == 0 {
							copy(mem, bytes.Repeat([]byte{1}, len(mem)))
						}
						if !lease.Reset() || !bytes.Equal(mem, want) {
							t.Fatalf("life %d: after Reset the first byte that differs is at %#x", life, differs(mem, want))
						}
					}
					spoil()
					if life%3 == 0 {
						mem = m.Reallocate(uint64(len(want) + wasmPage*(1+r.IntN(20))))
						if at := dirty(mem[len(want):]); at >= 0 {
							t.Fatalf("life %d: a byte of the guest before at %#x", life, at)
						}
						spoil()
						if lease.Reset() {
							t.Fatal("a memory that has grown was reset")
						}
					}
					lease.Release()
				}
				p.Discard()
				if got, want := p.Stats(), (Stats{}); got != want {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

func differs(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// TestUseWhileLeased: a memory that started with another image does not come back.
func TestUseWhileLeased(t *testing.T) {
	for name, p := range kinds(4 << 20) {
		t.Run(name, func(t *testing.T) {
			all := images()
			if err := p.Use(captured(p, all["large"])); err != nil {
				t.Fatal(err)
			}
			old, err := p.Lease()
			if err != nil {
				t.Fatal(err)
			}
			before := old.Allocate(0, 4<<20).Reallocate(0)
			if err := p.Use(captured(New(4<<20), all["small"])); err != nil {
				t.Fatal(err)
			}
			before[0] = 77
			if !old.Reset() || !bytes.Equal(before, all["large"]) {
				t.Error("a memory that was leased before is no longer what its image has")
			}
			before[0] = 77
			old.Release()
			for range 3 {
				lease, err := p.Lease()
				if err != nil {
					t.Fatal(err)
				}
				if mem := lease.Allocate(0, 4<<20).Reallocate(0); !bytes.Equal(mem, all["small"]) {
					t.Error("a memory is not what the new image has")
				}
				defer lease.Release()
			}
			p.Discard()
		})
	}
}

func TestUseRefuses(t *testing.T) {
	p := New(wasmPage)
	if err := p.Use(capture(make([]byte, 2*wasmPage))); err == nil {
		t.Error("an image that is larger than the memories was accepted")
	}
	if err := p.Use(Lay([]Segment{{wasmPage - 1, []byte("xy")}})); err == nil {
		t.Error("an image that reaches beyond the memories was accepted")
	}
	p.Discard()
	if err := p.Use(capture(nil)); !errors.Is(err, ErrDiscarded) {
		t.Errorf("after Discard: %v", err)
	}
}

// TestImageUnderLoad leases, resets and ends from several goroutines.
func TestImageUnderLoad(t *testing.T) {
	want := images()["large"]
	for round := range 4 {
		p := New(4 << 20)
		if err := p.Use(captured(p, want)); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				for i := 0; ; i++ {
					lease, err := p.Lease()
					if err != nil {
						if !errors.Is(err, ErrDiscarded) {
							t.Error(err)
						}
						return
					}
					mem := lease.Allocate(0, 4<<20).Reallocate(0)
					for range 3 {
						if !bytes.Equal(mem, want) {
							t.Error(fmt.Sprint("goroutine ", g, " finds a byte of another at ", differs(mem, want)))
							return
						}
						copy(mem[g*100_000:], bytes.Repeat([]byte{byte(g + 1)}, 200_000))
						lease.Reset()
					}
					lease.Release()
					if i == 20 && g == 0 && round%2 == 0 {
						p.Discard()
						return
					}
					if i == 40 {
						return
					}
				}
			})
		}
		all.Wait()
		p.Discard()
		if got, want := p.Stats(), (Stats{}); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
}
