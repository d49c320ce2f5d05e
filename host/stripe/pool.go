package stripe

import "sync"

// Pool lends things that are alike, to whom it does not matter which one they get. It is a sync.Pool at half the price,
// after [Pool.Spread]: each processor has a place for one thing, and only who finds that taken goes to a real one.
//
// What belongs to a place stays there until the pool itself is forgotten.
type Pool[T any] struct {
	places []Place[T] // by processor
	rest   sync.Pool
}

// Place is where a thing belongs. A processor that finds it free takes it; whoever took it frees it.
type Place[T any] struct {
	thing *T
	taken word
	_     [Line - 16]byte
}

// Spread gives each processor that there is now its place; those that come later share. It is called before any other
// method, if it is.
func (p *Pool[T]) Spread() { p.places = make([]Place[T], processors()) }

// Get takes a thing, and the place where it belongs. There may be no thing yet, and then the caller makes one, or no place.
func (p *Pool[T]) Get() (*T, *Place[T]) {
	if i := enter(); i < len(p.places) {
		if at := &p.places[i]; at.taken.load() == 0 {
			at.taken.store(1)
			leave()
			return at.thing, at
		}
	}
	leave()
	t, _ := p.rest.Get().(*T)
	return t, nil
}

// Put gives back what Get took, or was made for that place. The caller must not use it any more.
func (p *Pool[T]) Put(t *T, at *Place[T]) {
	if at != nil && at.thing == t {
		at.taken.store(0)
		return
	}
	p.put(t, at)
}

// put is apart so that Put is inlined.
func (p *Pool[T]) put(t *T, at *Place[T]) {
	switch {
	case at != nil:
		at.thing = t
		at.taken.store(0)
	case t != nil:
		p.rest.Put(t)
	}
}
