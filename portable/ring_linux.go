package portable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vanth-io/vanth/host/gate"
)

// socketFlags keep a lane's ends out of other children.
const socketFlags = syscall.SOCK_CLOEXEC

const (
	ringPage = 4096
	ringBuf  = 1 << 20
	ringHalf = ringPage + ringBuf
	// spinFor is how long a reader looks again before it sleeps: a process that
	// answers at once is faster than being woken.
	spinFor = 25 * time.Microsecond
	// napFor bounds one sleep, so that a plugin that forgets to wake costs little.
	napFor = time.Second
)

// ring is a memory file that carries the two streams of a lane, see
// sdk/abi/lane.md. The other side's words are not trusted.
type ring struct {
	mem     []byte
	out     half // host to plugin
	in      half // plugin to host
	over    atomic.Bool
	waiting atomic.Int32 // that sleep or are about to
	once    sync.Once
	busy    *gate.Gate // calls that look at mem
}

// half is one stream. Positions count bytes modulo 2^32.
type half struct {
	head, tail        *atomic.Uint32
	readWait, roomFor *atomic.Uint32
	buf               []byte
	// Waits to go without a look-out, and look-outs in a row that saw nothing: on
	// a machine without a processor to spare they only cost.
	skip, missed int
}

func newRing() (*os.File, *ring, error) {
	fd, err := unix.MemfdCreate("vanth-ring", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), envRing)
	if err := f.Truncate(2 * ringHalf); err != nil {
		f.Close()
		return nil, nil, err
	}
	// A file that shrinks under the host would kill it.
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		f.Close()
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	mem, err := unix.Mmap(fd, 0, 2*ringHalf, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return f, &ring{mem: mem, busy: gate.New(), out: newHalf(mem[:ringHalf]), in: newHalf(mem[ringHalf:])}, nil
}

func newHalf(b []byte) half {
	word := func(at int) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&b[at])) }
	return half{head: word(0), tail: word(64), readWait: word(128), roomFor: word(192), buf: b[ringPage:]}
}

// errRing is the end of a ring.
var errRing = fmt.Errorf("the ring was shut: %w", io.EOF)

// shut wakes all who wait, for good. One who has looked and not yet fallen asleep
// would miss a single call.
func (r *ring) shut() {
	r.over.Store(true)
	for r.waiting.Load() > 0 {
		wake(r.in.head)
		wake(r.out.tail)
		time.Sleep(50 * time.Microsecond)
	}
}

// free unmaps the file. Nobody may use the ring any more.
func (r *ring) free() {
	r.once.Do(func() {
		r.shut()
		r.busy.Shut()
		_ = r.busy.Wait(context.Background()) // they have been woken
		_ = unix.Munmap(r.mem)
	})
}

// Read implements io.Reader, for one goroutine.
func (r *ring) Read(p []byte) (int, error) {
	if !r.busy.Enter() {
		return 0, errRing
	}
	defer r.busy.Leave()
	h := &r.in
	tail := h.tail.Load()
	n, err := r.await(h, h.head, h.readWait, func() uint32 { return h.head.Load() - tail }, 0)
	if err != nil {
		return 0, err
	}
	if n > ringBuf {
		return 0, fmt.Errorf("%w: its ring claims %d bytes of %d", errProtocol, n, ringBuf)
	}
	at := tail & (ringBuf - 1)
	c := copy(p, h.buf[at:min(at+n, ringBuf)])
	if uint32(c) < n {
		c += copy(p[c:], h.buf[:n-uint32(c)])
	}
	h.tail.Store(tail + uint32(c))
	if h.roomFor.Load() != 0 {
		wake(h.tail)
	}
	return c, nil
}

// write stores all of b, for one goroutine at a time. It waits at most limit for
// room.
func (r *ring) write(b []byte, limit time.Duration) error {
	if !r.busy.Enter() {
		return errRing
	}
	defer r.busy.Leave()
	h := &r.out
	for len(b) > 0 {
		head := h.head.Load()
		room, err := r.await(h, h.tail, h.roomFor, func() uint32 { return ringBuf - (head - h.tail.Load()) }, limit)
		if err != nil {
			return err
		}
		if room > ringBuf {
			return fmt.Errorf("%w: its ring claims to have read what was not written", errProtocol)
		}
		at := head & (ringBuf - 1)
		c := copy(h.buf[at:min(at+room, ringBuf)], b)
		if c < len(b) && uint32(c) < room {
			c += copy(h.buf[:room-uint32(c)], b[c:])
		}
		h.head.Store(head + uint32(c))
		if h.readWait.Load() != 0 {
			wake(h.head)
		}
		b = b[c:]
	}
	return nil
}

// await returns ready's value when it is not 0, and sleeps on word until then.
// A limit of 0 is none.
func (r *ring) await(h *half, word, flag *atomic.Uint32, ready func() uint32, limit time.Duration) (uint32, error) {
	if n := ready(); n != 0 {
		return n, nil
	}
	switch {
	case runtime.GOMAXPROCS(0) == 1:
	case h.skip > 0:
		h.skip--
	default:
		if n := lookOut(ready); n != 0 {
			h.missed = 0
			return n, nil
		}
		h.missed = min(h.missed+1, 6)
		h.skip = 1<<h.missed - 1
	}
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	begun := time.Now()
	for {
		seen := word.Load()
		flag.Store(1)
		if n := ready(); n != 0 {
			flag.Store(0)
			return n, nil
		}
		if r.over.Load() {
			return 0, errRing
		}
		if limit > 0 && time.Since(begun) > limit {
			return 0, os.ErrDeadlineExceeded
		}
		nap := napFor
		if limit > 0 {
			nap = min(nap, limit)
		}
		sleep(word, seen, nap)
		flag.Store(0)
	}
}

// lookOut asks again for a short while.
func lookOut(ready func() uint32) uint32 {
	for until := time.Now().Add(spinFor); time.Now().Before(until); {
		for range 64 {
			if n := ready(); n != 0 {
				return n
			}
		}
		runtime.Gosched() // whoever would write the request may need this processor
	}
	return 0
}

const (
	futexWait = 0 // not private: the other side is another process
	futexWake = 1
)

// sleep waits while word is seen, a while at most.
func sleep(word *atomic.Uint32, seen uint32, nap time.Duration) {
	ts := unix.NsecToTimespec(int64(nap))
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(seen), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 && !errors.Is(errno, unix.EAGAIN) && !errors.Is(errno, unix.EINTR) && !errors.Is(errno, unix.ETIMEDOUT) {
		time.Sleep(time.Millisecond) // never a busy loop
	}
}

func wake(word *atomic.Uint32) {
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1, 0, 0, 0)
}
