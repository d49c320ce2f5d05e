package wasm

import (
	"runtime"
	"time"
)

// seats are for calls that run for long. There is one fewer than processors, so
// that short calls, timers and the network find one free: a processor that always
// has a guest to run looks at the network every ten milliseconds only. Long calls
// take turns. On one processor there is one seat.
type seats struct {
	free chan struct{}
}

const (
	// longAfter is when a call counts as long.
	longAfter = 5 * time.Millisecond
	// turn is how long a call keeps its seat while others wait for one.
	turn = 10 * time.Millisecond
)

func newSeats() *seats {
	n := max(1, runtime.GOMAXPROCS(0)-1)
	s := &seats{free: make(chan struct{}, n)}
	for range n {
		s.free <- struct{}{}
	}
	return s
}

// share has a long call take a seat, or give its own to who waits. It panics if the
// call is over before that.
func (s *seats) share(in *instance, now time.Duration) {
	if in.seated > 0 && now-in.seated < turn {
		return
	}
	s.leave(in)
	s.take(in)
}

func (s *seats) take(in *instance) {
	select {
	case <-s.free:
	default:
		s.wait(in)
	}
	in.seated = in.module.rt.clock()
}

// wait looks now and then whether the call is over meanwhile.
func (s *seats) wait(in *instance) {
	t := time.NewTicker(time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-s.free:
			return
		case <-t.C:
			in.over(in.module.rt.clock())
		}
	}
}

// leave gives the seat back, if the call has one.
func (s *seats) leave(in *instance) {
	if in.seated > 0 {
		in.seated = 0
		s.free <- struct{}{}
	}
}
