package gate

import (
	"context"
	"sync"
	"sync/atomic"
)

// shut is far below any count of calls that a host can have.
const shut = -1 << 62

// Gate is a way in that can be shut for good. Enter and Leave are one atomic
// addition each. Use [New].
type Gate struct {
	n    atomic.Int64
	idle chan struct{} // closed when the gate is shut and nobody is inside
	once sync.Once
}

// New returns an open gate.
func New() *Gate { return &Gate{idle: make(chan struct{})} }

// Enter counts a call, which must Leave; false when the gate is shut.
func (g *Gate) Enter() bool { return g.n.Add(1) > 0 || g.refuse() }

// refuse is apart so that Enter is inlined.
//
//go:noinline
func (g *Gate) refuse() bool {
	g.Leave()
	return false
}

// Leave ends a call.
func (g *Gate) Leave() {
	if g.n.Add(-1) == shut {
		g.settle()
	}
}

// settle tells that the last call ended; one that was refused late passes here
// too.
func (g *Gate) settle() { g.once.Do(func() { close(g.idle) }) }

// Shut refuses calls from now on. It must be called once.
func (g *Gate) Shut() {
	if g.n.Add(shut) == shut {
		g.settle()
	}
}

// InFlight is the number of calls inside.
func (g *Gate) InFlight() int64 {
	n := g.n.Load()
	if n < 0 {
		n -= shut
	}
	return n
}

// Wait blocks until nobody is inside a gate that is shut, or ctx ends.
func (g *Gate) Wait(ctx context.Context) error {
	select {
	case <-g.idle:
		return nil
	default:
	}
	select {
	case <-g.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
