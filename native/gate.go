package native

import (
	"context"
	"sync"
	"sync/atomic"
)

// shutMark is far below any count of calls that a host can have.
const shutMark = -1 << 62

// gate counts the calls in flight in a module. enter and leave are one atomic
// addition each; after shut no call enters.
type gate struct {
	n    atomic.Int64
	idle chan struct{} // closed when the gate is shut and nobody is inside
	once sync.Once
}

func (g *gate) init() { g.idle = make(chan struct{}) }

// enter counts a call; false when the gate is shut.
func (g *gate) enter() bool { return g.n.Add(1) > 0 || g.refuse() }

// refuse is apart so that enter is inlined.
//
//go:noinline
func (g *gate) refuse() bool {
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.n.Add(-1) == shutMark {
		g.settle()
	}
}

// settle tells that the last call ended; one that was refused late passes here
// too.
func (g *gate) settle() { g.once.Do(func() { close(g.idle) }) }

// shut refuses calls from now on. It must be called once.
func (g *gate) shut() {
	if g.n.Add(shutMark) == shutMark {
		g.settle()
	}
}

// inFlight is the number of calls inside a gate that is shut.
func (g *gate) inFlight() int64 { return g.n.Load() - shutMark }

// wait blocks until nobody is inside a gate that is shut, or ctx ends.
func (g *gate) wait(ctx context.Context) error {
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
