package store

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"

	"github.com/vanth-io/vanth/host"
)

// The layout of a bbolt file, version 2. Integers have the machine's byte order.
//
//	page    id u64, flags u16, count u16, overflow u32, then count elements, then data
//	branch  element: pos u32, key length u32, page id u64
//	leaf    element: flags u32, pos u32, key length u32, value length u32
//	bucket  value: root page id u64 (0: the page follows inline), sequence u64
//	meta    page, then magic u32, version u32, page size u32, flags u32,
//	        root bucket, free list page id u64, page count u64, transaction u64,
//	        FNV-1a of all that
//
// pos counts from the element. bbolt lays the data out without gaps, in the
// order of the elements.
const (
	minPage     = 1 << 10
	maxPage     = 1 << 24
	headerSize  = 16
	elementSize = 16
	metaSize    = 64

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of a leaf element

	maxDepth = 64 // of pages and buckets, far above what a file can need
)

// verify walks the file and reports the first thing that bbolt must not meet:
// a page that is referenced twice, is free and in use, lies outside the file,
// names itself wrongly or holds elements that are out of order or out of
// bounds. Afterwards each walk that bbolt can do ends, inside the file. verify
// allocates no more than the file is long.
func verify(r io.ReaderAt, size int64) error {
	v := &verifier{r: r}
	m, err := v.readMeta(size)
	if err != nil {
		return err
	}
	if m.pages > uint64(size)/v.pageSize {
		return broken("file has %d bytes and should have %d pages of %d", size, m.pages, v.pageSize)
	}
	v.used = make([]bool, m.pages)
	if err := v.freelist(m.freelist); err != nil {
		return err
	}
	return v.tree(m.root, nil, nil, 0)
}

func broken(format string, a ...any) error {
	return fmt.Errorf("%w: %s", host.ErrDamaged, fmt.Sprintf(format, a...))
}

type verifier struct {
	r        io.ReaderAt
	pageSize uint64
	used     []bool // by page id: free or referenced
}

type boltMeta struct {
	pageSize, root, freelist, pages, tx uint64
}

// readMeta returns the meta page that bbolt will use: the valid one of the
// later transaction.
func (v *verifier) readMeta(size int64) (boltMeta, error) {
	m, found := v.metaAt(0)
	for at := int64(minPage); at <= maxPage && at < size; at *= 2 {
		// The second meta page is where the page size says, which only a meta
		// page knows: try all sizes.
		if n, ok := v.metaAt(at); ok && n.pageSize == uint64(at) && (!found || n.tx > m.tx) {
			m, found = n, true
		}
	}
	if !found {
		return m, broken("no valid meta page")
	}
	v.pageSize = m.pageSize
	if v.pageSize < minPage || v.pageSize > maxPage || v.pageSize&(v.pageSize-1) != 0 {
		return m, broken("page size %d", v.pageSize)
	}
	return m, nil
}

func (v *verifier) metaAt(at int64) (m boltMeta, ok bool) {
	var b [metaSize]byte
	if _, err := v.r.ReadAt(b[:], at+headerSize); err != nil {
		return m, false
	}
	e := binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	if e.Uint32(b[:]) != boltMagic || e.Uint32(b[4:]) != boltVersion || e.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return m, false
	}
	return boltMeta{
		pageSize: uint64(e.Uint32(b[8:])),
		root:     e.Uint64(b[16:]),
		freelist: e.Uint64(b[32:]),
		pages:    e.Uint64(b[40:]),
		tx:       e.Uint64(b[48:]),
	}, true
}

// take marks pages as used.
func (v *verifier) take(id, n uint64) error {
	total := uint64(len(v.used))
	if id < 2 || id >= total || n > total-id {
		return broken("reference to page %d of %d", id, total)
	}
	for i := id; i < id+n; i++ {
		if v.used[i] {
			return broken("page %d is used twice", i)
		}
		v.used[i] = true
	}
	return nil
}

// page reads a page with its overflow and marks it as used.
func (v *verifier) page(id uint64) (b []byte, flags, count uint16, err error) {
	if total := uint64(len(v.used)); id >= total {
		return nil, 0, 0, broken("reference to page %d of %d", id, total)
	}
	var h [headerSize]byte
	if _, err := v.r.ReadAt(h[:], int64(id*v.pageSize)); err != nil {
		return nil, 0, 0, err
	}
	e := binary.NativeEndian
	if self := e.Uint64(h[:]); self != id {
		return nil, 0, 0, broken("page %d says it is page %d", id, self)
	}
	n := uint64(e.Uint32(h[12:])) + 1
	if err := v.take(id, n); err != nil {
		return nil, 0, 0, err
	}
	b = make([]byte, n*v.pageSize)
	if _, err := v.r.ReadAt(b, int64(id*v.pageSize)); err != nil {
		return nil, 0, 0, err
	}
	return b, e.Uint16(h[8:]), e.Uint16(h[10:]), nil
}

// freelist marks the free pages as used, so that a page of the tree which is
// also free, and would be overwritten, is found.
func (v *verifier) freelist(id uint64) error {
	if id == 1<<64-1 {
		return broken("file has no free list: it was written by another program")
	}
	b, flags, n, err := v.page(id)
	if err != nil {
		return err
	}
	if flags != flagFreelist {
		return broken("free list page %d has flags %#x", id, flags)
	}
	e := binary.NativeEndian
	count, ids := uint64(n), b[headerSize:]
	if n == 0xFFFF {
		count, ids = e.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return broken("free list of %d pages does not fit its page", count)
	}
	for i := range count {
		if err := v.take(e.Uint64(ids[8*i:]), 1); err != nil {
			return fmt.Errorf("free list: %w", err)
		}
	}
	return nil
}

// tree walks a page and what is below it; its keys must be in [low, high), nil
// for no bound.
func (v *verifier) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return broken("page %d is %d levels deep", id, depth)
	}
	b, flags, count, err := v.page(id)
	if err != nil {
		return err
	}
	switch flags {
	case flagLeaf:
		return v.leaf(id, b, count, low, high, depth)
	case flagBranch:
		return v.branch(id, b, count, low, high, depth)
	}
	return broken("page %d has flags %#x", id, flags)
}

func (v *verifier) branch(id uint64, b []byte, count uint16, low, high []byte, depth int) error {
	if count == 0 {
		return broken("branch page %d is empty", id)
	}
	w := walk{id: id, b: b, count: int(count), low: low, high: high}
	type child struct {
		key []byte
		id  uint64
	}
	children := make([]child, 0, min(int(count), len(b)/elementSize))
	e := binary.NativeEndian
	for i := range w.count {
		at := headerSize + i*elementSize
		if at+elementSize > len(b) {
			return broken("page %d: %d elements do not fit", id, count)
		}
		el := b[at:]
		key, _, err := w.next(at, e.Uint32(el), e.Uint32(el[4:]), 0)
		if err != nil {
			return err
		}
		children = append(children, child{key, e.Uint64(el[8:])})
	}
	for i, c := range children {
		next := high
		if i+1 < len(children) {
			next = children[i+1].key
		}
		if err := v.tree(c.id, c.key, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) leaf(id uint64, b []byte, count uint16, low, high []byte, depth int) error {
	w := walk{id: id, b: b, count: int(count), low: low, high: high}
	e := binary.NativeEndian
	for i := range w.count {
		at := headerSize + i*elementSize
		if at+elementSize > len(b) {
			return broken("page %d: %d elements do not fit", id, count)
		}
		el := b[at:]
		_, value, err := w.next(at, e.Uint32(el[4:]), e.Uint32(el[8:]), e.Uint32(el[12:]))
		if err != nil {
			return err
		}
		switch e.Uint32(el) {
		case 0:
		case flagBucket:
			if err := v.bucket(id, value, depth+1); err != nil {
				return err
			}
		default:
			return broken("page %d: element flags %#x", id, e.Uint32(el))
		}
	}
	return nil
}

// bucket walks the bucket whose header is value.
func (v *verifier) bucket(id uint64, value []byte, depth int) error {
	e := binary.NativeEndian
	if len(value) < 16 {
		return broken("page %d: bucket of %d bytes", id, len(value))
	}
	root, page := e.Uint64(value), value[16:]
	if root != 0 {
		if len(page) != 0 {
			return broken("page %d: bucket with a page and a reference", id)
		}
		return v.tree(root, nil, nil, depth)
	}
	if depth > maxDepth || len(page) < headerSize || e.Uint16(page[8:]) != flagLeaf {
		return broken("page %d: inline bucket", id)
	}
	return v.leaf(id, page, e.Uint16(page[10:]), nil, nil, depth)
}

// walk steps through the elements of a page and holds them to their order.
type walk struct {
	id        uint64
	b         []byte
	count     int
	low, high []byte
	end       uint64 // of the data before
	prev      []byte
}

// next checks one element, which stands at offset at, and returns its key and
// value.
func (w *walk) next(at int, pos, keyLen, valueLen uint32) (key, value []byte, err error) {
	start := uint64(at) + uint64(pos)
	if w.prev == nil {
		w.end = uint64(headerSize + w.count*elementSize)
	}
	mid := start + uint64(keyLen)
	end := mid + uint64(valueLen)
	if start != w.end || keyLen == 0 || end > uint64(len(w.b)) {
		return nil, nil, broken("page %d: an element is out of place", w.id)
	}
	key, value = w.b[start:mid], w.b[mid:end]
	if w.prev != nil && string(key) <= string(w.prev) ||
		w.low != nil && string(key) < string(w.low) || w.high != nil && string(key) >= string(w.high) {
		return nil, nil, broken("page %d: key %q is out of order", w.id, key)
	}
	w.end, w.prev = end, key
	return key, value, nil
}
