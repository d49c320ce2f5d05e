package modgen

// frame is a block that is open.
type frame struct {
	label  []byte // types of what a branch to it carries
	closed bool   // no branch may go to it
}

// body is the state of one body that is written.
type body struct {
	*maker
	writer
	f        *function
	locals   []byte // their types, parameters first
	reserved []bool // written by nobody but who made it
	frames   []frame
	budget   int // expressions and statements that may still be written
	tickless int // loops around that take no step
	f32, f64 int // locals to look at a float with; -1 without
}

// maxFrames is how many blocks stand in one another at most.
const maxFrames = 140

// write writes the body of a function.
func (m *maker) write(f *function) []byte {
	b := &body{maker: m, f: f, locals: append([]byte(nil), f.params...), budget: m.between(4, 40), f32: -1, f64: -1}
	switch m.IntN(40) {
	case 0:
		b.budget = 400
	case 1, 2, 3:
		b.budget = 120
	case 4, 5, 6, 7:
		b.budget = 1
	}
	b.reserved = make([]bool, len(b.locals))
	for range m.IntN(5) {
		b.local(m.valueType())
	}
	if t := m.valueType(); m.one(60) { // more than fit into a byte
		for range m.between(60, 300) {
			b.local(t)
		}
	}
	b.frames = append(b.frames, frame{label: f.results})
	if !f.leaf {
		b.tick(1)
	}
	b.finish(f.results, b.statements(m.between(1, 6), 5), 5)
	return b.whole()
}

// whole is the body with its locals before it.
func (b *body) whole() []byte {
	var w writer
	declared := b.locals[len(b.f.params):]
	runs := 0
	var list writer
	for i := 0; i < len(declared); {
		n := 1
		for i+n < len(declared) && declared[i+n] == declared[i] {
			n++
		}
		list.u(n)
		list.bytes(declared[i])
		i += n
		runs++
	}
	w.u(runs)
	w.bytes(list.out...)
	w.bytes(b.out...)
	return w.out
}

// local adds a local.
func (b *body) local(t byte) int {
	b.locals = append(b.locals, t)
	b.reserved = append(b.reserved, false)
	return len(b.locals) - 1
}

// find is a local of a type, or -1; one to write to is not reserved.
func (b *body) find(t byte, write bool) int {
	if len(b.locals) == 0 {
		return -1
	}
	for i, from := 0, b.IntN(len(b.locals)); i < len(b.locals); i++ {
		k := (i + from) % len(b.locals)
		if b.locals[k] == t && (!write || !b.reserved[k]) {
			return k
		}
	}
	return -1
}

// finish ends a block that leaves such results. Where the end is never reached, values may be missing.
func (b *body) finish(results []byte, gone bool, depth int) {
	if gone {
		results = results[b.IntN(len(results)+1):]
	}
	for _, t := range results {
		b.expr(t, depth)
	}
	b.end()
}

func (b *body) end() {
	b.frames = b.frames[:len(b.frames)-1]
	b.bytes(0x0b)
}

// open writes the start of a block.
func (b *body) open(op byte, s signature, f frame) {
	b.bytes(op)
	switch {
	case len(s.params) == 0 && len(s.results) == 0:
		b.bytes(0x40)
	case len(s.params) == 0 && len(s.results) == 1 && !b.one(8):
		b.bytes(s.results[0])
	default:
		b.s(int64(b.typeOf(s)))
	}
	b.frames = append(b.frames, f)
}

// tick takes so many steps, and traps if they were too many.
func (b *body) tick(n int) {
	b.bytes(0x23, 0, 0x41)
	b.s(int64(n))
	b.bytes(0x6b, 0x24, 0, 0x23, 0, 0x41, 0, 0x48, 0x04, 0x40, 0x00, 0x0b)
}

// block writes a block, a loop or an if with parameters and results that come from and go to the stack, which holds
// the parameters.
func (b *body) block(s signature, depth int) {
	switch k := b.IntN(10); {
	case k < 4:
		b.open(0x02, s, frame{label: s.results})
		b.take(s.params)
		b.finish(s.results, b.statements(b.IntN(4), depth), depth)
	case k < 7:
		b.expr(i32, depth)
		b.open(0x04, s, frame{label: s.results})
		b.take(s.params)
		gone := b.statements(b.IntN(3), depth)
		if len(s.params) == 0 && len(s.results) == 0 && b.one(2) {
			b.end()
			return
		}
		if gone {
			b.some(s.results, depth)
		} else {
			b.all(s.results, depth)
		}
		b.bytes(0x05)
		b.take(s.params)
		b.finish(s.results, b.statements(b.IntN(3), depth), depth)
	default:
		b.open(0x03, s, frame{label: s.params})
		if b.one(8) {
			b.take(s.params) // the values of the parameters are gone before the step
			b.tick(1)
		} else {
			b.tick(1)
			b.take(s.params)
		}
		b.finish(s.results, b.statements(b.IntN(4), depth), depth)
	}
}

// all writes values.
func (b *body) all(types []byte, depth int) {
	for _, t := range types {
		b.expr(t, depth)
	}
}

// some writes the last of the values only, where the code is not reached.
func (b *body) some(types []byte, depth int) { b.all(types[b.IntN(len(types)+1):], depth) }

// take removes values from the stack, the last first.
func (b *body) take(types []byte) {
	for i := len(types) - 1; i >= 0; i-- {
		b.pop(types[i])
	}
}

// pop puts a value somewhere.
func (b *body) pop(t byte) {
	switch b.IntN(4) {
	case 0:
		if i := b.global(t); i >= 0 {
			b.bytes(0x24)
			b.u(i)
			return
		}
	case 1, 2:
		if i := b.find(t, true); i >= 0 {
			b.bytes(0x21)
			b.u(i)
			return
		}
	}
	b.bytes(0x1a)
}

// global is a global that may be written, of a type, or -1.
func (b *body) global(t byte) int {
	for i := len(b.globals) - 1; i > 0; i-- {
		if b.globals[i].t == t && b.globals[i].mutable {
			return i
		}
	}
	return -1
}

// observe is the body of a function that returns the size of a table, and a number made of which entries are null: of
// all, or of some in a large one.
func observe(table int, ref byte) []byte {
	var w writer
	w.bytes(2, 1, i32, 1, i64) // the entry, the number
	w.bytes(0x02, 0x40, 0x03, 0x40)
	w.bytes(0x20, 0, 0xfc, 0x10, byte(table), 0x4f, 0x0d, 1) // behind the last?
	w.bytes(0x20, 1, 0x42, 31, 0x7e, 0x20, 0, 0x25, byte(table), 0xd1, 0xad, 0x7c, 0x42, 1, 0x7c, 0x21, 1)
	w.bytes(0x20, 0, 0xfc, 0x10, byte(table), 0x41, 6, 0x76, 0x41, 1, 0x6a, 0x6a, 0x21, 0) // by size >> 6 + 1
	w.bytes(0x0c, 0, 0x0b, 0x0b)
	w.bytes(0xfc, 0x10, byte(table), 0x20, 1, 0x0b)
	return w.out
}
