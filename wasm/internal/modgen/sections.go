package modgen

// Ids of sections.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

// section adds a section, and sometimes a custom one before it.
func (m *maker) section(out *writer, id byte, content writer) {
	if m.one(30) {
		out.bytes(secCustom)
		out.sized([]byte("\x04note something"))
	}
	out.bytes(id)
	if m.pads {
		out.padded(len(content.out))
		out.bytes(content.out...)
		return
	}
	out.sized(content.out)
}

// encode writes the module. The declared functions are complete, so no body is written any more.
func (m *maker) encode() []byte {
	out := &writer{make([]byte, 0, 4096)}
	out.bytes([]byte("\x00asm\x01\x00\x00\x00")...)
	funcs := m.functionSection() // which may add types
	imports := m.importSection()
	m.section(out, secType, m.typeSection())
	if m.imported > 0 {
		m.section(out, secImport, imports)
	}
	m.section(out, secFunction, funcs)
	if len(m.tables) > 0 {
		m.section(out, secTable, m.tableSection())
	}
	if m.memory {
		var w writer
		w.u(1)
		if m.one(3) {
			w.bytes(1)
			w.u(m.pages)
			w.u(m.pages + m.IntN(5))
		} else {
			w.bytes(0)
			w.u(m.pages)
		}
		m.section(out, secMemory, w)
	}
	m.section(out, secGlobal, m.globalSection())
	m.section(out, secExport, m.exportSection())
	m.startSection(out)
	if w := m.elementSection(); len(w.out) > 0 {
		m.section(out, secElement, w)
	}
	if len(m.data) > 0 {
		var w writer
		w.u(len(m.data))
		m.section(out, secDataCount, w)
	}
	m.section(out, secCode, m.codeSection())
	if len(m.data) > 0 {
		m.section(out, secData, m.dataSection())
	}
	if !m.one(3) {
		m.section(out, secCustom, m.nameSection())
	}
	return out.out
}

func (m *maker) typeSection() (w writer) {
	w.u(len(m.types))
	for _, t := range m.types {
		w.bytes(0x60)
		w.sized(t.params)
		w.sized(t.results)
	}
	return w
}

func (m *maker) importSection() (w writer) {
	w.u(m.imported)
	for _, f := range m.funcs[:m.imported] {
		w.name("env")
		w.name(f.name)
		w.bytes(0)
		w.u(m.typeOf(f.signature))
	}
	return w
}

func (m *maker) functionSection() (w writer) {
	w.u(len(m.funcs) - m.imported)
	for _, f := range m.funcs[m.imported:] {
		w.u(m.typeOf(f.signature))
	}
	return w
}

func (m *maker) tableSection() (w writer) {
	w.u(len(m.tables))
	for _, t := range m.tables {
		w.bytes(t.ref)
		if t.bounded {
			w.bytes(1)
			w.u(t.min)
			w.u(t.max)
		} else {
			w.bytes(0)
			w.u(t.min)
		}
	}
	return w
}

func (m *maker) globalSection() (w writer) {
	w.u(len(m.globals))
	for _, g := range m.globals {
		w.bytes(g.t, 0)
		if g.mutable {
			w.out[len(w.out)-1] = 1
		}
		w.bytes(g.init...)
		w.bytes(0x0b)
	}
	return w
}

// exportSection exports all that can be looked at, the last function, and some of the others.
func (m *maker) exportSection() writer {
	var w writer
	n := 0
	add := func(name string, kind byte, index int) {
		n++
		w.name(name)
		w.bytes(kind)
		if kind == 0 {
			m.index(&w, index)
		} else {
			w.u(index)
		}
	}
	add(Steps, 3, 0)
	for i := range m.globals[1:] {
		add("g"+decimal(i), 3, i+1)
	}
	if m.memory {
		add(Memory, 2, 0)
	}
	for i := range m.tables {
		add("table"+decimal(i), 0, m.observer+i)
	}
	for i := range m.funcs {
		if i == len(m.funcs)-1 || i >= m.observer && !m.one(3) || m.one(10) {
			add("f"+decimal(i), 0, i)
		}
	}
	var whole writer
	whole.u(n)
	whole.bytes(w.out...)
	return whole
}

func decimal(i int) string {
	if i >= 10 {
		return decimal(i/10) + decimal(i%10)
	}
	return string(rune('0' + i))
}

// startSection lets a function run first that takes and gives nothing, if there is one.
func (m *maker) startSection(out *writer) {
	if m.one(2) {
		return
	}
	for i := len(m.funcs) - 1; i >= m.observer; i-- {
		if m.funcs[i].equal(signature{}) {
			var w writer
			m.index(&w, i)
			m.section(out, secStart, w)
			return
		}
	}
}

func (m *maker) elementSection() (w writer) {
	all := m.elements
	if len(m.declared) > 0 {
		all = append(all, elements{flags: 3 + 4*m.IntN(2), ref: funcRef, funcs: m.declared})
	}
	if len(all) == 0 {
		return w
	}
	w.u(len(all))
	for _, e := range all {
		w.u(e.flags)
		if e.flags&1 == 0 {
			if e.flags&2 != 0 {
				w.u(e.table)
			}
			w.bytes(0x41)
			w.s(int64(e.offset))
			w.bytes(0x0b)
		}
		if e.flags&3 != 0 {
			if e.flags&4 != 0 {
				w.bytes(e.ref)
			} else {
				w.bytes(0)
			}
		}
		w.u(len(e.funcs))
		for _, f := range e.funcs {
			switch {
			case e.flags&4 == 0:
				m.index(&w, f)
			case f < 0:
				w.bytes(0xd0, e.ref, 0x0b)
			default:
				w.bytes(0xd2)
				m.index(&w, f)
				w.bytes(0x0b)
			}
		}
	}
	return w
}

func (m *maker) codeSection() (w writer) {
	w.u(len(m.funcs) - m.imported)
	for _, f := range m.funcs[m.imported:] {
		if m.pads {
			w.padded(len(f.body))
			w.bytes(f.body...)
		} else {
			w.sized(f.body)
		}
	}
	return w
}

func (m *maker) dataSection() (w writer) {
	w.u(len(m.data))
	for _, d := range m.data {
		switch {
		case d.passive:
			w.bytes(1)
		case d.indexed:
			w.bytes(2, 0)
		default:
			w.bytes(0)
		}
		if !d.passive {
			w.bytes(0x41)
			w.s(int64(d.offset))
			w.bytes(0x0b)
		}
		w.sized(d.bytes)
	}
	return w
}

// nameSection names the module, some functions, some locals, and globals, which are of no subsection that anybody reads.
func (m *maker) nameSection() (w writer) {
	w.name("name")
	sub := func(id byte, count int, content writer) {
		var all writer
		all.u(count)
		all.bytes(content.out...)
		w.bytes(id)
		w.sized(all.out)
	}
	if m.one(2) {
		w.bytes(0)
		w.sized([]byte("\x03mod"))
	}
	var names, locals writer
	n, l := 0, 0
	for i, f := range m.funcs {
		if f.name == "" {
			continue
		}
		n++
		m.index(&names, i)
		names.name(f.name)
		if len(f.params) > 0 {
			l++
			m.index(&locals, i)
			locals.bytes(1, 0)
			locals.name("parameter")
		}
	}
	sub(1, n, names)
	sub(2, l, locals)
	if m.one(3) {
		sub(7, 1, writer{[]byte("\x00\x05steps")})
	}
	return w
}
