package portable

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lookGap is a time between two looks that shows that somebody else had this
	// processor.
	lookGap = 100 * time.Microsecond
	// A round of a look-out is so many looks, a fraction of a microsecond, for they
	// cost less than the clock; other goroutines get the processor after so many
	// rounds.
	lookLoads, lookRounds = 512, 8
	// maxMissed bounds how long a reader goes without looking: 2^maxMissed waits.
	maxMissed = 5
)

// lookout says how long a reader looks before it sleeps. It belongs to who reads.
type lookout struct {
	limit time.Duration // 0: not at all
	nap   time.Duration // of one sleep at most; 0: until it is poked
	// Waits to go without a look-out, and look-outs in a row that saw nothing.
	skip, missed int
}

// attend says how long who reads from now on looks before it sleeps, and sleeps
// before it looks again. Without a nap it must be poked in time.
func (r *ring) attend(look, nap time.Duration) { r.look.limit, r.look.nap = look, nap }

// poke makes Read return, soon. One that has looked and not yet fallen asleep may
// miss it; then it must be repeated.
func (r *ring) poke() {
	r.poked.Store(true)
	if r.busy.Enter() {
		wake(r.in.head, all)
		r.busy.Leave()
	}
}

// calm takes poke back.
func (r *ring) calm() { r.poked.Store(false) }

// awaitMore returns the head when there is something to read.
func (r *ring) awaitMore(h *half) (uint32, error) {
	o := &r.look
	switch {
	case o.limit == 0:
	case o.skip > 0:
		o.skip--
	default:
		if head := r.lookOut(h.head, h.own, o.limit); head != h.own {
			o.missed = 0
			return head, nil
		}
		o.missed = min(o.missed+1, maxMissed)
		o.skip = 1<<o.missed - 1
	}
	return r.await(h.head, h.readWait, h.own, o.nap, 0)
}

// awaitRoom waits for the tail to leave old.
func (r *ring) awaitRoom(h *half, old uint32, limit time.Duration) error {
	_, err := r.await(h.tail, h.roomFor, old, min(napFor, limit), limit)
	return err
}

// lookOut returns the word when it is no longer old, or it has looked for long
// enough.
func (r *ring) lookOut(word *atomic.Uint32, old uint32, limit time.Duration) uint32 {
	var begun, last time.Time
	for round := 1; ; round++ {
		for range lookLoads {
			if v := word.Load(); v != old {
				return v
			}
		}
		now := time.Now()
		switch {
		case round == 1:
			begun = now
		case now.Sub(last) > lookGap || now.Sub(begun) > limit || r.over.Load() || r.poked.Load():
			return old
		case round%lookRounds == 0:
			runtime.Gosched() // whoever would write the request may need this processor
		}
		last = now
	}
}

// await sleeps until the word is no longer old, and returns it. A limit of 0 is
// none.
func (r *ring) await(word, flag *atomic.Uint32, old uint32, nap, limit time.Duration) (uint32, error) {
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	var begun time.Time
	if limit > 0 {
		begun = time.Now()
	}
	defer flag.Store(0)
	for {
		flag.Store(1)
		if v := word.Load(); v != old {
			return v, nil
		}
		switch {
		case r.over.Load():
			return 0, errRing
		case word == r.in.head && r.poked.Load():
			return 0, errPoked
		case limit > 0 && time.Since(begun) > limit:
			return 0, os.ErrDeadlineExceeded
		}
		sleep(word, old, nap)
		if v := word.Load(); v != old {
			return v, nil
		}
	}
}

const (
	futexWait = 0 // not private: the other side is another process
	futexWake = 1
)

// sleep waits while word is seen, for so long at most; 0 is without end, which is
// cheaper.
func sleep(word *atomic.Uint32, seen uint32, nap time.Duration) {
	var limit *unix.Timespec
	if nap > 0 {
		ts := unix.NsecToTimespec(int64(nap))
		limit = &ts
	}
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(seen), uintptr(unsafe.Pointer(limit)), 0, 0)
	if errno != 0 && !errors.Is(errno, unix.EAGAIN) && !errors.Is(errno, unix.EINTR) && !errors.Is(errno, unix.ETIMEDOUT) {
		time.Sleep(time.Millisecond) // never a busy loop
	}
}

// How many of those who sleep on a word are woken. One of them is ours, but the plugin
// can put its own beside it.
const one, all = 1, 1 << 30

// wake never blocks, hence the raw call.
func wake(word *atomic.Uint32, many uintptr) {
	_, _, _ = syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, many, 0, 0, 0)
}
