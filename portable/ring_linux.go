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
	busy    *gate.Gate // calls that look at mem
}

// half is one stream. Positions count bytes modulo 2^32; own is the one that only
// this side moves, and is never read back from memory that the other side can write.
type half struct {
	head, tail        *atomic.Uint32
	readWait, roomFor *atomic.Uint32
	buf               []byte
	own               uint32
	woken             bool   // the reader was, and has not been seen awake since
	wokenAt           uint32 // where it had read to, at most
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
		wake(r.in.head, all)
		wake(r.out.tail, all)
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

// Read implements io.Reader, for one goroutine at a time. After poke it may fail
// with errPoked, and nothing is lost.
func (r *ring) Read(p []byte) (int, error) {
	if !r.busy.Enter() {
		return 0, errRing
	}
	defer r.busy.Leave()
	h := &r.in
	head := h.head.Load()
	if head == h.own {
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
	h.tail.Store(h.own)
	if h.roomFor.Load() != 0 {
		wake(h.tail, one)
	}
	return int(n), nil
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
		tail := h.tail.Load()
		used := h.own - tail
		if used > ringBuf {
			return errTail
		}
		if used == ringBuf {
			if err := r.awaitRoom(h, tail, limit); err != nil {
				return err
			}
			continue
		}
		n := min(len(b), ringBuf-int(used))
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
	if !r.busy.Enter() {
		return false, false
	}
	defer r.busy.Leave()
	h := &r.out
	used := h.own - h.tail.Load()
	if used > ringBuf || len(b) > ringBuf-int(used) {
		return false, false
	}
	if len(b) == 0 {
		return true, false
	}
	return true, h.store(b)
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
// seen where it was before what it is woken for came has still to read that, and looks
// for more after it.
func (h *half) store(b []byte) (asleep bool) {
	before := h.tail.Load() // what it is woken for is beyond that, whatever it does meanwhile
	at := h.own & (ringBuf - 1)
	c := copy(h.buf[at:], b)
	copy(h.buf, b[c:])
	h.own += uint32(len(b))
	h.head.Store(h.own)
	if h.readWait.Load() == 0 {
		h.woken = false
		return false
	}
	if h.woken && h.wokenAt == h.tail.Load() { // seen now that b is there
		return false
	}
	h.woken, h.wokenAt = true, before
	return true
}

var errTail = fmt.Errorf("%w: its ring claims to have read what was not written", errProtocol)
