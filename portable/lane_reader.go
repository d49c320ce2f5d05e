package portable

import (
	"context"
	"time"
)

// reader is who reads a lane. An answer that one goroutine reads and hands to another costs more than one that the
// calling goroutine reads itself, so that there are two ways, as on eKuiper's wire:
//
//	watcher --lone answers read--> nobody --next call--> caller --its answer read--> nobody
//	   ^                             |                     |
//	   +--no call for a while--------+                     |
//	   +--the answer takes long, or anybody else waits ----+
//
// The watcher is the lane's own goroutine. It reads while the lane is idle or a source or a sink is open, where several
// calls are under way, and for slow calls, which then wait for their context too. While lone calls follow each other it
// only looks twice in 10 ms whether they still do.
type reader uint32

const (
	watcher reader = iota
	caller         // the goroutine of a call
	nobody         // between two calls
)

const (
	patrol = 5 * time.Millisecond
	// soloFor is how many answers in a row were for lone calls before calls read.
	soloFor = 4
)

func (p *pending) who() reader { return reader(p.reads.Load()) }

// set requires p.mu.
func (p *pending) set(r reader) {
	p.reads.Store(uint32(r))
	p.solo = 0
}

// toWatcher has the watcher read. It requires p.mu.
func (p *pending) toWatcher() {
	p.set(watcher)
	p.handed <- struct{}{}
}

// call makes a waiter for a call in ctx, whose answer is appended to dst. If nobody
// reads it does so itself, w.leads: not before its request was sent, for who waits for
// room in the ring reads nothing, and the plugin may wait for just that.
func (p *pending) call(ctx context.Context, dst []byte) (*waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, err := p.ask(dst, nil)
	switch {
	case err != nil || p.who() != nobody: // and it will not be nobody while w waits
	case patient(ctx):
		p.set(caller)
		p.turns++
		w.leads = true
	default:
		p.toWatcher()
	}
	return w, err
}

// next is the end of a caller's reading; more says that there is something to read
// at once. It requires p.mu.
func (p *pending) next(more bool) {
	if more || p.asked > 0 || p.nodes > 0 || p.ended {
		p.toWatcher()
		return
	}
	p.set(nobody)
}

// handOver lets the watcher read in place of w.
func (p *pending) handOver(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.leads = false
	p.toWatcher()
}

// yield is handOver for a waiter, if there is one, that may be about to read.
func (p *pending) yield(w *waiter) {
	if w != nil && w.leads {
		p.handOver(w)
	}
}

// alone decides after an answer whether the watcher leaves reading to calls. It
// requires p.mu.
func (p *pending) alone(last bool) bool {
	if !p.led || !last || p.asked > 0 || p.nodes > 0 {
		p.solo = 0
		return false
	}
	if p.solo++; p.solo < soloFor {
		return false
	}
	p.set(nobody)
	return true
}

// lead lets calls read.
func (p *pending) lead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.led = true
}

// opened counts sources and sinks. The watcher reads while there are any.
func (p *pending) opened(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes += n
	if p.who() == nobody && p.nodes > 0 {
		p.toWatcher()
	}
}

// look is what the watcher does every now and then while it does not read. reads
// says that it does from now on, late that the caller that reads must stop.
func (p *pending) look(seen *uint64) (reads, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.turns != *seen:
		*seen = p.turns
	case p.who() == nobody:
		p.set(watcher)
		return true, false
	case p.who() == caller:
		return false, true
	}
	return false, false
}
