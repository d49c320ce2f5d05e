package portable

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// pending are the requests under way on a lane, and who reads their answers, see
// lane_read.go. An id is the place of its waiter and how often that place was
// used, so that a late answer finds nobody.
type pending struct {
	handed chan struct{} // tells the watcher that it reads now

	mu      sync.Mutex // guards what follows
	waiters []*waiter  // by place
	free    []*waiter
	asked   int // waiters that are asked
	ended   bool

	reads atomic.Uint32 // a reader; changes under mu
	led   bool          // callers may read
	nodes int           // sources and sinks that are open
	turns uint64        // of callers that read
	solo  int           // answers in a row that the watcher read for a call that was alone
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
	leads  bool        // it reads
	alarm  *time.Timer // nil before it was needed
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
// goroutine that reads, which must not block. With tell the waiter is nobody's once the
// request was sent: its id is told here.
func (p *pending) add(dst []byte, tell func(failed bool, payload []byte, err error)) (w *waiter, id uint32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, err = p.ask(dst, tell); err != nil {
		return nil, 0, err
	}
	return w, w.id, nil
}

// ask is add. It requires p.mu.
func (p *pending) ask(dst []byte, tell func(failed bool, payload []byte, err error)) (*waiter, error) {
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
	p.asked++
	return w, nil
}

// drop frees a waiter. If it reads, somebody else does from now on; more says that
// there is something to read at once.
func (p *pending) drop(w *waiter, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(w)
	if w.leads {
		w.leads = false
		p.next(more)
	}
}

// release requires p.mu.
func (p *pending) release(w *waiter) {
	if w.state == asked {
		p.asked--
	}
	w.state, w.dst, w.tell = idle, nil, nil
	if p.ended {
		select {
		case <-w.done: // an end that nobody waited for
		default:
		}
	}
	p.free = append(p.free, w)
}

// await waits for the answer, false if ctx ended first. A bound of ours has no timer
// of its own yet, and gets the waiter's.
func (w *waiter) await(ctx context.Context) bool {
	var rings <-chan time.Time
	if l, ok := ctx.(*limited); ok {
		end, _ := l.Deadline()
		if left := time.Until(end); w.alarm == nil {
			w.alarm = time.NewTimer(left)
		} else {
			w.alarm.Reset(left)
		}
		defer w.alarm.Stop()
		ctx, rings = l.Context, w.alarm.C
	}
	select {
	case <-w.done:
		return true
	case <-ctx.Done():
	case <-rings:
	}
	return false
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

// take is the answer of the waiter that reads. It came before the end, if there is
// one by now: w.err does not count.
func (w *waiter) take(h head, payload []byte) {
	w.dst, w.failed = append(w.dst, payload...), h.flags&flagError != 0
}

// answer gives an answer to whoever waits for it. free says that the watcher reads
// no more; it may as long as last says that nothing else is here.
func (p *pending) answer(h head, payload []byte, last bool) (free bool) {
	p.mu.Lock()
	place := int(h.id & 0xffff)
	if place >= len(p.waiters) || p.waiters[place].id != h.id || p.waiters[place].state != asked {
		p.mu.Unlock() // late
		return false
	}
	w := p.waiters[place]
	failed := h.flags&flagError != 0
	if tell := w.tell; tell != nil {
		p.release(w)
		p.mu.Unlock()
		tell(failed, payload, nil)
		return false
	}
	w.state = taking
	p.asked--
	p.mu.Unlock()
	w.dst, w.failed = append(w.dst, payload...), failed
	p.mu.Lock()
	defer p.mu.Unlock()
	w.state = given
	w.done <- struct{}{}
	return p.who() == watcher && p.alone(last)
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
		p.asked--
		w.state, w.err = given, errGone
		w.done <- struct{}{}
	}
	p.mu.Unlock()
	for _, tell := range tells {
		tell(false, nil, errGone)
	}
}
