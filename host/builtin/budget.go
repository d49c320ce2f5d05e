package builtin

import (
	"context"
	"sync"
)

// budget bounds the bytes that are held at once.
type budget struct {
	mu      sync.Mutex // guards what follows
	free    int64
	changed chan struct{} // closed when free grows
}

func newBudget(n int64) *budget { return &budget{free: n, changed: make(chan struct{})} }

// take waits for n bytes until ctx ends; n is at most the whole budget.
func (b *budget) take(ctx context.Context, n int64) bool {
	for {
		b.mu.Lock()
		if b.free >= n {
			b.free -= n
			b.mu.Unlock()
			return true
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (b *budget) give(n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	close(b.changed)
	b.changed = make(chan struct{})
}
