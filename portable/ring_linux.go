package portable

import (
	"context"
	"fmt"
	"io"
	"os"
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
)

// ring is a memory file that carries the two streams of a lane, see
// sdk/abi/lane.md. The other side's words are not trusted. How it waits is in
// ring_wait_linux.go.
type ring struct {
	mem     []byte
	out     half // host to plugin
	in      half // plugin to host
	look    lookout
	over    atomic.Bool
	poked   atomic.Bool  // who reads shall stop
	waiting atomic.Int32 // that sleep or are about to
	once    sync.Once
	busy    *gate.Gate // those who look at mem, but for Read and offer
}

// half is one stream. Positions count bytes modulo 2^32; own is the one that only
// this side moves, and is never read back from memory that the other side can write.
//
// Each look at a word that the other side has written since costs as much as many
// instructions, and so does each store to one that it looks at. So a writer asks for
// the tail only when it knows of no room, and a reader tells it when it has nothing
// else to do.
type half struct {
	head, tail        *atomic.Uint32
	readWait, roomFor *atomic.Uint32
	buf               []byte
	own               uint32
	seen              uint32 // the writer's: a tail that was
	told              uint32 // the reader's: the tail as it is there
	woken             bool   // the reader was, and has not been seen awake since
	wokenAt           uint32 // where it had read to
}

// tellAfter is how many bytes a reader takes at most before it says so.
const tellAfter = ringBuf / 8

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
		wake(r.in.head, all)
		wake(r.out.tail, all)
		time.Sleep(50 * time.Microsecond)
	}
}

// free unmaps the file. Nobody reads any more, and nobody offers.
func (r *ring) free() {
	r.once.Do(func() {
		r.shut()
		r.busy.Shut()
		_ = r.busy.Wait(context.Background()) // they have been woken
		_ = unix.Munmap(r.mem)
	})
}

// Read implements io.Reader, for one goroutine at a time. After poke it may fail
// with errPoked, and nothing is lost.
func (r *ring) Read(p []byte) (int, error) {
	h := &r.in
	head := h.head.Load()
	if head == h.own {
		h.tell()
		var err error
		if head, err = r.awaitMore(h); err != nil {
			return 0, err
		}
	}
	n := head - h.own
	if n > ringBuf {
		return 0, fmt.Errorf("%w: its ring claims %d bytes of %d", errProtocol, n, ringBuf)
	}
	n = min(n, uint32(min(len(p), ringBuf)))
	at := h.own & (ringBuf - 1)
	c := copy(p[:n], h.buf[at:])
	copy(p[c:n], h.buf)
	h.own += n
	if h.own-h.told >= tellAfter || h.roomFor.Load() != 0 {
		h.tell()
	}
	return int(n), nil
}

// tell says how far this side has read. Who waits for room may have said so after the
// last look: whoever reads tells again before it waits.
func (h *half) tell() {
	if h.told == h.own {
		return
	}
	h.told = h.own
	h.tail.Store(h.own)
	if h.roomFor.Load() != 0 {
		wake(h.tail, one)
	}
}

// empty reports whether everything was read.
func (r *ring) empty() bool {
	if !r.busy.Enter() {
		return true
	}
	defer r.busy.Leave()
	return r.in.head.Load() == r.in.tail.Load()
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
		room, ok := h.room(len(b))
		if !ok {
			return errTail
		}
		if room == 0 {
			if err := r.awaitRoom(h, h.seen, limit); err != nil {
				return err
			}
			continue
		}
		n := min(len(b), room)
		if h.store(b[:n]) {
			wake(h.head, one)
		}
		b = b[n:]
	}
	return nil
}

// offer stores all of b if there is room for it now; all is false if there is not,
// or something is wrong, which write tells. asleep says that the reader must be
// woken, with rouse. It is for one goroutine at a time, and not during write.
func (r *ring) offer(b []byte) (all, asleep bool) {
	h := &r.out
	if room, ok := h.room(len(b)); !ok || len(b) > room {
		return false, false
	}
	if len(b) == 0 {
		return true, false
	}
	return true, h.store(b)
}

// room is how many bytes can be stored, at least; it is less than want only if there
// is no room for more. It is not ok for a tail that cannot be.
func (h *half) room(want int) (n int, ok bool) {
	if n = ringBuf - int(h.own-h.seen); n >= want {
		return n, true
	}
	tail := h.tail.Load()
	if h.own-tail > ringBuf {
		return 0, false
	}
	h.seen = tail
	return ringBuf - int(h.own-tail), true
}

// rouse wakes the plugin's reader.
func (r *ring) rouse() {
	if r.busy.Enter() {
		wake(r.out.head, one)
		r.busy.Leave()
	}
}

// store appends b, for which there is room; it is not empty. asleep says that the
// reader sleeps or is about to, and must be woken. That is said once: a reader that is
// seen before what it is woken for has still to read that, and looks for more after it.
func (h *half) store(b []byte) (asleep bool) {
	at := h.own & (ringBuf - 1)
	c := copy(h.buf[at:], b)
	copy(h.buf, b[c:])
	h.own += uint32(len(b))
	h.head.Store(h.own)
	if h.readWait.Load() == 0 {
		h.woken = false
		return false
	}
	tail := h.tail.Load() // seen now that b is there
	if h.own-tail < uint32(len(b)) {
		h.woken = false // it has read of b, and looks for the rest before it sleeps
		return false
	}
	if h.woken && h.wokenAt == tail {
		return false
	}
	h.woken, h.wokenAt = true, tail
	return true
}

var errTail = fmt.Errorf("%w: its ring claims to have read what was not written", errProtocol)
