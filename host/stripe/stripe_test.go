package stripe_test

import (
	"sync"
	"testing"

	"github.com/vanth-io/vanth/host/stripe"
)

// TestSpread: a goroutine keeps its place, and many have many.
func TestSpread(t *testing.T) {
	n := max(8, stripe.Count())
	if n&(n-1) != 0 {
		t.Fatal(n)
	}
	var mu sync.Mutex
	places := map[int]int{}
	var wg sync.WaitGroup
	hold := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			i := stripe.Index(n)
			for range 100 {
				if j := stripe.Index(n); j != i || j < 0 || j >= n {
					t.Errorf("%d, then %d of %d", i, j, n)
				}
			}
			mu.Lock()
			places[i]++
			mu.Unlock()
			<-hold
		})
	}
	for done := false; !done; {
		mu.Lock()
		sum := 0
		for _, k := range places {
			sum += k
		}
		done = sum == 64
		mu.Unlock()
	}
	close(hold)
	wg.Wait()
	if len(places) < n/2 {
		t.Errorf("64 goroutines use %d of %d places: %v", len(places), n, places)
	}
}

func BenchmarkIndex(b *testing.B) {
	n, sum := stripe.Count(), 0
	for b.Loop() {
		sum += stripe.Index(n)
	}
	_ = sum
}
