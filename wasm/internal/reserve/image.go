package reserve

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// block is the unit of what an image keeps, in bytes: those that are zero are left out.
const block = 4 << 10

// shareFrom is from how many bytes on an image is mapped and not copied: then a memory takes pages of its own only for what
// it writes. Smaller ones are copied sooner than they are mapped.
const shareFrom = 64 << 10

// Image is what the memories of a pool start with: bytes at their places, zeros elsewhere, and a size. It does not change.
type Image struct {
	size   int   // bytes that a memory starts with, at least
	runs   []run // in order, apart from each other, not empty
	bytes  int   // of runs
	shared sharing
}

// run is bytes at a place of memory; both are multiples of a block.
type run struct {
	at int
	b  []byte
}

func (r *run) end() int { return r.at + len(r.b) }

// Capture returns the image of what the guest has in its memory now. No guest may run on it meanwhile.
func (l *Lease) Capture() *Image {
	i := capture(l.mem[:l.size])
	if !l.pool.heap {
		if shared := i.Shared(); shared != i {
			return shared
		}
	}
	for k := range i.runs {
		i.runs[k].b = bytes.Clone(i.runs[k].b)
	}
	return i
}

// capture returns the image of a memory as it is now, whose runs are the memory itself.
func capture(mem []byte) *Image {
	i := &Image{size: len(mem)}
	zero := make([]byte, block)
	start := -1 // of blocks that are not zero
	for at := 0; at <= len(mem); at += block {
		if at < len(mem) && !bytes.Equal(mem[at:at+block], zero) {
			if start < 0 {
				start = at
			}
			continue
		}
		if start >= 0 {
			i.add(run{start, mem[start:at:at]})
			start = -1
		}
	}
	return i
}

func (i *Image) add(r run) {
	i.runs = append(i.runs, r)
	i.bytes += len(r.b)
}

// Segment is bytes to be put somewhere.
type Segment struct {
	At    uint32
	Bytes []byte
}

// Lay returns the image of a memory to which segments were written one after the other. It has no size of its own. The
// segments lie within the memory, which takes as many bytes here as it would itself.
func Lay(segments []Segment) *Image {
	spans := make([]span, 0, len(segments))
	for _, s := range segments {
		if len(s.Bytes) > 0 {
			spans = append(spans, span{int(s.At) &^ (block - 1), (int(s.At) + len(s.Bytes) + block - 1) &^ (block - 1)})
		}
	}
	i := &Image{}
	for _, s := range joined(spans) {
		i.add(run{s.from, make([]byte, s.to-s.from)})
	}
	for _, s := range segments {
		if len(s.Bytes) == 0 {
			continue
		}
		r := &i.runs[i.find(int(s.At))]
		copy(r.b[int(s.At)-r.at:], s.Bytes)
	}
	return i
}

// span is a part of memory.
type span struct{ from, to int }

// joined sorts spans and joins those that touch.
func joined(spans []span) []span {
	byFrom := func(a, b span) int { return cmp.Compare(a.from, b.from) }
	if !slices.IsSortedFunc(spans, byFrom) {
		slices.SortFunc(spans, byFrom)
	}
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// find is the first run that ends behind a place.
func (i *Image) find(at int) int {
	n, _ := slices.BinarySearchFunc(i.runs, at, func(r run, at int) int {
		if r.end() <= at {
			return -1
		}
		return 1
	})
	return n
}

// Bytes is how much the image keeps, in bytes.
func (i *Image) Bytes() int { return i.bytes }

// restore makes a part of a memory, which begins at from, what the image has there.
func (i *Image) restore(mem []byte, from int) {
	if i == nil {
		clear(mem)
		return
	}
	to := from + len(mem)
	for k := i.find(from); k < len(i.runs) && i.runs[k].at < to; k++ {
		r := &i.runs[k]
		start := max(from, r.at)
		clear(mem[:start-from])
		n := copy(mem[start-from:], r.b[start-r.at:])
		mem = mem[start-from+n:]
		from = start + n
	}
	clear(mem)
}

// lay writes the image to a memory that is zero, as far as the memory goes. It returns how far it wrote.
func (i *Image) lay(mem []byte) int {
	if i == nil {
		return 0
	}
	high := 0
	for k := range i.runs {
		if r := &i.runs[k]; r.at < len(mem) {
			high = r.at + copy(mem[r.at:], r.b)
		}
	}
	return high
}

// mapped says that memories map the image.
func (i *Image) mapped() bool { return i != nil && i.shared.in() }

// end is how far the image goes, in bytes.
func (i *Image) end() int {
	if i == nil || len(i.runs) == 0 {
		return 0
	}
	return i.runs[len(i.runs)-1].end()
}

// Shared returns the same image as memories map it, or the image itself where they cannot or where a copy is made sooner.
// It belongs to one pool then, which ends it.
func (i *Image) Shared() *Image {
	if i.bytes < shareFrom || i.mapped() {
		return i
	}
	s, err := newSharing(i)
	if err != nil {
		return i
	}
	out := &Image{size: i.size, bytes: i.bytes, runs: slices.Clone(i.runs), shared: s}
	for k := range out.runs {
		r := &out.runs[k]
		r.b = s.at(r.at, r.end())
	}
	return out
}

// Use has the memories of the pool start with an image from now on, and those that are released be kept for that. Memories
// that are leased stay as they are. A pool takes an image for good: it ends with it, also when there is an error. That says
// that the image is larger than a memory may be.
func (p *Pool) Use(i *Image) error {
	if most := max(i.size, i.end()); uint64(most) > p.size {
		i.shared.close()
		return fmt.Errorf("an image of %s for memories of at most %s", mebibytes(uint64(most)), mebibytes(p.size))
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		i.shared.close()
		return ErrDiscarded
	}
	if old := p.image; old.mapped() && old != i {
		p.old = append(p.old, old)
	}
	p.image = i
	p.mu.Unlock()
	p.drop(false)
	return nil
}
