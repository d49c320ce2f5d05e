package ring

import (
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	page = 4096
	// The words of a half's page, see the table in lane.md.
	atHead, atTail, atReader, atWriter = 0, 64, 128, 192
	// maxBuffer keeps head - tail unambiguous.
	maxBuffer = 1 << 30
	// tellAfter is which part of the buffer a reader takes at most before it says so.
	tellAfter = 8
	// spinFor bounds the look-out for the other side before this one sleeps.
	spinFor = 25 * time.Microsecond
	// maxMissed bounds how long it goes without: 2^maxMissed waits.
	maxMissed = 5
)

var (
	// ErrSize is of a file that is not two pages and two equal powers of two.
	ErrSize = errors.New("ring: the file has not the size of a ring")
	// ErrLie is of positions that cannot be.
	ErrLie = errors.New("ring: the other side's position is beyond the buffer")
	// ErrUnsupported is of a platform without futexes.
	ErrUnsupported = errors.New("ring: not on this platform")
)

// Ring is one side of a mapped file.
type Ring struct {
	memory  []byte
	in, out half
	ended   atomic.Bool
	waiting atomic.Int32 // goroutines of ours that sleep or are about to
	spin    bool
}

// half is a page of words and a buffer. own is the position that only this side moves: it is never
// read back from memory that the other side can write.
//
// Each look at a word that the other side has written since costs as much as many instructions, and
// so does each store to one that it looks at. So a writer asks for the tail only when it knows of no
// room, and a reader tells it when it has nothing else to do.
type half struct {
	head, tail, reader, writer *atomic.Uint32
	buffer                     []byte
	own                        uint32
	seen                       uint32 // the writer's: a tail that was
	told                       uint32 // the reader's: the tail as it is there
	skip, missed               int    // waits to go without a look-out, and look-outs in a row that saw nothing
}

// attach divides memory between the two directions.
func attach(memory []byte, host bool) (*Ring, error) {
	size := len(memory)/2 - page
	if len(memory)%2 != 0 || size <= 0 || size&(size-1) != 0 || size > maxBuffer {
		return nil, ErrSize
	}
	r := &Ring{memory: memory, spin: runtime.GOMAXPROCS(0) > 1 && runtime.NumCPU() > 1}
	r.in, r.out = halfOf(memory[:page+size]), halfOf(memory[page+size:])
	if host {
		r.in, r.out = r.out, r.in
	}
	r.in.own, r.out.own = r.in.tail.Load(), r.out.head.Load()
	r.in.told, r.out.seen = r.in.own, r.out.own-uint32(size) // which says that there is no room
	return r, nil
}

func halfOf(memory []byte) half {
	word := func(at int) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&memory[at])) }
	return half{head: word(atHead), tail: word(atTail), reader: word(atReader), writer: word(atWriter), buffer: memory[page:]}
}

// Read waits until there is something and takes as much of it as p has room for. After End it is
// io.EOF.
func (r *Ring) Read(p []byte) (int, error) {
	h := &r.in
	head := h.head.Load()
	if head == h.own {
		h.tell()
		var err error
		if head, err = r.await(h, h.head, h.reader, head); err != nil {
			return 0, err
		}
	}
	there := head - h.own
	if there > uint32(len(h.buffer)) {
		return 0, ErrLie
	}
	n := min(len(p), int(there))
	at := int(h.own) & (len(h.buffer) - 1)
	if k := copy(p[:n], h.buffer[at:]); k < n {
		copy(p[k:n], h.buffer)
	}
	h.own += uint32(n)
	if h.own-h.told >= uint32(len(h.buffer))/tellAfter || h.writer.Load() != 0 {
		h.tell()
	}
	return n, nil
}

// tell says how far this side has read. Who waits for room may have said so after the last look:
// whoever reads tells again before it waits.
func (h *half) tell() {
	if h.told == h.own {
		return
	}
	h.told = h.own
	h.tail.Store(h.own)
	if h.writer.Load() != 0 {
		wake(h.tail)
	}
}

// Write stores all of p, waiting for room where there is none. After End it is io.ErrClosedPipe.
func (r *Ring) Write(p []byte) (int, error) {
	h, written := &r.out, 0
	for written < len(p) {
		room, ok := h.room(len(p) - written)
		if !ok {
			return written, ErrLie
		}
		if room == 0 {
			if _, err := r.await(h, h.tail, h.writer, h.seen); err != nil {
				return written, io.ErrClosedPipe
			}
			continue
		}
		n := min(len(p)-written, room)
		if h.store(p[written : written+n]) {
			wake(h.head)
		}
		written += n
	}
	return written, nil
}

// Offer stores all of p if there is room for it now; all is false if there is not, or something is
// wrong, which Write tells. asleep says that the other side must be woken, with Rouse. It is Write's
// part that does not wait, for the goroutine that may write.
func (r *Ring) Offer(p []byte) (all, asleep bool) {
	h := &r.out
	if room, ok := h.room(len(p)); !ok || len(p) > room {
		return false, false
	}
	return true, h.store(p)
}

// Rouse wakes the other side's reader.
func (r *Ring) Rouse() { wake(r.out.head) }

// room is how many bytes can be stored, at least; it is less than want only if there is no room for
// more. It is not ok for a tail that cannot be.
func (h *half) room(want int) (n int, ok bool) {
	size := uint32(len(h.buffer))
	if used := h.own - h.seen; used <= size && int(size-used) >= want {
		return int(size - used), true
	}
	tail := h.tail.Load()
	used := h.own - tail
	if used > size {
		return 0, false
	}
	h.seen = tail
	return int(size - used), true
}

// store appends p, for which there is room. asleep says that the reader sleeps or is about to.
func (h *half) store(p []byte) (asleep bool) {
	at := int(h.own) & (len(h.buffer) - 1)
	if k := copy(h.buffer[at:], p); k < len(p) {
		copy(h.buffer, p[k:])
	}
	h.own += uint32(len(p))
	h.head.Store(h.own)
	return h.reader.Load() != 0
}

// await returns the word when it is no longer old. It looks out for a short while if there is a
// processor to spare, then says in flag that it sleeps, looks once more, and sleeps.
func (r *Ring) await(h *half, word, flag *atomic.Uint32, old uint32) (uint32, error) {
	if r.spin {
		if h.skip > 0 {
			h.skip--
		} else if v, ok := lookOut(word, old); ok {
			h.missed = 0
			return v, nil
		} else {
			h.missed = min(h.missed+1, maxMissed)
			h.skip = 1<<h.missed - 1
		}
	}
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	flag.Store(1)
	defer flag.Store(0)
	for {
		if v := word.Load(); v != old {
			return v, nil
		}
		if r.ended.Load() {
			return 0, io.EOF
		}
		sleep(word, old)
	}
}

// lookOut watches word for at most spinFor.
func lookOut(word *atomic.Uint32, old uint32) (uint32, bool) {
	for range 64 {
		if v := word.Load(); v != old {
			return v, true
		}
	}
	for start := time.Now(); time.Since(start) < spinFor; {
		for range 128 {
			if v := word.Load(); v != old {
				return v, true
			}
		}
	}
	return 0, false
}

// End makes Read and Write return, those that sleep too. It wakes until nobody sleeps, for one who
// has looked and not yet fallen asleep would miss a single call.
func (r *Ring) End() {
	r.ended.Store(true)
	for r.waiting.Load() > 0 {
		wake(r.in.head)
		wake(r.out.tail)
		time.Sleep(100 * time.Microsecond)
	}
}
