package wat

// How an element or a data segment begins, in both encodings: active ones with an offset in table or memory 0.
const (
	segActive      = 0
	segPassive     = 1
	segActiveTable = 2 // elements only: active, with the index of the table
	segDeclare     = 3 // elements only: neither, they make (ref.func) of their functions valid
	elemKindFunc   = 0 // what stands in a segment that is not segActive: functions
)

// emit encodes one field into its section.
func (m *module) emit(f *field) {
	cl, isExternal := external(f.head())
	for _, list := range f.exports {
		m.emitExport(list, cl, f.index)
	}
	switch {
	case isExternal && f.from != nil:
		m.emitImport(f, cl)
	case isExternal:
		m.emitDefinition(f, cl)
	case f.head() == "export":
		m.emitExportField(f.body)
	case f.head() == "start":
		m.emitStart(f)
	case f.head() == "elem":
		m.emitElem(f.body)
	case f.head() == "data":
		m.emitData(f.body)
	}
}

func (m *module) emitImport(f *field, cl class) {
	entry := append(appendVec(appendVec(nil, f.from.module), f.from.name), byte(cl))
	switch cl {
	case classFunc:
		entry = appendU32(entry, m.typeIndex(m.typeUse(&f.body, &space{what: "parameter"})))
	case classTable:
		entry = append(entry, f.body.tableType()...)
	case classMemory:
		entry = append(entry, f.body.limits()...)
	case classGlobal:
		entry = append(entry, f.body.globalType()...)
	}
	m.sections[secImport].add(entry)
	f.body.done(`")" after the type of the import`)
}

func (m *module) emitDefinition(f *field, cl class) {
	c := &f.body
	switch {
	case cl == classFunc:
		m.emitFunc(c)
	case cl == classTable && f.hasInlineElem():
		m.emitTableOfElem(c, f.index)
	case cl == classTable:
		m.sections[secTable].add(c.tableType())
	case cl == classMemory:
		m.sections[secMemory].add(c.limits())
	case cl == classGlobal:
		t := c.globalType()
		m.sections[secGlobal].add(append(t, m.constant(c)...))
	}
	c.done(`")"`)
}

func (m *module) emitFunc(c *cursor) {
	b := body{m: m, locals: space{what: "local"}}
	use := m.typeUse(c, &b.locals)
	m.sections[secFunc].add(appendU32(nil, m.typeIndex(use)))
	types := c.valTypeLists("local", &b.locals)
	var runs section
	for len(types) > 0 {
		n := 1
		for n < len(types) && types[n] == types[0] {
			n++
		}
		runs.add(append(appendU32(nil, uint32(n)), types[0]))
		types = types[n:]
	}
	b.out = runs.appendTo(nil)
	b.instructions(c)
	m.sections[secCode].add(appendVec(nil, append(b.out, opEnd)))
}

// constant encodes the instructions of an initial value or of an offset.
func (m *module) constant(c *cursor) []byte {
	if c.empty() {
		c.fail("a constant expression")
	}
	b := body{m: m, locals: space{what: "local"}}
	b.instructions(c)
	return append(b.out, opEnd)
}

// place reads where an active segment goes: (table $t)? or (memory $m)?, the first if absent, and then (offset
// instruction...) or one folded instruction.
func (m *module) place(c *cursor, word string, cl class) (index uint32, offset []byte) {
	if list, ok := c.list(word); ok {
		index = m.spaces[cl].only(list)
	}
	if list, ok := c.list("offset"); ok {
		return index, m.constant(&list)
	}
	if c.peek().kind != kindList {
		c.fail(`"(offset ...)" or a folded constant instruction`)
	}
	one := cursor{rest: []node{c.next()}, first: c.first}
	return index, m.constant(&one)
}

// emitTableOfElem encodes (table funcref (elem $f...)): a table of just the size of its elements, and their segment.
func (m *module) emitTableOfElem(c *cursor, table uint32) {
	if !c.word("funcref") {
		c.fail("funcref before the elements")
	}
	list, ok := c.list("elem")
	if !ok {
		c.fail(`"(elem ...)"`)
	}
	funcs := m.functions(&list)
	m.sections[secTable].add(appendU32(appendU32([]byte{typeFuncRef, 1}, funcs.count), funcs.count))
	m.addElem(table, []byte{0x41, 0, opEnd}, funcs) // i32.const 0
}

func (m *module) emitElem(c cursor) {
	if c.peek().kind == kindList {
		table, offset := m.place(&c, "table", classTable)
		c.word("func")
		m.addElem(table, offset, m.functions(&c))
		return
	}
	mode := byte(segPassive)
	if c.word("declare") {
		mode = segDeclare
	}
	if !c.word("func") {
		c.fail(`"func" and functions`)
	}
	funcs := m.functions(&c)
	m.sections[secElem].add(funcs.appendTo([]byte{mode, elemKindFunc}))
}

// addElem adds an active segment.
func (m *module) addElem(table uint32, offset []byte, funcs section) {
	if table == 0 {
		m.sections[secElem].add(funcs.appendTo(append([]byte{segActive}, offset...)))
		return
	}
	entry := append(appendU32([]byte{segActiveTable}, table), offset...)
	m.sections[secElem].add(funcs.appendTo(append(entry, elemKindFunc)))
}

// functions reads functions up to the end of the list.
func (m *module) functions(c *cursor) section {
	var funcs section
	for !c.empty() {
		funcs.add(appendU32(nil, m.spaces[classFunc].ref(c)))
	}
	return funcs
}

func (m *module) emitData(c cursor) {
	entry := []byte{segPassive}
	if c.peek().kind == kindList {
		_, offset := m.place(&c, "memory", classMemory)
		entry = append([]byte{segActive}, offset...)
	}
	var content []byte
	for !c.empty() {
		if c.peek().kind != kindStr {
			c.fail("a string of data")
		}
		content = append(content, c.next().text...)
	}
	m.sections[secData].add(appendVec(entry, content))
}

// emitExport encodes (export "name") of the thing that it stands in.
func (m *module) emitExport(c cursor, cl class, index uint32) {
	here := c
	name := c.name("the name of the export")
	if m.exports[name] {
		here.fail("a name that is not exported yet")
	}
	m.exports[name] = true
	m.sections[secExport].add(appendU32(append(appendVec(nil, name), byte(cl)), index))
	c.done(`")"`)
}

// emitExportField encodes (export "name" (func $f)).
func (m *module) emitExportField(c cursor) {
	inline := cursor{rest: c.rest[:min(1, len(c.rest))], end: c.end, first: c.first}
	c.name("the name of the export")
	what := c.peek()
	cl, ok := external(what.head())
	if !ok {
		c.fail(wantExternal)
		return
	}
	c.next()
	m.emitExport(inline, cl, m.spaces[cl].only(c.inside(what)))
	c.done(`")"`)
}

func (m *module) emitStart(f *field) {
	if m.sections[secStart].count > 0 {
		f.body.fault(f.at, "a second start", "one")
	}
	m.sections[secStart].add(appendU32(nil, m.spaces[classFunc].only(f.body)))
}
