package reserve

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// Lease is the memory of one instance. It is the allocator of one instantiation, and of one only.
type Lease struct {
	pool *Pool
	mapping
	image    *Image // that it began with; nil for zeros
	size     int    // bytes that the guest has
	first    int    // bytes that it began with
	taken    bool
	begun    bool
	released atomic.Bool
}

var _ experimental.MemoryAllocator = (*Lease)(nil)

// Allocate implements experimental.MemoryAllocator for an engine that instantiates a module. It panics when it is called
// again: two instances would share a memory.
func (l *Lease) Allocate(_, _ uint64) experimental.LinearMemory {
	if l.taken {
		panic("reserve: a second memory from one lease: take a lease for each instantiation")
	}
	l.taken = true
	return (*linear)(l)
}

// Release gives the memory back, after which no slice of it may be read: not those that api.Memory returned before, nor
// those that it would return now. No guest may run on it. It may be called again.
func (l *Lease) Release() {
	if !l.released.CompareAndSwap(false, true) {
		return
	}
	m, size := l.mapping, l.size
	l.mapping, l.size = mapping{}, 0
	l.pool.giveBack(m, l.image, size)
}

// Size is how much memory the guest has, in bytes.
func (l *Lease) Size() int { return l.size }

// View returns n bytes of the guest's memory at ptr, until it grows; false where it has none.
func (l *Lease) View(ptr, n uint32) ([]byte, bool) {
	end := uint64(ptr) + uint64(n)
	if end > uint64(l.size) {
		return nil, false
	}
	return l.mem[ptr:end:end], true
}

// Reset makes the memory what it was when the guest began. It says no, and does nothing, when the guest has grown it since,
// for the engine cannot make it smaller. No guest may run on it meanwhile.
func (l *Lease) Reset() bool {
	if l.released.Load() || l.size != l.first {
		return false
	}
	mem := l.mem[:l.high]
	if l.pool.heap {
		l.image.restore(mem[:l.size], 0)
		return true
	}
	if len(mem) == 0 {
		return true
	}
	if _, ok := l.pool.wiper.wipe(mem, l.image); ok {
		return true
	}
	if !again(mem) {
		l.image.restore(mem, 0)
		return true
	}
	if !l.image.mapped() {
		l.image.lay(mem)
	}
	return true
}

// linear is the engine's view of a Lease.
type linear Lease

// Reallocate returns the first size bytes, and at first as many as the image has if that is more. They are at the address
// where they always were, except in slices of the heap. It returns nil beyond the reservation and after Release, which makes
// memory.grow answer -1.
func (l *linear) Reallocate(size uint64) []byte {
	if size > l.pool.size || l.released.Load() {
		return nil
	}
	n := int(size)
	begins := !l.begun
	if begins && l.image != nil {
		n = max(n, l.image.size)
	}
	before := len(l.mem)
	if l.pool.heap && n > len(l.mem) {
		l.mem = enlarged(l.mem, n, int(l.pool.size))
	}
	if begins {
		l.begun, l.first = true, n
		if l.pool.heap {
			l.image.lay(l.mem[:n])
		}
	}
	l.pool.grown(len(l.mem)-before, n-l.size)
	l.size = n
	l.high = max(l.high, n)
	return l.mem[:n:n]
}

// enlarged is a copy of mem with at least n bytes, at most limit, and a little more than asked for so that growth by
// pages does not copy each time.
func enlarged(mem []byte, n, limit int) []byte {
	larger := make([]byte, min(limit, n+len(mem)/4))
	copy(larger, mem)
	return larger
}

// Free implements experimental.LinearMemory. It does nothing, see the package's story.
func (*linear) Free() {}
