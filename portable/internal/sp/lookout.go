package sp

import (
	"errors"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookFor is how long a call looks for its answer before it sleeps. It is what a plugin needs that computes little.
	lookFor = 100 * time.Microsecond
	// lookGap is a time between two looks that shows that somebody else had this processor.
	lookGap = 6 * time.Microsecond
	// maxMissed bounds how rare looking becomes where it is of no use: one call of 2^maxMissed.
	maxMissed = 8
	// compareEvery is how often a call does not look although it would be worth it, so that the two can be compared.
	compareEvery = 64
)

// lookout is how a call waits for its answer before the poller is asked. On a machine with an idle processor, waking it
// costs more than most answers take, and the plugin pays that for each of its own threads too: while a call keeps one
// processor awake, it does not have to be woken, and the plugin's threads find each other on the next. On a busy machine
// looking takes from the plugin what it needs to answer. So it is given up the moment that shows, and seldom tried again
// while calls that sleep at once are answered sooner.
//
// It belongs to the call that reads the connection.
type lookout struct {
	asked   *atomic.Int32 // the Hub's calls that await an answer
	several bool          // processors that we may use
	begun   time.Time     // when the call began to read
	until   time.Time     // when it has read for long enough
	how     wait          // how it waits
	calls   int           // that could look
	asleep  time.Duration // what a call takes that sleeps, on average
	missed  int           // how often looking was of no use, less how often it was
	skip    int           // how many calls do not look

	into  []byte // of the read in progress
	n     int    // that it found
	late  bool   // it had not come when the time was over
	fds   [1]unix.PollFd
	looks func(fd uintptr) bool // look and nap, bound once, so that a read allocates nothing
	naps  func(fd uintptr) bool
}

type wait uint8

const (
	sleeps wait = iota
	looks
	gaveUp // it looked, and sleeps
)

// attend makes a lookout for calls that are counted by asked.
func (o *lookout) attend(asked *atomic.Int32) {
	o.asked, o.looks, o.naps = asked, o.look, o.nap
	o.several = min(runtime.GOMAXPROCS(0), runtime.NumCPU()) > 1
}

// alone says that no other call awaits its answer.
func (o *lookout) alone() bool { return o.asked.Load() <= 1 }

// worth says whether to look this time.
func (o *lookout) worth() bool {
	if !o.several || !o.alone() {
		return false
	}
	if o.skip > 0 {
		o.skip--
		return false
	}
	o.calls++
	if o.calls%compareEvery == 1 {
		return false
	}
	o.how = looks
	return true
}

// begin is the start of a call's reading.
func (o *lookout) begin() {
	o.how, o.begun = sleeps, time.Now()
	o.until = o.begun.Add(napFor)
}

// answered is its end.
func (o *lookout) answered() {
	took := time.Since(o.begun)
	switch {
	case o.how == looks && took <= o.asleep:
		o.missed = max(o.missed-1, 0)
	case o.how == looks:
		o.miss()
	case o.how == sleeps && o.asleep == 0:
		o.asleep = took
	case o.how == sleeps:
		o.asleep += (min(took, 2*o.asleep) - o.asleep) / 8
	}
}

// miss notes that looking was of no use.
func (o *lookout) miss() {
	o.how = gaveUp
	o.missed = min(o.missed+1, maxMissed)
	o.skip = 1<<o.missed - 1
}

// look reads what has come or comes soon. What goes wrong is left to the read that follows.
func (o *lookout) look(fd uintptr) bool {
	begun := time.Now()
	for last := begun; ; {
		if o.take(fd) {
			return true
		}
		now := time.Now()
		if now.Sub(last) > lookGap || now.Sub(begun) > lookFor {
			o.miss()
			return true
		}
		if !o.alone() {
			o.how = gaveUp
			return true
		}
		last = now
		runtime.Gosched() // other goroutines may need this processor
	}
}

// nap sleeps until something has come, and reads that.
func (o *lookout) nap(fd uintptr) bool {
	for {
		o.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		if n, _ := unix.Poll(o.fds[:], int(napFor/time.Millisecond)); n > 0 && o.take(fd) {
			return true
		}
		if o.late = !time.Now().Before(o.until); o.late {
			return true
		}
	}
}

// take reads; false if there is nothing.
func (o *lookout) take(fd uintptr) bool {
	n, err := syscall.Read(int(fd), o.into)
	o.n = max(n, 0)
	return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
}
