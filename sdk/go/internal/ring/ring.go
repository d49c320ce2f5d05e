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
type half struct {
	head, tail, reader, writer *atomic.Uint32
	buffer                     []byte
	own                        uint32
	skip, missed               int // waits to go without a look-out, and look-outs in a row that saw nothing
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
	h.tail.Store(h.own)
	if h.writer.Load() != 0 {
		wake(h.tail)
	}
	return n, nil
}

// Write stores all of p, waiting for room where there is none. After End it is io.ErrClosedPipe.
func (r *Ring) Write(p []byte) (int, error) {
	h, written := &r.out, 0
	size := uint32(len(h.buffer))
	for written < len(p) {
		tail := h.tail.Load()
		used := h.own - tail
		if used > size {
			return written, ErrLie
		}
		if used == size {
			if _, err := r.await(h, h.tail, h.writer, tail); err != nil {
				return written, io.ErrClosedPipe
			}
			continue
		}
		n := min(len(p)-written, int(size-used))
		at := int(h.own) & (len(h.buffer) - 1)
		if k := copy(h.buffer[at:], p[written:written+n]); k < n {
			copy(h.buffer, p[written+k:written+n])
		}
		written += n
		h.own += uint32(n)
		h.head.Store(h.own)
		if h.reader.Load() != 0 {
			wake(h.head)
		}
	}
	return written, nil
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
