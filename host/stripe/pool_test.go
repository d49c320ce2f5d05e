package stripe_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vanth-io/vanth/host/stripe"
)

// thing is what the tests lend.
type thing struct {
	lent atomic.Bool
	uses int // by who has it
}

// TestLentOnce: a thing has one user at a time, and none is lost, however many ask, and wherever they run.
func TestLentOnce(t *testing.T) {
	for name, spread := range map[string]bool{"spread": true, "not spread": false} {
		t.Run(name, func(t *testing.T) {
			var pool stripe.Pool[thing]
			if spread {
				pool.Spread()
			}
			const users, uses = 8, 20_000
			var all sync.Map
			var wg sync.WaitGroup
			for range users {
				wg.Go(func() {
					for i := range uses {
						at := pool.Get()
						if at.Thing == nil {
							at.Thing = &thing{}
							all.Store(at.Thing, true)
						}
						x := at.Thing
						if !x.lent.CompareAndSwap(false, true) {
							t.Error("a thing has two users")
							return
						}
						if x.uses++; i%16 == 0 {
							runtime.Gosched() // somebody else comes, and this one may go on elsewhere
						}
						x.lent.Store(false)
						pool.Put(at)
					}
				})
			}
			wg.Wait()
			sum := 0
			for x := range all.Range {
				sum += x.(*thing).uses
			}
			if sum != users*uses {
				t.Errorf("%d uses, expected %d", sum, users*uses)
			}
		})
	}
}

// TestMoreProcessors: processors that came after the places were made find things too.
func TestMoreProcessors(t *testing.T) {
	was := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(was)
	var pool stripe.Pool[thing]
	pool.Spread()
	runtime.GOMAXPROCS(8)
	var wg sync.WaitGroup
	var made atomic.Int64
	for range 64 {
		wg.Go(func() {
			for range 1000 {
				at := pool.Get()
				if at.Thing == nil {
					made.Add(1)
					at.Thing = &thing{}
				}
				x := at.Thing
				if x.lent.Swap(true) {
					t.Error("a thing has two users")
				}
				x.lent.Store(false)
				pool.Put(at)
			}
		})
	}
	wg.Wait()
	if n := made.Load(); n > 32_000 {
		t.Errorf("%d of 64,000 times there was none to be had", n)
	}
}

// TestDisplaced: who comes while the place at hand is taken brings another one, which is at hand from then on; and the
// first is found again when it was put back.
func TestDisplaced(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var pool stripe.Pool[thing]
	pool.Spread()
	first := pool.Get()
	second := pool.Get()
	if first == second || first.Thing != nil || second.Thing != nil {
		t.Fatal("one place has two users, or a thing that nobody made")
	}
	first.Thing, second.Thing = &thing{uses: 1}, &thing{uses: 2}
	pool.Put(second)
	for range 3 { // however often it is taken
		at := pool.Get()
		if at != second && !raced {
			t.Error("what is at hand is not what was brought last")
		}
		pool.Put(at)
	}
	pool.Put(first)
	seen := map[int]bool{}
	for range 2 {
		if at := pool.Get(); at.Thing != nil {
			seen[at.Thing.uses] = true
		}
	}
	if len(seen) != 2 && !raced {
		t.Error("found", seen, "expected both")
	}
}

func BenchmarkPool(b *testing.B) {
	b.Run("spread", func(b *testing.B) {
		var pool stripe.Pool[thing]
		pool.Spread()
		for b.Loop() {
			pool.Put(pool.Get())
		}
	})
	b.Run("sync", func(b *testing.B) {
		pool := sync.Pool{New: func() any { return &thing{} }}
		for b.Loop() {
			pool.Put(pool.Get())
		}
	})
}
