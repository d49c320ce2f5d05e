package wat

import "slices"

const (
	typeFuncRef   = 0x70
	typeExternRef = 0x6f
	typeEmpty     = 0x40 // a block without a result
)

func (c *cursor) valType() byte {
	switch {
	case c.word("i32"):
		return 0x7f
	case c.word("i64"):
		return 0x7e
	case c.word("f32"):
		return 0x7d
	case c.word("f64"):
		return 0x7c
	case c.word("funcref"):
		return typeFuncRef
	case c.word("externref"):
		return typeExternRef
	}
	c.fail("a value type: i32, i64, f32, f64, funcref or externref")
	return 0
}

// valTypes reads what stands in (param ...), (result ...) or (local ...): value types, or a name and one value type.
// They are declared in names; where that is nil they have no names.
func (c *cursor) valTypes(names *space) []byte {
	if names != nil && c.peek().kind == kindID {
		names.declare(c)
		t := c.valType()
		c.done(`")": a name has one type`)
		return []byte{t}
	}
	var types []byte
	for !c.empty() {
		types = append(types, c.valType())
	}
	if names != nil {
		names.unnamed(len(types))
	}
	return types
}

// valTypeLists reads (head type...) as often as it comes.
func (c *cursor) valTypeLists(head string, names *space) []byte {
	var types []byte
	for list, ok := c.list(head); ok; list, ok = c.list(head) {
		types = append(types, list.valTypes(names)...)
	}
	return types
}

// funcType holds value types in their encoding.
type funcType struct{ params, results []byte }

func (t funcType) encode() []byte {
	return appendVec(appendVec([]byte{0x60}, t.params), t.results)
}

// signature reads (param ...)... (result ...)...
func (c *cursor) signature(names *space) funcType {
	params := c.valTypeLists("param", names)
	return funcType{params, c.valTypeLists("result", nil)}
}

// typeUse is the type of a function or a block: by reference, by its parts, or by both.
type typeUse struct {
	funcType
	byRef bool
	index uint32 // if byRef
}

// typeUse reads (type $t)? and a signature, which must be the same type if both are there. The parameters are declared
// in names; where that is nil they have no names.
func (m *module) typeUse(c *cursor, names *space) typeUse {
	ref, byRef := c.list("type")
	if !byRef {
		return typeUse{funcType: c.signature(names)}
	}
	index := m.spaces[classType].only(ref)
	if c.failed() {
		return typeUse{}
	}
	use := typeUse{m.types[index], true, index}
	parts := *c
	switch sig := c.signature(names); {
	case len(sig.params)+len(sig.results) == 0:
		if names != nil {
			names.unnamed(len(use.params))
		}
	case !slices.Equal(sig.params, use.params) || !slices.Equal(sig.results, use.results):
		parts.fail("the parameters and results of the type before it")
	}
	return use
}

// typeIndex returns the index of the type in use. A type given by its parts is the first declared type equal to it, or a
// new one after all others.
func (m *module) typeIndex(use typeUse) uint32 {
	if use.byRef {
		return use.index
	}
	if i, ok := m.typesByCode[string(use.encode())]; ok {
		return i
	}
	return m.addType(use.funcType)
}

func (m *module) addType(t funcType) uint32 {
	code, index := t.encode(), uint32(len(m.types))
	m.types = append(m.types, t)
	m.sections[secType].add(code)
	if _, ok := m.typesByCode[string(code)]; !ok {
		m.typesByCode[string(code)] = index
	}
	return index
}

// tableType reads min max? funcref|externref and returns its encoding.
func (c *cursor) tableType() []byte {
	limits := c.limits()
	if n := c.peek(); n.text != "funcref" && n.text != "externref" {
		c.fail("funcref or externref")
	}
	return append([]byte{c.valType()}, limits...)
}

// globalType reads t or (mut t) and returns its encoding.
func (c *cursor) globalType() []byte {
	mut, ok := c.list("mut")
	if !ok {
		return []byte{c.valType(), 0}
	}
	t := mut.valType()
	mut.done(`")"`)
	return []byte{t, 1}
}

// limits reads min max? and returns their encoding.
func (c *cursor) limits() []byte {
	low := c.u32("a minimum size")
	if !c.hasNumber() {
		return appendU32([]byte{0}, low)
	}
	return appendU32(appendU32([]byte{1}, low), c.u32("a maximum size"))
}
