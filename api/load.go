package api

import (
	"sync/atomic"
)

// load bounds what requests pile up in front of plugins: calls that were begun and
// have no answer, a batch being one, and bytes of bodies that wait for theirs. What
// would be more is refused with 429. Connections are bounded by the gate, and
// instances by the plugins' runtimes.
type load struct {
	maxCalls, maxBytes int64
	calls, bytes       atomic.Int64
}

// freeBytes is how much of each body is not counted, in bytes: connections bound
// that.
const freeBytes = 16 << 10

// enter counts a call, which leave ends with the request.
func (l *load) enter(r *request) error {
	if n := l.calls.Add(1); n > l.maxCalls {
		l.calls.Add(-1)
		return failf(problemFull, "found %d calls in flight, at most that many are allowed (limits.calls)", l.maxCalls)
	}
	r.called = true
	return nil
}

// hold counts a body of which n bytes have come.
func (l *load) hold(r *request, n int) error {
	more := int64(n-freeBytes) - r.held
	if more <= 0 {
		return nil
	}
	if l.bytes.Add(more) > l.maxBytes {
		l.bytes.Add(-more)
		return failf(problemFull, "body: found bodies of up to %d bytes that wait for their answers, which is the most that is taken (limits.bufferMiB)", l.maxBytes)
	}
	r.held += more
	return nil
}

// leave takes a request out of the count.
func (l *load) leave(r *request) {
	if r.called {
		r.called = false
		l.calls.Add(-1)
	}
	if r.held > 0 {
		l.bytes.Add(-r.held)
		r.held = 0
	}
}
