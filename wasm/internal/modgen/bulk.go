package modgen

import "encoding/binary"

// address writes an i32 that is within the memory most of the time, with room for an offset behind it.
func (b *body) address(depth int) {
	switch k := b.IntN(20); {
	case k < 12:
		b.expr(i32, depth)
		b.bytes(0x41)
		b.s(0x7fff)
		b.bytes(0x71)
	case k < 19:
		b.bytes(0x41)
		b.s(int64(b.IntN(0x8000)))
	default:
		b.expr(i32, depth)
	}
}

// offset writes what follows a load or a store that needs such an alignment at most, as a power of 2.
func (b *body) offset(align int) {
	b.u(b.IntN(align + 1))
	switch b.IntN(30) {
	case 0:
		b.out = binary.AppendUvarint(b.out, 0xffff_fff0+uint64(b.IntN(16))) // more than an int has on 32 bits
	case 1:
		b.u(b.IntN(1 << 20))
	default:
		b.u(b.IntN(0x7000))
	}
}

// natural is the highest alignment of a load or store.
func natural(op byte) int {
	switch op {
	case 0x29, 0x2b, 0x37, 0x39:
		return 3
	case 0x28, 0x2a, 0x34, 0x35, 0x36, 0x38, 0x3e:
		return 2
	case 0x2e, 0x2f, 0x32, 0x33, 0x3b, 0x3d:
		return 1
	}
	return 0
}

func (b *body) load(op, t byte, depth int) {
	if !b.memory {
		b.leaf(t)
		return
	}
	b.address(depth)
	b.bytes(op)
	b.offset(natural(op))
}

func (b *body) store(depth int) {
	if !b.memory {
		return
	}
	b.address(depth)
	k := b.IntN(10)
	op := byte(0x36 + k)
	t := []byte{i32, i64, f32, f64, i32, i32, i64, i64, i64, v128}[k]
	b.shown(t, depth)
	if t == v128 {
		b.bytes(0xfd, 0x0b)
		b.offset(4)
		return
	}
	b.bytes(op)
	b.offset(natural(op))
}

// length writes how many bytes or entries are moved: few most of the time, sometimes up to all of them, and then steps
// are taken.
func (b *body) length(all, depth int) {
	switch k := b.IntN(20); {
	case k < 13:
		b.bytes(0x41)
		b.s(int64(b.IntN(min(all, 32) + 1)))
	case k < 16:
		b.expr(i32, depth)
		b.bytes(0x41, 31, 0x71)
	case k < 19:
		b.tick(b.between(1, 4))
		b.bytes(0x41)
		b.s(int64(b.IntN(all + 1)))
	default:
		b.tick(b.between(1, 4))
		b.expr(i32, depth)
	}
}

// place writes where bytes or entries are moved to or from: in the first half most of the time.
func (b *body) place(all, depth int) {
	switch b.IntN(8) {
	case 0:
		b.bytes(0x41)
		b.s(int64(all - b.IntN(min(all, 64)+1)))
	case 1:
		b.expr(i32, depth)
		b.bytes(0x41, 15, 0x71)
	default:
		b.bytes(0x41)
		b.s(int64(b.IntN(all/2 + 1)))
	}
}

// bulk writes an operation on many bytes or entries, if there is anything to operate on.
func (b *body) bulk(depth int) {
	if b.memory && b.one(2) {
		b.bulkMemory(depth)
		return
	}
	if len(b.tables) > 0 {
		b.bulkTable(depth)
	}
}

func (b *body) bulkMemory(depth int) {
	size := b.pages << 16
	k := b.IntN(4)
	if len(b.data) == 0 {
		k = b.IntN(2)
	}
	switch k {
	case 0:
		b.place(size, depth)
		b.expr(i32, depth)
		b.length(size, depth)
		b.bytes(0xfc, 11, 0)
	case 1:
		if size > 0 && b.one(2) {
			b.overlap()
			return
		}
		b.place(size, depth)
		b.place(size, depth)
		b.length(size, depth)
		b.bytes(0xfc, 10, 0, 0)
	case 2:
		i := b.IntN(len(b.data))
		b.place(size, depth)
		b.place(len(b.data[i].bytes)/4, depth)
		b.length(len(b.data[i].bytes), depth)
		b.bytes(0xfc, 8, byte(i), 0)
	default:
		b.bytes(0xfc, 9, byte(b.IntN(len(b.data))))
	}
}

// overlap writes a copy of bytes to a place among them, of which some are not 0.
func (b *body) overlap() {
	from, n := b.between(300, 1000), b.between(20, 600)
	b.bytes(0x41)
	b.s(int64(from + b.IntN(n)))
	b.bytes(0x42)
	b.s(b.number())
	b.bytes(0x37, 0, 0) // i64.store
	to := from + b.IntN(n) - b.IntN(min(n, 300))
	for _, v := range []int{to, from, n} {
		b.bytes(0x41)
		b.s(int64(v))
	}
	b.bytes(0xfc, 10, 0, 0)
}

func (b *body) bulkTable(depth int) {
	i := b.IntN(len(b.tables))
	t := b.tables[i]
	switch k := b.IntN(5); k {
	case 0:
		b.entry(i, depth)
		b.expr(t.ref, depth)
		b.bytes(0x26, byte(i)) // set
	case 1:
		b.place(t.min, depth)
		b.expr(t.ref, depth)
		b.length(t.min, depth)
		b.bytes(0xfc, 17, byte(i))
	case 2:
		from := b.tableOf(t.ref)
		b.place(t.min, depth)
		b.place(b.tables[from].min, depth)
		b.length(t.min, depth)
		b.bytes(0xfc, 14, byte(i), byte(from))
	default:
		if len(b.elements) == 0 {
			return
		}
		e := b.IntN(len(b.elements))
		if k == 3 && b.elements[e].ref == t.ref {
			n := len(b.elements[e].funcs)
			b.place(t.min, depth)
			b.place(n/4, depth)
			b.length(n, depth)
			b.bytes(0xfc, 12, byte(e), byte(i))
			return
		}
		b.bytes(0xfc, 13, byte(e)) // drop
	}
}

// tableOf is a table of references of a type, or -1.
func (b *body) tableOf(ref byte) int {
	if len(b.tables) == 0 {
		return -1
	}
	for i, from := 0, b.IntN(len(b.tables)); i < len(b.tables); i++ {
		if k := (i + from) % len(b.tables); b.tables[k].ref == ref {
			return k
		}
	}
	return -1
}

// entry writes the index of an entry, which is there most of the time.
func (b *body) entry(table, depth int) {
	n := b.tables[table].min
	switch b.IntN(10) {
	case 0, 1:
		b.expr(i32, depth)
		b.bytes(0x41, 7, 0x71)
	case 2:
		b.expr(i32, depth)
	default:
		b.bytes(0x41)
		b.s(int64(b.IntN(min(n, 12) + 1)))
	}
}

// sizes writes the size of the memory or of a table.
func (b *body) sizes() {
	switch {
	case b.memory && b.one(2):
		b.bytes(0x3f, 0)
	case len(b.tables) > 0:
		b.bytes(0xfc, 16, byte(b.IntN(len(b.tables))))
	default:
		b.leaf(i32)
	}
}

// grow writes the growth of the memory or of a table by a little, or by more than there can be. Between lies what one
// host allows and another does not.
func (b *body) grow(depth int) {
	delta := func() {
		if b.one(10) {
			b.bytes(0x41, 0x7f) // 2^32 - 1
			return
		}
		b.tick(4)
		b.expr(i32, depth)
		b.bytes(0x41, 3, 0x71)
	}
	switch {
	case b.memory && b.one(3):
		delta()
		b.bytes(0x40, 0)
	case len(b.tables) > 0:
		i := b.IntN(len(b.tables))
		b.expr(b.tables[i].ref, depth)
		delta()
		b.bytes(0xfc, 15, byte(i))
	default:
		b.leaf(i32)
	}
}
