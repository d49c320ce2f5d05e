package gate

import (
	"bytes"
	"strconv"
)

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
	numSections
)

func sectionName(id int) string {
	return [numSections]string{
		"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data",
		"data count",
	}[id]
}

// rank is the place of a section in the order that the format demands.
func rank(id int) int {
	return [numSections]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10}[id]
}

// walker is the state of a walk.
type walker struct {
	cursor
	caps Caps
	m    *Module

	types    []Type
	funcs    []uint32 // type of each function, imported ones first
	imported int      // functions among them
	values   int      // parameters and results of all types
	entries  uint64   // of tables
	inits    int      // of element segments
	globals  int
	elements int
	data     int // segments, as the data count section says; -1 without
	bodies   int // found
	segments int // data segments found
	customs  int
	named    bool // there was a name section
	names    int  // entries in it
	grows    int  // offset of the first table.grow, 0 for none
	codeSize int
	declared int // locals of all bodies so far

	code coder
}

// Walk reads a module once and returns what it holds, or an *Error.
func Walk(module []byte, c Caps) (*Module, error) {
	c.fill()
	w := &walker{cursor: cursor{b: module, end: len(module)}, caps: c, m: &Module{}, data: -1}
	w.walk()
	if w.err != nil {
		return nil, w.err
	}
	return w.m, nil
}

func (w *walker) walk() {
	if len(w.b) > w.caps.Bytes {
		w.tooMany(0, plural(len(w.b), "bytes"), w.caps.Bytes)
		return
	}
	const header = "\x00asm\x01\x00\x00\x00"
	if !bytes.HasPrefix(w.b, []byte(header)) {
		w.fault(0, "no WebAssembly module of version 1", "expected it to start with "+strconv.Quote(header))
		return
	}
	w.at = len(header)
	for last := 0; w.at < len(w.b) && !w.failed(); {
		last = w.part(last)
	}
	w.section = ""
	w.wholes()
}

// part reads one section and returns its rank, or last for a custom section.
func (w *walker) part(last int) int {
	start := w.at
	w.section = ""
	id := int(w.byte("a section"))
	if id >= numSections {
		w.fault(start, "a section of kind "+strconv.Itoa(id), "the last known is 12")
		return 0
	}
	w.section = sectionName(id)
	if id != secCustom {
		if rank(id) <= last {
			w.fault(start, "it out of order", "each section stands once, and in order")
			return 0
		}
		last = rank(id)
	}
	sizeAt := w.at
	size := w.u32("its size")
	if left := w.end - w.at; uint64(size) > uint64(left) && !w.failed() {
		w.fault(sizeAt, "a size of "+group(size), atMost(left, "bytes are left", "byte is left"))
	}
	if w.failed() {
		return 0
	}
	w.end = w.at + int(size)
	if w.caps.Positions {
		w.m.Sections = append(w.m.Sections, Part{byte(id), uint32(start), Span{uint32(w.at), uint32(w.end)}})
	}
	w.content(id)
	if w.at != w.end {
		w.fault(w.at, plural(w.end-w.at, "bytes")+" behind the last entry", "expected the end")
	}
	w.end = len(w.b)
	return last
}

func (w *walker) content(id int) {
	switch id {
	case secCustom:
		w.customSection()
	case secType:
		w.typeSection()
	case secImport:
		w.importSection()
	case secFunction:
		w.functionSection()
	case secTable:
		w.tableSection()
	case secMemory:
		for range w.count("memories", 2, 1) {
			w.memory(false)
		}
	case secGlobal:
		w.globalSection()
	case secExport:
		w.exportSection()
	case secStart:
		w.funcIndex()
	case secElement:
		w.elementSection()
	case secDataCount:
		w.data = 0
		w.data = w.capped("data segments", w.caps.Data)
	case secCode:
		w.codeSection()
	case secData:
		w.dataSection()
	}
}

// wholes judges what only the whole module shows.
func (w *walker) wholes() {
	switch defined := len(w.funcs) - w.imported; {
	case w.failed():
	case w.bodies != defined:
		w.fault(len(w.b), plural(w.bodies, "bodies"), "expected "+group(defined)+", one for each function")
	case w.data > 0 && w.segments != w.data:
		w.fault(len(w.b), plural(w.segments, "data segments"), "expected "+group(w.data)+", as the data count says")
	case w.grows > 0 && !w.caps.Clamp:
		w.growth()
	case w.heavy():
		w.tooHeavy(len(w.b), "a module")
	}
	w.m.Functions, w.m.Globals = len(w.funcs)-w.imported, w.globals
	w.m.Work = int(w.code.work / 1000)
	w.m.WorkKiB = int(w.need() >> 10)
	if w.caps.Positions {
		w.m.Types = w.types
	}
}

// growth refuses tables without a maximum in a module that lets tables grow. The engine would not stop it.
func (w *walker) growth() {
	most := uint64(0)
	for _, t := range w.m.Tables {
		if !t.HasMax {
			w.section = sectionName(secCode)
			w.fault(w.grows, "table.grow and a table without a maximum",
				"expected tables to say a maximum, in sum at most "+plural(w.caps.TableEntries, "table entries"))
			return
		}
		most += uint64(t.Max)
	}
	if most > uint64(w.caps.TableEntries) {
		w.section = sectionName(secCode)
		w.tooMany(w.grows, "table.grow and tables of up to "+plural(most, "table entries"), w.caps.TableEntries)
	}
}

// capped reads a number that no bytes stand behind.
func (w *walker) capped(things string, most int) int {
	start := w.at
	n := w.number("the number of ", things)
	if uint64(n) > uint64(most) {
		w.tooMany(start, plural(n, things), most)
	}
	return int(n)
}

// funcIndex reads the index of a function and keeps its place.
func (w *walker) funcIndex() uint32 {
	if w.caps.Positions {
		w.m.FuncRefs = append(w.m.FuncRefs, uint32(w.at))
	}
	return w.index("functions", len(w.funcs))
}
