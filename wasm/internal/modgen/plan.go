package modgen

import (
	"encoding/binary"
	"math/rand/v2"
)

// global is a global; the first is Steps. All are exported.
type global struct {
	t       byte
	mutable bool
	init    []byte
}

type table struct {
	ref      byte
	min, max int
	bounded  bool
}

// elements is an element segment.
type elements struct {
	flags  int
	table  int
	offset int
	ref    byte
	funcs  []int // -1 is null
}

type data struct {
	passive, indexed bool
	offset           int
	bytes            []byte
}

// function is a function with a body, or an imported one.
type function struct {
	signature
	name string
	leaf bool // calls nothing, and takes no step at its start
	body []byte
}

// maker is the state of one module that is made.
type maker struct {
	*rand.Rand
	types    []signature
	imported int // functions among funcs, which come first
	funcs    []function
	tables   []table
	memory   bool
	pages    int
	globals  []global
	elements []elements
	data     []data
	declared []int // functions that code refers to
	observer int   // the first function that shows a table; behind it stand those of the others
	pads     bool  // numbers are written as linkers leave them
}

// Module returns the module that a seed stands for. Most take one or two kilobytes.
func Module(seed uint64) []byte {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0x6d6f6467656e))}
	m.pads = m.one(8)
	m.planTypes()
	m.planMemory()
	m.planTables()
	m.planFunctions()
	m.planSegments()
	m.planGlobals()
	for i := m.imported; i < len(m.funcs); i++ {
		if m.funcs[i].body == nil {
			m.funcs[i].body = m.write(&m.funcs[i])
		}
	}
	return m.encode()
}

// one says yes once in n times.
func (m *maker) one(n int) bool { return m.IntN(n) == 0 }

// between is a number from low to high.
func (m *maker) between(low, high int) int { return low + m.IntN(high-low+1) }

// valueType is a type of values, an i32 half of the time.
func (m *maker) valueType() byte {
	const often = "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7e\x7e\x7e\x7e\x7d\x7d\x7c\x7c\x7b\x70\x6f"
	return often[m.IntN(len(often))]
}

func (m *maker) valueTypes(most int) []byte {
	t := make([]byte, m.IntN(most+1))
	for i := range t {
		t[i] = m.valueType()
	}
	return t
}

// typeOf is the index of a type, which is added if need be, and now and then although there is one.
func (m *maker) typeOf(s signature) int {
	for i, t := range m.types {
		if t.equal(s) && (len(m.types) >= 20 || !m.one(20)) {
			return i
		}
	}
	m.types = append(m.types, s)
	return len(m.types) - 1
}

// planTypes adds types that nobody uses, so that those of blocks need two bytes.
func (m *maker) planTypes() {
	if m.one(30) {
		for range m.between(55, 130) {
			m.types = append(m.types, signature{m.valueTypes(3), m.valueTypes(3)})
		}
	}
}

func (m *maker) planMemory() {
	m.memory = !m.one(20)
	switch k := m.IntN(40); {
	case k == 0:
	case k < 6:
		m.pages = m.between(2, 4)
	case k == 6:
		m.pages = m.between(5, 20)
	default:
		m.pages = 1
	}
}

func (m *maker) planTables() {
	for range m.IntN(4) {
		t := table{ref: funcRef, min: m.between(1, 24), bounded: m.one(2)}
		if m.one(3) {
			t.ref = externRef
		}
		switch m.IntN(40) {
		case 0:
			t.min = m.between(4_000, 30_000)
		case 1:
			t.min = 0
		}
		t.max = t.min + m.IntN(100)
		m.tables = append(m.tables, t)
	}
}

// planFunctions decides which functions there are. Sometimes so many that their indices cross 128, where they get a byte
// longer.
func (m *maker) planFunctions() {
	possible := Imports()
	for range m.IntN(5) * m.IntN(2) {
		i := possible[m.IntN(len(possible))]
		m.funcs = append(m.funcs, function{signature: signature{i.Params, i.Results}, name: i.Name})
	}
	m.imported = len(m.funcs)
	if m.one(12) {
		for most := m.between(118, 129); len(m.funcs) < most; {
			m.funcs = append(m.funcs, m.filler())
		}
	}
	m.observer = len(m.funcs)
	for i, t := range m.tables {
		m.funcs = append(m.funcs, function{
			signature: signature{nil, []byte{i32, i64}}, name: "observe", body: observe(i, t.ref),
		})
	}
	for range m.between(1, 6) {
		f := function{signature: signature{m.valueTypes(4), m.valueTypes(3)}, leaf: m.one(4)}
		if m.one(6) {
			f.signature = signature{}
		}
		if m.one(2) {
			f.name = "function" + string(rune('a'+len(m.funcs)%26))
		}
		m.funcs = append(m.funcs, f)
	}
}

// filler is a function that is there to be counted.
func (m *maker) filler() function {
	if m.one(2) {
		return function{leaf: true, body: []byte{0, 0x0b}}
	}
	return function{signature: signature{[]byte{i32}, []byte{i32}}, leaf: true, body: []byte{0, 0x20, 0, 0x0b}}
}

func (m *maker) planSegments() {
	for i, t := range m.tables {
		if m.one(4) {
			continue
		}
		n := min(m.between(1, 10), t.min)
		if m.one(60) {
			n++ // too many
		}
		flags := []int{2, 6}[m.IntN(2)]
		if i == 0 && t.ref == funcRef && m.one(2) {
			flags -= 2
		}
		m.elements = append(m.elements, m.elementsOf(t.ref, flags, i, max(0, t.min-n)*m.IntN(2), n))
	}
	for range m.IntN(3) {
		ref := byte(funcRef)
		if m.one(3) {
			ref = externRef
		}
		m.elements = append(m.elements, m.elementsOf(ref, []int{1, 5}[m.IntN(2)], 0, 0, m.IntN(12)))
	}
	if !m.memory {
		return
	}
	for range m.IntN(4) {
		d := data{passive: m.one(2), indexed: m.one(4), bytes: make([]byte, m.IntN(40))}
		switch {
		case m.one(6):
			d.bytes = make([]byte, m.between(60, 400))
		case m.one(80):
			d.bytes = make([]byte, m.between(4_000, 20_000))
		}
		for i := range d.bytes {
			d.bytes[i] = byte(i*7 + 1)
		}
		d.offset = m.IntN(max(1, m.pages<<16-len(d.bytes)))
		if m.one(80) {
			d.offset = m.pages << 16
		}
		m.data = append(m.data, d)
	}
}

func (m *maker) elementsOf(ref byte, flags, table, offset, n int) elements {
	e := elements{flags: flags, table: table, offset: offset, ref: ref}
	if ref == externRef {
		e.flags |= 4
	}
	for range n {
		switch {
		case ref == externRef, e.flags&4 != 0 && m.one(4):
			e.funcs = append(e.funcs, -1)
		default:
			e.funcs = append(e.funcs, m.anyFunction())
		}
	}
	return e
}

// anyFunction is the index of a function, one of the last most of the time, which do more.
func (m *maker) anyFunction() int {
	if len(m.funcs) > 20 && !m.one(4) {
		return len(m.funcs) - 1 - m.IntN(8)
	}
	return m.IntN(len(m.funcs))
}

func (m *maker) planGlobals() {
	m.globals = append(m.globals, global{i32, true, []byte{0x41, 0xe4, 0x00}}) // 100
	n := m.IntN(6)
	if m.one(60) {
		n = m.between(120, 130)
	}
	for range n {
		g := global{t: m.valueType(), mutable: !m.one(4)}
		w := &writer{}
		m.constant(w, g.t)
		g.init = w.out
		m.globals = append(m.globals, g)
	}
}

// constant writes an instruction that leaves a constant.
func (m *maker) constant(w *writer, t byte) {
	switch t {
	case i32:
		w.bytes(0x41)
		w.s(int64(int32(m.number())))
	case i64:
		w.bytes(0x42)
		w.s(m.number())
	case f32:
		w.bytes(0x43)
		w.out = binary.LittleEndian.AppendUint32(w.out, m.float32())
	case f64:
		w.bytes(0x44)
		w.out = binary.LittleEndian.AppendUint64(w.out, m.float64())
	case v128:
		w.bytes(0xfd, 0x0c)
		w.out = binary.LittleEndian.AppendUint64(w.out, m.Uint64())
		w.out = binary.LittleEndian.AppendUint64(w.out, uint64(m.number()))
	case funcRef:
		if m.one(3) {
			w.bytes(0xd0, t)
			return
		}
		m.refFunc(w)
	default:
		w.bytes(0xd0, t)
	}
}

// refFunc writes ref.func of some function.
func (m *maker) refFunc(w *writer) {
	i := m.anyFunction()
	m.declared = append(m.declared, i)
	w.bytes(0xd2)
	m.index(w, i)
}

// index writes the index of a function.
func (m *maker) index(w *writer, i int) {
	if m.pads {
		w.padded(i)
		return
	}
	w.u(i)
}

// number is small, or at an edge, or anything.
func (m *maker) number() int64 {
	switch m.IntN(6) {
	case 0:
		return m.Int64()
	case 1:
		return []int64{-1, 1 << 31, 1<<31 - 1, -1 << 31, 1<<63 - 1, 1 << 32, 63, 64, 127, 128}[m.IntN(10)]
	case 2:
		return int64(m.IntN(1 << 16))
	}
	return int64(m.IntN(20))
}

func (m *maker) float32() uint32 {
	if m.one(8) {
		return []uint32{0, 1 << 31, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00000, 1, 0x4f000000}[m.IntN(8)]
	}
	return 0x3f800000 + uint32(m.IntN(1<<26))
}

func (m *maker) float64() uint64 {
	if m.one(8) {
		return []uint64{0, 1 << 63, 0x7ff << 52, 0xfff << 52, 0x7ff8 << 48, 0x7ff4 << 48, 1, 0x43e << 52}[m.IntN(8)]
	}
	return 0x3ff<<52 + m.Uint64N(1<<57)
}
