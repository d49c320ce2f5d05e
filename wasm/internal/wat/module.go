package wat

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxSource bounds the text. A hand-written guest is far below it.
const maxSource = 4 << 20

// Assemble returns the binary of the module that src holds, in the subset that the package comment states. The error is
// an *Error, with line and column. A binary without error is well-formed, but need not be valid: see the package comment.
// It keeps no reference to src.
func Assemble(src []byte) ([]byte, error) {
	out, err := assemble(src)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.locate(src)
		}
		return nil, err
	}
	return out, nil
}

func assemble(src []byte) ([]byte, error) {
	if len(src) > maxSource {
		return nil, fault(maxSource, "more text", fmt.Sprintf("at most %d bytes", maxSource))
	}
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			return nil, fault(i, fmt.Sprintf("the byte %#02x", src[i]), "UTF-8")
		}
		i += size
	}
	tree, err := readTree(string(src))
	if err != nil {
		return nil, err
	}
	first := &firstError{}
	top := cursor{rest: []node{tree}, end: len(src), first: first}
	c, ok := top.list("module")
	if !ok {
		top.fail(`"(module ...)"`)
	}
	m := &module{name: c.id().text, typesByCode: map[string]uint32{}, exports: map[string]bool{}}
	for i, what := range []string{"function", "table", "memory", "global", "type", "element segment", "data segment"} {
		m.spaces[i].what = what
	}
	m.declare(c)
	for i := range m.fields {
		m.emit(&m.fields[i])
	}
	if first.err != nil {
		return nil, first.err
	}
	return m.binary(), nil
}

// class is a kind of thing with an index space of its own. The first four are numbered as in imports and exports.
type class int

const (
	classFunc class = iota
	classTable
	classMemory
	classGlobal
	classType
	classElem
	classData
	numClasses
)

const wantExternal = `"(func ...)", "(table ...)", "(memory ...)" or "(global ...)"`

// external returns the class that may be imported and exported under this word.
func external(word string) (class, bool) {
	switch word {
	case "func":
		return classFunc, true
	case "table":
		return classTable, true
	case "memory":
		return classMemory, true
	case "global":
		return classGlobal, true
	}
	return 0, false
}

type module struct {
	name          string // with its $
	spaces        [numClasses]space
	types         []funcType
	typesByCode   map[string]uint32 // the first type of each encoding
	fields        []field           // those left to emit
	defined       bool              // one of the first four classes is defined: no import may follow
	exports       map[string]bool
	sections      [numSections]section
	usesDataCount bool // some instruction names a data segment
}

// field is a module field of which the index is known.
type field struct {
	node
	index   uint32
	exports []cursor    // what the inline (export ...) hold
	from    *importName // nil for a definition
	body    cursor      // what follows the name, the inline exports and the inline import
}

type importName struct{ module, name string }

// declare gives everything its index, and declares the types in full.
func (m *module) declare(c cursor) {
	for !c.empty() {
		here := c
		f := field{node: c.next()}
		if f.head() == "" {
			here.fail("a module field")
			return
		}
		f.body = c.inside(f.node)
		switch f.head() {
		case "type":
			m.declareType(f.body)
		case "import":
			m.declareImport(&f)
		case "func", "table", "memory", "global":
			m.declareExternal(&f)
		case "elem":
			m.spaces[classElem].declare(&f.body)
		case "data":
			m.spaces[classData].declare(&f.body)
		case "export", "start":
		default:
			here.fail("a module field")
		}
		m.fields = append(m.fields, f)
	}
}

func (m *module) declareType(c cursor) {
	m.spaces[classType].declare(&c)
	fn, ok := c.list("func")
	if !ok {
		c.fail(`"(func ...)"`)
	}
	m.addType(fn.signature(&space{what: "parameter"})) // the names mean nothing, but must differ
	fn.done(`"(param ...)", "(result ...)" or ")"`)
	c.done(`")"`)
}

// declareImport turns (import "m" "n" (func ...)) into the field (func (import "m" "n") ...).
func (m *module) declareImport(f *field) {
	c := f.body
	from := c.importName()
	n := c.peek()
	if _, ok := external(n.head()); !ok {
		c.fail(wantExternal)
		return
	}
	c.next()
	c.done(`")"`)
	*f = field{node: n, from: from, body: c.inside(n)}
	m.declareExternal(f)
}

// declareExternal reads the name, the inline exports and the inline import of a func, table, memory or global.
func (m *module) declareExternal(f *field) {
	cl, _ := external(f.head())
	c := &f.body
	if cl == classMemory && len(m.spaces[cl].names) > 0 {
		c.fault(f.at, "a second memory", "one")
	}
	f.index = m.spaces[cl].declare(c)
	if f.from == nil {
		for list, ok := c.list("export"); ok; list, ok = c.list("export") {
			f.exports = append(f.exports, list)
		}
		if list, ok := c.list("import"); ok {
			f.from = list.importName()
			list.done(`")"`)
		}
	}
	if f.from != nil && m.defined {
		c.fault(f.at, "an import", "imports before the first function, table, memory or global")
	}
	m.defined = m.defined || f.from == nil
	if cl == classTable && f.hasInlineElem() {
		m.spaces[classElem].unnamed(1)
	}
}

// hasInlineElem reports whether the field is (table ... funcref (elem ...)).
func (f *field) hasInlineElem() bool {
	n := len(f.body.rest)
	return f.from == nil && n > 0 && f.body.rest[n-1].head() == "elem"
}

func (c *cursor) importName() *importName {
	module := c.name("the module of the import")
	return &importName{module, c.name("the name of the import")}
}
