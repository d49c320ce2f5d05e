package portable

import (
	"fmt"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// pending are the requests under way on a lane. An id is the place of its waiter
// and how often that place was used, so that a late answer finds nobody.
type pending struct {
	mu      sync.Mutex // guards what follows
	waiters []*waiter  // by place
	free    []*waiter
	ended   bool
}

// waiter waits for the answer to one request.
type waiter struct {
	id     uint32
	dst    []byte        // the answer is appended to it
	done   chan struct{} // gets a token when it was
	failed bool          // the answer is an error value
	err    error         // there will be none
	tell   func(failed bool, payload []byte, err error)
	state  waiting
}

type waiting uint8

const (
	idle waiting = iota
	asked
	taking // the answer is being written down
	given
)

// maxPending bounds the requests under way. An id has 16 bits for the place.
const maxPending = 1 << 14

// add makes a waiter whose answer is appended to dst, or given to tell on the
// reader's goroutine, which must not block.
func (p *pending) add(dst []byte, tell func(failed bool, payload []byte, err error)) (*waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var w *waiter
	switch n := len(p.free); {
	case p.ended:
		return nil, fmt.Errorf("%w: %w", errNotSent, errGone)
	case n > 0:
		w, p.free = p.free[n-1], p.free[:n-1]
	case len(p.waiters) >= maxPending:
		return nil, host.Errorf(host.ErrBusy, "%d requests are under way already: try again", maxPending)
	default:
		w = &waiter{id: uint32(len(p.waiters)), done: make(chan struct{}, 1)}
		p.waiters = append(p.waiters, w)
	}
	w.id += 1 << 16
	if w.id>>16 == 0 { // ids begin at 1
		w.id += 1 << 16
	}
	w.dst, w.tell, w.state, w.failed, w.err = dst, tell, asked, false, nil
	return w, nil
}

// drop frees a waiter.
func (p *pending) drop(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(w)
}

// release requires p.mu.
func (p *pending) release(w *waiter) {
	w.state, w.dst, w.tell = idle, nil, nil
	select {
	case <-w.done: // an end that nobody waited for
	default:
	}
	p.free = append(p.free, w)
}

// giveUp frees a waiter that waits no more; false when its answer is here.
func (p *pending) giveUp(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.state != asked {
		return false
	}
	p.release(w)
	return true
}

// answer gives an answer to whoever waits for it.
func (p *pending) answer(h head, payload []byte) {
	p.mu.Lock()
	place := int(h.id & 0xffff)
	if place >= len(p.waiters) || p.waiters[place].id != h.id || p.waiters[place].state != asked {
		p.mu.Unlock() // late
		return
	}
	w := p.waiters[place]
	failed := h.flags&flagError != 0
	if tell := w.tell; tell != nil {
		p.release(w)
		p.mu.Unlock()
		tell(failed, payload, nil)
		return
	}
	w.state = taking
	p.mu.Unlock()
	w.dst, w.failed = append(w.dst, payload...), failed
	p.mu.Lock()
	w.state = given
	w.done <- struct{}{}
	p.mu.Unlock()
}

// end fails all that wait, and those to come.
func (p *pending) end() {
	p.mu.Lock()
	p.ended = true
	var tells []func(bool, []byte, error)
	for _, w := range p.waiters {
		if w.state != asked {
			continue
		}
		if w.tell != nil {
			tells = append(tells, w.tell)
			p.release(w)
			continue
		}
		w.state, w.err = given, errGone
		w.done <- struct{}{}
	}
	p.mu.Unlock()
	for _, tell := range tells {
		tell(false, nil, errGone)
	}
}
