package wasm

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// breaker keeps a plugin that only fails from being called: each fault costs a new
// instance, and each deadline all the time there is. Such a plugin is quarantined:
// its calls fail at once. Now and then one is let through, and if that is well, so
// are those after it. An update clears the quarantine, and so does a restart by hand.
//
// A call of a healthy plugin pays for two loads.
type breaker struct {
	after int                  // faults in a row; less than 1 for never
	clock func() time.Duration // never 0

	row   atomic.Int64 // faults since the last sound call
	until atomic.Int64 // end of the quarantine's present term, on the clock; 0 for none

	mu     sync.Mutex // guards what follows
	faults int        // in all
	terms  int        // of quarantine without a good minute between
	trying bool       // a call was let through at the end of a term
	ended  time.Duration
	wasted time.Duration // in calls that ended at their deadline; what is old counts less
	drawn  time.Duration // when wasted was last lowered
	last   error
}

const (
	// A plugin may waste so much time at once, and a tenth of it for good.
	wasteMost = 5 * time.Second
	wasteRate = 10
	// The terms double.
	firstTerm, longestTerm = time.Second, 5 * time.Minute
	// goodTime without a term is what makes the next one short again.
	goodTime = time.Minute
)

// calm reports that enter and sound would do nothing.
func (b *breaker) calm() bool { return b.until.Load() == 0 && b.row.Load() == 0 }

// enter refuses a call while there is a quarantine, but for one at the end of each
// term.
func (b *breaker) enter() error {
	until := b.until.Load()
	if until == 0 {
		return nil
	}
	now := int64(b.clock())
	b.mu.Lock()
	defer b.mu.Unlock()
	if now >= until && b.until.CompareAndSwap(until, now+int64(firstTerm)) {
		b.trying = true // the others wait for how it fares
		return nil
	}
	return host.Errorf(host.ErrUnavailable, "quarantined for %v: %s; update the plugin, or restart it to try at once",
		max(0, time.Duration(until-now)).Round(time.Second/10), b.why())
}

// why requires mu.
func (b *breaker) why() string {
	text := "it wasted too much time"
	if b.row.Load() >= int64(b.after) {
		text = "too many calls failed in a row"
	}
	if b.last != nil {
		text += ", the last one with: " + b.last.Error()
	}
	return text
}

// sound notes a call that did not fail.
func (b *breaker) sound() {
	if b.calm() {
		return
	}
	b.row.Store(0)
	if b.until.Load() != 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.until.Store(0)
		b.ended = b.clock()
	}
}

// fault notes a call that failed by its own fault, and how long it may have run.
func (b *breaker) fault(err error, limit time.Duration) {
	row := b.row.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	b.faults++
	b.last = err
	b.wasted = max(0, b.wasted-(now-b.drawn)/wasteRate)
	b.drawn = now
	if g, ok := errors.AsType[*host.GuestError](err); ok && g.Fault == host.FaultDeadline {
		b.wasted += limit
	}
	if b.after < 1 || row < int64(b.after) && b.wasted < max(wasteMost, 3*limit) {
		return
	}
	switch {
	case b.until.Load() == 0 && now-b.ended > goodTime:
		b.terms = 0
	case b.until.Load() != 0 && !b.trying: // it was under way when the term began
		return
	}
	b.trying = false
	term := min(longestTerm, firstTerm<<min(b.terms, 20))
	b.terms++
	b.until.Store(int64(now + term))
}

// reset ends the quarantine.
func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.row.Store(0)
	b.until.Store(0)
	b.terms, b.wasted = 0, 0
}

// state tells the faults so far, and the quarantine, nil for none.
func (b *breaker) state() (faults int, quarantine error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.Load() != 0 {
		quarantine = errors.New("quarantined: " + b.why())
	}
	return b.faults, quarantine
}
