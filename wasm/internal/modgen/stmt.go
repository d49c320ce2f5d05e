package modgen

import "bytes"

// statements writes up to n statements, none of which leaves a value, and says whether the end is never reached. Behind
// such a place may stand more code.
func (b *body) statements(n, depth int) (gone bool) {
	for range n {
		if b.budget <= 0 || depth <= 0 {
			break
		}
		b.budget--
		if b.statement(depth - 1) {
			gone = true
			if !b.one(3) {
				break
			}
			b.dead()
		}
	}
	return gone
}

// dead writes code that takes values that are not there. It is valid, as it is never reached.
func (b *body) dead() {
	for range b.IntN(3) {
		switch b.IntN(7) {
		case 0:
			b.bytes(0x1a)
		case 1:
			b.bytes(0x6a, 0x1a) // add
		case 2:
			b.bytes(0x1b, 0x1a) // select
		case 3:
			b.bytes(0x02, 0x40, 0x0b)
		case 4:
			b.bytes(0x04, 0x40, 0x0c, 0, 0x05, 0x0b) // if
		case 5:
			b.bytes(0x03, 0x40, 0x0c, 0, 0x0b)
		default:
			b.bytes(0x0f) // return
		}
	}
}

func (b *body) statement(depth int) (gone bool) {
	switch k := b.IntN(100); {
	case k < 18:
		t := b.valueType()
		b.expr(t, depth)
		b.pop(t)
	case k < 23:
		t := b.valueType()
		b.expr(t, depth)
		b.bytes(0x21)
		b.u(b.local(t))
	case k < 35:
		b.store(depth)
	case k < 47:
		b.nested(depth)
	case k < 55:
		b.counted(depth)
	case k < 58:
		b.repeated(depth)
	case k < 68:
		b.call(depth)
	case k < 74:
		b.branchIf(depth)
	case k < 80:
		return b.diverge(depth)
	case k < 92:
		b.bulk(depth)
	case k < 95:
		b.expr(i32, depth)
		b.bytes(0x04, 0x40)
		b.frames = append(b.frames, frame{})
		b.diverge(depth)
		b.end()
	case k < 97:
		b.bytes(0x01) // nop
	default:
		b.grow(depth)
		b.pop(i32)
	}
	return false
}

// nested writes a block with its parameters before it, and takes its results.
func (b *body) nested(depth int) {
	if len(b.frames) >= maxFrames {
		return
	}
	var s signature
	if b.one(3) {
		s.params = b.valueTypes(3)
	}
	if b.one(3) {
		s.results = b.valueTypes(3)
	}
	around := 0
	if b.one(20) {
		around = b.between(1, 15)
		if b.one(8) {
			around = max(0, b.between(120, 128)-len(b.frames)) // labels get a byte longer
		}
	}
	for range around {
		b.open(0x02, signature{}, frame{})
	}
	b.all(s.params, depth)
	b.block(s, depth)
	b.take(s.results)
	for range around {
		b.end()
	}
}

// counted writes a loop that ends when a local is 0. If nothing else repeats it, it may take no steps.
func (b *body) counted(depth int) {
	if len(b.frames) >= maxFrames {
		return
	}
	i := b.local(i32)
	b.reserved[i] = true
	b.bytes(0x41)
	b.s(int64(b.between(1, 24)))
	b.bytes(0x21)
	b.u(i)
	free := b.tickless == 0 && b.one(2)
	b.open(0x03, signature{}, frame{closed: free})
	if free {
		b.tickless++
	} else {
		b.tick(1)
	}
	b.statements(b.IntN(4), depth)
	b.bytes(0x20)
	b.u(i)
	b.bytes(0x41, 1, 0x6b, 0x22)
	b.u(i)
	b.bytes(0x0d, 0)
	if free {
		b.tickless--
	}
	b.end()
}

// repeated writes a loop that ends when its body says so, or not.
func (b *body) repeated(depth int) {
	if len(b.frames) >= maxFrames {
		return
	}
	b.open(0x03, signature{}, frame{})
	b.tick(1)
	b.statements(b.IntN(4), depth)
	switch b.IntN(5) {
	case 0:
		b.bytes(0x0c, 0)
	case 1:
	default:
		b.expr(i32, depth)
		b.bytes(0x0d, 0)
	}
	b.end()
}

// target is the depth of a label that a branch may go to, the outermost one a quarter of the time.
func (b *body) target() int {
	d := b.IntN(len(b.frames))
	if b.one(4) || b.frames[len(b.frames)-1-d].closed {
		d = len(b.frames) - 1
	}
	return d
}

func (b *body) label(d int) []byte { return b.frames[len(b.frames)-1-d].label }

func (b *body) branchIf(depth int) {
	d := b.target()
	b.all(b.label(d), depth)
	b.expr(i32, depth)
	b.bytes(0x0d)
	b.u(d)
	b.take(b.label(d))
}

// diverge writes what is never left at its end, often with values beneath that get lost.
func (b *body) diverge(depth int) bool {
	if b.one(4) {
		b.expr(b.valueType(), depth)
	}
	switch k := b.IntN(20); {
	case k < 8:
		d := b.target()
		b.all(b.label(d), depth)
		b.bytes(0x0c)
		b.u(d)
	case k < 13:
		b.all(b.f.results, depth)
		b.bytes(0x0f)
	case k < 19:
		b.branchTable(depth)
	default:
		b.bytes(0x00)
	}
	return true
}

func (b *body) branchTable(depth int) {
	otherwise := b.target()
	var same []int
	for d := range b.frames {
		if !b.frames[len(b.frames)-1-d].closed && bytes.Equal(b.label(d), b.label(otherwise)) {
			same = append(same, d)
		}
	}
	b.all(b.label(otherwise), depth)
	b.expr(i32, depth)
	n := b.IntN(5)
	if b.one(20) {
		n = b.between(20, 150)
	}
	b.bytes(0x0e)
	b.u(n)
	for range n {
		b.u(same[b.IntN(len(same))])
	}
	b.u(otherwise)
}

// call writes a call of some function, and takes its results.
func (b *body) call(depth int) {
	if b.f.leaf {
		return
	}
	f := b.anyFunction()
	b.callOf(f, depth)
	b.take(b.funcs[f].results)
}

// callFor writes a call that leaves a value of a type, if there is such a function.
func (b *body) callFor(t byte, depth int) {
	if !b.f.leaf {
		for range 6 {
			f := b.anyFunction()
			if r := b.funcs[f].results; len(r) == 1 && r[0] == t {
				b.callOf(f, depth)
				return
			}
		}
	}
	b.leaf(t)
}

// callOf writes a call, through a table now and then, which may find another function there.
func (b *body) callOf(f, depth int) {
	s := b.funcs[f].signature
	table := b.tableOf(funcRef)
	if table < 0 || !b.one(3) {
		b.all(s.params, depth)
		b.bytes(0x10)
		b.index(&b.writer, f)
		return
	}
	entry := -1
	for _, e := range b.elements {
		for i, other := range e.funcs {
			if e.flags&1 == 0 && e.table == table && other >= 0 && b.funcs[other].equal(s) {
				entry = e.offset + i
			}
		}
	}
	b.all(s.params, depth)
	switch {
	case b.one(12):
		b.entry(table, depth)
	case b.one(3) || entry < 0: // put there first, so that it is found
		at := int64(b.IntN(b.tables[table].min + 1))
		b.bytes(0x41)
		b.s(at)
		b.bytes(0xd2)
		b.index(&b.writer, f)
		b.declared = append(b.declared, f)
		b.bytes(0x26, byte(table), 0x41)
		b.s(at)
	default:
		b.bytes(0x41)
		b.s(int64(entry))
	}
	b.bytes(0x11)
	b.u(b.typeOf(s))
	b.u(table)
}
