package builtin

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	b := newBudget(10)
	var held, most atomic.Int64
	var wg sync.WaitGroup
	for i := range int64(50) {
		wg.Go(func() {
			n := 1 + i%5
			if !b.take(context.Background(), n) {
				t.Error("not taken")
			}
			if now := held.Add(n); now > most.Load() {
				most.Store(now)
			}
			time.Sleep(time.Millisecond)
			held.Add(-n)
			b.give(n)
		})
	}
	wg.Wait()
	if m := most.Load(); m > 10 || b.free != 10 {
		t.Errorf("%d of 10 were held at once, %d are free", m, b.free)
	}
	b.take(context.Background(), 6)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if b.take(ctx, 5) {
		t.Error("took 11 of 10")
	}
}
