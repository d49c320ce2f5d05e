package reserve

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
)

// ErrDiscarded is the error of Lease after Discard.
var ErrDiscarded = errors.New("the pool of memories was discarded")

// wasmPage is the unit of a memory's size, in bytes. A page of the machine is never larger.
const wasmPage = 64 << 10

// What waits in a pool to be leased again is bounded.
const (
	idleBytes = 4 << 20 // of touched pages, all together
	oneBytes  = 1 << 20 // of touched pages, each
)

// Narrow address spaces have room for few reservations, and small ones.
const (
	narrow     = strconv.IntSize == 32
	narrowMost = 64 << 20 // bytes
)

// Pool makes the memories of one plugin. It is safe for concurrent use.
type Pool struct {
	size  uint64 // of each memory, bytes
	heap  bool   // memories are slices
	wiper wiper

	mu       sync.Mutex // guards what follows
	idle     []mapping
	touched  int // bytes, of idle
	closed   bool
	image    *Image   // that memories start with; nil for zeros
	old      []*Image // those that they started with before
	leases   int
	reserved uint64
	used     uint64
}

// mapping is a reservation. One that waits is as the image has it.
type mapping struct {
	mem     []byte // all of it; its pages beyond high were never touched
	high    int    // bytes: the largest size it had under any guest
	touched int    // bytes of pages, while it waits
}

// New returns a pool of memories of at most size bytes, a multiple of 64 KiB. Size has to be the limit that the engine has
// too (WithMemoryLimitPages), or the maximum that the module declares where that is less: then the engine refuses a module
// that wants more at its start when it is compiled, and answers memory.grow with -1 beyond. Size may be 0, for a module
// without a memory.
func New(size uint64) *Pool {
	return &Pool{
		size: min(size, math.MaxInt&^(wasmPage-1)) &^ (wasmPage - 1),
		heap: !reserves || narrow && size > narrowMost,
	}
}

// Lease takes one memory for one instantiation. The caller releases it. The error says that the system has no room left,
// or is ErrDiscarded.
func (p *Pool) Lease() (*Lease, error) {
	m, image, err := p.take()
	if err != nil {
		return nil, err
	}
	if m.mem == nil && !p.heap && p.size > 0 {
		if m, err = p.reserve(image); err != nil {
			p.forget(0, 0)
			return nil, fmt.Errorf("reserve %s of address space for the memory of a guest: %w: lower its memory (wasm.memoryMiB, limits.memoryMiB of the manifest) or the number of instances (wasm.poolMax), or raise what the process may have (ulimit -v, vm.max_map_count)", mebibytes(p.size), err)
		}
		p.grown(len(m.mem), 0)
	}
	return &Lease{pool: p, mapping: m, image: image}, nil
}

// reserve makes a memory that is as the image has it.
func (p *Pool) reserve(image *Image) (m mapping, err error) {
	if m.mem, err = reserveBytes(int(p.size)); err != nil {
		return m, err
	}
	if !image.mapped() {
		m.high = image.lay(m.mem)
		return m, nil
	}
	if err = image.shared.place(m.mem); err != nil {
		unreserve(m.mem)
		return mapping{}, err
	}
	m.high = image.shared.size()
	return m, nil
}

// take counts a lease and takes a memory that waits, if there is one, and the image that it has, or is to have.
func (p *Pool) take() (m mapping, image *Image, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return m, nil, ErrDiscarded
	}
	image = p.image
	p.leases++
	if last := len(p.idle) - 1; last >= 0 {
		m, p.idle[last] = p.idle[last], m
		p.idle = p.idle[:last]
		p.touched -= m.touched
	}
	return m, image, nil
}

// mebibytes writes n bytes: "16 MiB", or "320 KiB" when they do not come out even.
func mebibytes(n uint64) string {
	if n%(1<<20) == 0 {
		return strconv.FormatUint(n>>20, 10) + " MiB"
	}
	return strconv.FormatUint(n>>10, 10) + " KiB"
}

// grown counts bytes that a guest has got, or with a negative number those that it had.
func (p *Pool) grown(reserved, used int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reserved += uint64(reserved)
	p.used += uint64(used)
}

// giveBack takes a memory back, which started with an image: it waits, as it was then, or is unmapped.
func (p *Pool) giveBack(m mapping, image *Image, used int) {
	if len(m.mem) == 0 {
		p.forget(0, used)
		return
	}
	if !p.heap && p.hasRoom(image) {
		var ok bool
		if m.touched, ok = p.wiper.wipe(m.mem[:m.high], image); ok && p.keep(m, image, used) {
			return
		}
	}
	p.forget(len(m.mem), used)
	if !p.heap {
		drain(m.mem[:m.high])
		unreserve(m.mem)
	}
}

// forget counts a memory that is gone.
func (p *Pool) forget(reserved, used int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reserved -= uint64(reserved)
	p.used -= uint64(used)
	p.lose()
}

// lose counts a lease that is over. The caller has the lock.
func (p *Pool) lose() {
	if p.leases--; p.leases == 0 && p.closed {
		p.endImages()
	}
}

// endImages ends the images, when no memory is leased and none will be.
func (p *Pool) endImages() {
	for _, i := range append(p.old, p.image) {
		if i != nil {
			i.shared.close()
		}
	}
	p.old, p.image = nil, nil
}

// hasRoom tells whether wiping a memory that started with an image can be worth it.
func (p *Pool) hasRoom(image *Image) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed && len(p.idle) < maxIdle() && image == p.image
}

// keep has a memory wait, if there is room.
func (p *Pool) keep(m mapping, image *Image, used int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdle() || p.touched+m.touched > idleBytes || image != p.image {
		return false
	}
	p.idle = append(p.idle, m)
	p.touched += m.touched
	p.leases--
	p.used -= uint64(used)
	return true
}

// maxIdle bounds how many memories wait.
func maxIdle() int {
	if narrow {
		return 2
	}
	return 16
}

// Trim gives the memories that wait back to the system.
func (p *Pool) Trim() { p.drop(false) }

// Discard ends the pool. Memories that are leased stay until they are released. It may be called again.
func (p *Pool) Discard() {
	p.drop(true)
	p.wiper.close()
}

func (p *Pool) drop(end bool) {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.touched = nil, 0
	p.reserved -= uint64(len(idle)) * p.size
	if end && !p.closed {
		p.closed = true
		if p.leases == 0 {
			p.endImages()
		}
	}
	p.mu.Unlock()
	for _, m := range idle {
		unreserve(m.mem)
	}
}

// Stats is what a pool has at one instant. Bytes that are reserved cost nothing; of those in use, and of those that wait,
// the pages that were touched are memory of the process.
type Stats struct {
	Leases   int    // memories leased
	Idle     int    // memories that wait to be leased again
	Reserved uint64 // bytes of address space, of both; of the Go heap where nothing is reserved
	Used     uint64 // bytes that guests have: the sum of their memory.size
	Touched  uint64 // bytes of pages that those which wait have kept
	Image    uint64 // bytes that are kept for memories to start with
}

// Stats counts.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Leases: p.leases, Idle: len(p.idle), Reserved: p.reserved, Used: p.used, Touched: uint64(p.touched)}
	if p.image != nil {
		s.Image = uint64(p.image.bytes)
	}
	return s
}
