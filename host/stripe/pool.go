package stripe

import (
	"sync"
	"sync/atomic"
)

// Pool lends things that are alike, to whom it does not matter which one they get. It is a sync.Pool at half the price,
// after [Pool.Spread]: each processor has a place at hand, and who comes while that is taken brings another one in its
// stead.
//
// What is at hand stays there until the pool itself is forgotten; the rest is the collector's, as in a sync.Pool.
type Pool[T any] struct {
	hands []hand[T] // by processor
	rest  sync.Pool // of *Place[T]
}

// hand is where a processor finds its place.
type hand[T any] struct {
	place atomic.Pointer[Place[T]]
	_     [Line - 8]byte
}

// Place has a thing. Whoever got it from a pool has it alone, until it is put back.
type Place[T any] struct {
	Thing *T // nil before the first made one

	taken word
	hand  *atomic.Pointer[Place[T]] // where it is or was; nil for nowhere
	_     [Line]byte                // before another processor's
}

// Spread gives each processor that there is now a hand; those that come later share. It is called before any other
// method, if it is.
func (p *Pool[T]) Spread() { p.hands = make([]hand[T], processors()) }

// Get returns a place. Where there is no thing yet the caller makes one.
func (p *Pool[T]) Get() *Place[T] {
	if i := enter(); i < len(p.hands) {
		if at := p.hands[i].place.Load(); at != nil && at.taken.load() == 0 {
			at.taken.store(1)
			leave()
			return at
		}
	}
	leave()
	return p.bring()
}

// bring returns a place that is not at hand, which is so from now on.
func (p *Pool[T]) bring() *Place[T] {
	at, ok := p.rest.Get().(*Place[T])
	if !ok {
		at = &Place[T]{}
	}
	at.taken.store(1)
	i := enter()
	if i >= len(p.hands) {
		leave()
		at.hand = nil
		return at
	}
	at.hand = &p.hands[i].place
	was := at.hand.Load()
	idle := was != nil && was.taken.load() == 0 // it is another processor by now
	at.hand.Store(at)
	leave()
	if idle {
		p.rest.Put(was)
	}
	return at
}

// Put gives back what Get returned. The caller must not use it any more. A place that is not put back is the caller's.
func (p *Pool[T]) Put(at *Place[T]) {
	if at.hand != nil && at.hand.Load() == at {
		at.taken.store(0)
		return
	}
	p.rest.Put(at)
}
