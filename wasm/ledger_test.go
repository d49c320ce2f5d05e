package wasm

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A call is late by what the guest and the host do, and by what the machine takes: other programs have its processors, or
// other machines have the one below. The kernel accounts both, thread by thread; so what is promised can be judged on a
// machine that others use too.

// stand is where a goroutine stands, in the kernel's books.
type stand struct {
	at        time.Duration // on the wall
	thread    int           // that it runs on; 0 where nothing is known
	processor int           // that the thread runs on
	cpu       time.Duration // that the thread has had
	parks     int64         // times that the thread has waited of its own will
	faults    int64         // pages that it touched for the first time
	waits     time.Duration // for which threads of the process were ready to run, and did not: all together
	process   time.Duration // CPU that all threads have had
}

// tick is how old the books on other threads may be: they are kept when the kernel's clock ticks.
const tick = 10 * time.Millisecond

// taken is how much of the time from a to b the machine took: what the thread did not run, if it was always ready; else
// for how long threads of ours stood in the kernel's queue, since Go may have had one of them run the goroutine. It is no
// more than what others can have had of the processors. Or else it is for how long its processor stood still.
func (b *books) taken(from, to stand) time.Duration {
	if from.thread == 0 || to.thread == 0 {
		return 0
	}
	wall := to.at - from.at
	taken := min(wall, to.waits-from.waits)
	if from.thread == to.thread {
		off := wall - (to.cpu - from.cpu)
		if taken = min(taken, off); from.parks == to.parks {
			taken = off
		}
	}
	others := time.Duration(runtime.NumCPU())*wall - (to.process - from.process)
	stood := b.stood(from.processor, from.at, to.at)
	if from.thread != to.thread {
		stood = max(stood, b.stood(to.processor, from.at, to.at))
	}
	return max(0, min(taken, others+tick), min(wall, stood))
}

// tell says what happened between two stands.
func (b *books) tell(s stretch) string {
	from, to := s.from, s.to
	text := fmt.Sprintf("%v, of which the machine took %v; threads waited %v, the process had %v", to.at-from.at, b.taken(from, to), to.waits-from.waits, to.process-from.process)
	if from.thread != to.thread {
		return text + ", on two threads"
	}
	return text + fmt.Sprintf(", this one %v, %d parks, %d faults", to.cpu-from.cpu, to.parks-from.parks, to.faults-from.faults)
}

// ledger is the account of one call at a time: where it stood when it began, at each look of the meter, and at its end.
type ledger struct {
	*books
	mu     sync.Mutex // guards what follows
	limit  time.Duration
	began  stand
	looks  int
	first  stand   // look
	window []stand // the last look before the deadline, and those behind it
	last   watched
	long   []stretch // those that took longer than others
	spoil  int64     // fuel to give at once instead of what is due; 0 for none
}

// watched is a look of the meter at an instance.
type watched struct {
	stand
	began, yielded time.Duration
}

// stretch is from one look to the next.
type stretch struct{ from, to stand }

// follow notes a look, and returns the stretch since the one before, if others did not run meanwhile. Go may have stopped
// the call when it came out of a long one: then it is on another thread now.
func (w *watched) follow(in *instance, s stand) (stretch, bool) {
	before := *w
	*w = watched{s, in.began, in.yielded}
	return stretch{before.stand, s}, before.began == in.began && before.yielded == in.yielded
}

// ran is how much of a stretch was not the machine's.
func (b *books) ran(s stretch) time.Duration { return s.to.at - s.from.at - b.taken(s.from, s.to) }

// begin opens the account of a call that may take so long.
func (l *ledger) begin(limit time.Duration) {
	l.refresh()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.looks, l.window, l.last, l.long = limit, 0, l.window[:0], watched{}, l.long[:0]
	l.began = l.stand()
}

// look is told of each look of the meter.
func (l *ledger) look(in *instance) {
	s := l.stand()
	l.mu.Lock()
	defer l.mu.Unlock()
	if in != nil {
		if one, ok := l.last.follow(in, s); ok && (len(l.long) == 0 || one.to.at-one.from.at > late/2) {
			l.long = append(l.long, one)
		}
		if l.spoil > 0 {
			in.slice = l.spoil
		}
	}
	if l.looks++; l.looks == 1 {
		l.first = s
	}
	if s.at < l.first.at+l.limit {
		l.window = l.window[:0]
	}
	if len(l.window) < 100 {
		l.window = append(l.window, s)
	}
}

// entry is what became of a call.
type entry struct {
	late    time.Duration // behind its deadline; less than 0 for one that ended before
	ours    time.Duration // of that, without what the machine took
	longest time.Duration // stretch of the guest's without a look, in CPU
	told    string        // where the time went
}

// end closes the account.
func (l *ledger) end() entry {
	end := l.stand()
	time.Sleep(2 * time.Millisecond) // until the sentries have told
	l.mu.Lock()
	defer l.mu.Unlock()
	e := entry{late: end.at - l.began.at - l.limit}
	for _, s := range l.long {
		e.longest = max(e.longest, l.ran(s))
	}
	e.ours = e.late
	if e.late <= 0 {
		return e
	}
	// The deadline counts from the first look; what came before adds to it, and so does what came behind the last look
	// before the deadline. Without the machine another slice may have begun there, which is why long stretches are judged
	// too.
	pieces := []stand{l.began, end}
	if l.looks > 0 {
		pieces[1] = l.first
		pieces = append(append(pieces, l.window...), end)
	}
	worst, at := time.Duration(0), 0
	for i, s := range pieces[:len(pieces)-1] {
		if l.looks > 0 && i == 1 {
			continue // the time that the call has
		}
		taken := l.taken(s, pieces[i+1])
		e.ours -= taken
		if took := pieces[i+1].at - s.at - taken; took > worst {
			worst, at = took, i
		}
	}
	e.ours = max(0, e.ours)
	where := "between two looks"
	switch at {
	case 0:
		where = "before the first look"
	case len(pieces) - 2:
		where = "behind the last look"
	}
	e.told = fmt.Sprintf("%s: %s", where, l.tell(stretch{pieces[at], pieces[at+1]}))
	return e
}
