package sp

import (
	"errors"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vanth-io/vanth/portable/internal/trial"
)

const (
	// lookFor is how long a call looks for its answer before it sleeps. It is what a plugin needs that computes little,
	// with the time that an idle machine takes to wake up for each of its threads.
	lookFor = 200 * time.Microsecond
	// lookGap is a time between two looks that shows that somebody else had this processor.
	lookGap = 100 * time.Microsecond
)

// lookout is how a call waits for its answer before the poller is asked. Whether it looks is decided by a trial, see
// there.
//
// It belongs to the call that reads the connection.
type lookout struct {
	asked   *atomic.Int32 // the Hub's calls that await an answer
	several bool          // processors that we may use
	begun   time.Time     // when the call began to read
	until   time.Time     // when it has read for long enough

	trial   trial.Trial
	looking bool // what it says of this call
	counts  bool // this call is one of the trial's

	into  []byte // of the read in progress
	n     int    // that it found
	late  bool   // it had not come when the time was over
	fds   [1]unix.PollFd
	looks func(fd uintptr) bool // look and nap, bound once, so that a read allocates nothing
	naps  func(fd uintptr) bool
}

// attend makes a lookout for calls that are counted by asked.
func (o *lookout) attend(asked *atomic.Int32) {
	o.asked, o.looks, o.naps = asked, o.look, o.nap
	o.several = min(runtime.GOMAXPROCS(0), runtime.NumCPU()) > 1
}

// alone says that no other call awaits its answer.
func (o *lookout) alone() bool { return o.asked.Load() <= 1 }

// worth says whether to look this time.
func (o *lookout) worth() bool { return o.looking && o.several && o.alone() }

// begin is the start of a call's reading.
func (o *lookout) begin() {
	o.begun = time.Now()
	o.until = o.begun.Add(napFor)
	if o.counts = o.several && o.alone(); o.counts {
		o.looking, _ = o.trial.Begin()
	}
}

// answered is its end.
func (o *lookout) answered() {
	if o.counts {
		o.trial.End(time.Since(o.begun))
	}
}

// look reads what has come or comes soon. What goes wrong is left to the read that follows.
func (o *lookout) look(fd uintptr) bool {
	begun := time.Now()
	for last := begun; ; {
		if o.take(fd) {
			return true
		}
		now := time.Now()
		if now.Sub(last) > lookGap || now.Sub(begun) > lookFor || !o.alone() {
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
