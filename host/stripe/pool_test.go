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
						x, at := pool.Get()
						if x == nil {
							x = &thing{}
							all.Store(x, true)
						}
						if !x.lent.CompareAndSwap(false, true) {
							t.Error("a thing has two users")
							return
						}
						if x.uses++; i%16 == 0 {
							runtime.Gosched() // somebody else comes, and this one may go on elsewhere
						}
						x.lent.Store(false)
						pool.Put(x, at)
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
				x, at := pool.Get()
				if x == nil {
					made.Add(1)
					x = &thing{}
				}
				if x.lent.Swap(true) {
					t.Error("a thing has two users")
				}
				x.lent.Store(false)
				pool.Put(x, at)
			}
		})
	}
	wg.Wait()
	if n := made.Load(); n > 32_000 {
		t.Errorf("%d of 64,000 times there was none to be had", n)
	}
}

// TestNothing: a place that was only looked at is free again, and who looks again finds what was put there meanwhile.
func TestNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var pool stripe.Pool[thing]
	pool.Spread()
	for range 2 {
		x, at := pool.Get()
		if x != nil {
			t.Error("there is", x)
		}
		pool.Put(nil, at)
	}
	made := &thing{}
	_, at := pool.Get()
	pool.Put(made, at)
	if x, _ := pool.Get(); x != made && at != nil {
		t.Error("there is", x, "expected", made)
	}
}

func BenchmarkPool(b *testing.B) {
	b.Run("spread", func(b *testing.B) {
		var pool stripe.Pool[thing]
		pool.Spread()
		for b.Loop() {
			x, at := pool.Get()
			if x == nil {
				x = &thing{}
			}
			pool.Put(x, at)
		}
	})
	b.Run("sync", func(b *testing.B) {
		pool := sync.Pool{New: func() any { return &thing{} }}
		for b.Loop() {
			pool.Put(pool.Get())
		}
	})
}
