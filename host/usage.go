package host

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// sampling is how many calls share one reading of the clock: two readings cost
// more than a short call does.
const sampling = 256

// Usage tells how a function was used since the host started.
type Usage struct {
	Calls  uint64 // that ended
	Errors uint64
	// Latency of the calls, from about every 256th: the upper bounds of the octaves
	// that the quantiles fall into. Zero before the first sample.
	P50, P99 time.Duration
}

// usage is what the tallies of a function have counted, each on its own, see [use].
type usage struct {
	errors atomic.Uint64
	octave [64]atomic.Uint32 // samples by bits.Len64 of nanoseconds

	mu      sync.Mutex // guards what follows
	tallies map[*tally]struct{}
	past    uint64 // calls of those that ended
}

func newUsage() *usage { return &usage{tallies: map[*tally]struct{}{}} }

// join has the calls of a new tally counted, until it leaves.
func (u *usage) join() *tally {
	t := &tally{usage: u}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tallies[t] = struct{}{}
	return t
}

// leave keeps what t counted.
func (u *usage) leave(t *tally) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.tallies, t)
	u.past += t.calls.Load()
}

// note keeps what a call that failed or was sampled tells.
func (u *usage) note(t time.Time, err error) {
	if err != nil {
		u.errors.Add(1)
	}
	if !t.IsZero() {
		u.octave[bits.Len64(uint64(max(0, time.Since(t))))].Add(1)
	}
}

func (u *usage) read() Usage {
	r := Usage{Errors: u.errors.Load()}
	u.mu.Lock()
	r.Calls += u.past
	for t := range u.tallies {
		r.Calls += t.calls.Load()
	}
	u.mu.Unlock()
	var total uint64
	var counts [64]uint64
	for i := range u.octave {
		counts[i] = uint64(u.octave[i].Load())
		total += counts[i]
	}
	if total == 0 {
		return r
	}
	quantile := func(rank uint64) time.Duration {
		var seen uint64
		for i, c := range counts {
			if seen += c; seen >= rank {
				return time.Duration(1)<<i - 1
			}
		}
		return 0
	}
	r.P50 = quantile((total + 1) / 2)
	r.P99 = quantile(total - total/100)
	return r
}
