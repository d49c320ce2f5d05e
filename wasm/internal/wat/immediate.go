package wat

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// encode reads the immediates that follow the name of an instruction and returns opcode and immediates.
func (b *body) encode(c *cursor, name string, o op) []byte {
	out := o.append(nil)
	for _, imm := range []byte(o.imms) {
		out = b.immediate(out, c, name, imm)
	}
	return out
}

func (b *body) immediate(out []byte, c *cursor, name string, imm byte) []byte {
	m := b.m
	switch imm {
	case immI32:
		return c.intConst(out, 32)
	case immI64:
		return c.intConst(out, 64)
	case immF32:
		return c.floatConst(out, 32)
	case immF64:
		return c.floatConst(out, 64)
	case immMemArg:
		return c.memArg(out, name)
	case immLabel:
		return b.label(out, c)
	case immLabels:
		return b.brTable(out, c)
	case immLocal:
		return appendU32(out, b.locals.ref(c))
	case immGlobal:
		return appendU32(out, m.spaces[classGlobal].ref(c))
	case immFunc:
		return appendU32(out, m.spaces[classFunc].ref(c))
	case immElem:
		return appendU32(out, m.spaces[classElem].ref(c))
	case immData:
		m.usesDataCount = true
		return appendU32(out, m.spaces[classData].ref(c))
	case immMemory:
		return append(out, 0)
	case immTable:
		return appendU32(out, m.table(c))
	case immTables:
		return m.tables(out, c)
	case immTableInit:
		return m.tableInit(out, c)
	case immCallIndirect:
		table := m.table(c)
		return appendU32(appendU32(out, m.typeIndex(m.typeUse(c, nil))), table)
	case immSelect:
		return selectType(out, c)
	}
	return append(out, c.heapType()) // immRefType
}

func (c *cursor) intConst(out []byte, size int) []byte {
	n := c.peek()
	v, ok := parseInt(n.text, size)
	if n.kind != kindWord || !ok {
		c.fail(fmt.Sprintf("an integer of %d bits", size))
	}
	c.next()
	return appendS64(out, v)
}

func (c *cursor) floatConst(out []byte, size int) []byte {
	n := c.peek()
	v, ok := parseFloat(n.text, size)
	if n.kind != kindWord || !ok {
		c.fail(fmt.Sprintf("a float of %d bits", size))
	}
	c.next()
	return append(out, binary.LittleEndian.AppendUint64(nil, v)[:size/8]...)
}

// memArg reads offset=n? align=n? and encodes the alignment, natural if absent, before the offset.
func (c *cursor) memArg(out []byte, name string) []byte {
	var offset uint64
	align := naturalAlign(name)
	if text, ok := c.option("offset="); ok {
		if offset, ok = parseUint(text, 32); !ok {
			c.fail("offset= and a number of 32 bits")
		}
		c.next()
	}
	if text, ok := c.option("align="); ok {
		v, ok := parseUint(text, 32)
		if !ok || bits.OnesCount64(v) != 1 {
			c.fail("align= and a power of two")
		}
		align = uint32(bits.TrailingZeros64(v))
		c.next()
	}
	return appendU32(appendU32(out, align), uint32(offset))
}

// option returns the rest of the next word if it starts with key.
func (c *cursor) option(key string) (string, bool) {
	n := c.peek()
	value, ok := strings.CutPrefix(n.text, key)
	return value, ok && n.kind == kindWord
}

// label reads the name of an open block, the innermost of that name, or a depth.
func (b *body) label(out []byte, c *cursor) []byte {
	n, open := c.peek(), len(b.labels)
	depth, ok := parseUint(n.text, 32)
	ok = ok && n.kind == kindWord && depth <= uint64(open) // the outermost is the function
	for i := open - 1; i >= 0 && n.kind == kindID && !ok; i-- {
		depth, ok = uint64(open-1-i), b.labels[i].id == n.text
	}
	if !ok {
		c.fail(fmt.Sprintf("the name of an open block or a depth up to %d", open))
	}
	c.next()
	return appendU32(out, uint32(depth))
}

// brTable reads one label or more. The last is the default, which the binary does not count.
func (b *body) brTable(out []byte, c *cursor) []byte {
	var targets section
	for targets.count == 0 || c.hasRef() {
		targets.add(b.label(nil, c))
	}
	targets.count--
	return targets.appendTo(out)
}

// table reads a table, the first if none is written.
func (m *module) table(c *cursor) uint32 {
	if !c.hasRef() {
		return 0
	}
	return m.spaces[classTable].ref(c)
}

// tables reads two tables or none.
func (m *module) tables(out []byte, c *cursor) []byte {
	if !c.hasRef() {
		return append(out, 0, 0)
	}
	out = appendU32(out, m.table(c))
	return appendU32(out, m.spaces[classTable].ref(c))
}

// tableInit reads table? element segment, which the binary has the other way round.
func (m *module) tableInit(out []byte, c *cursor) []byte {
	table := uint32(0)
	second := *c
	if second.next(); second.hasRef() {
		table = m.table(c)
	}
	return appendU32(appendU32(out, m.spaces[classElem].ref(c)), table)
}

// selectType reads (result t)..., with which the opcode is the next one.
func selectType(out []byte, c *cursor) []byte {
	results := c.valTypeLists("result", nil)
	if len(results) == 0 {
		return out
	}
	out[len(out)-1]++
	return appendVec(out, results)
}

// heapType reads what ref.null is a null of.
func (c *cursor) heapType() byte {
	switch {
	case c.word("func"):
		return typeFuncRef
	case c.word("extern"):
		return typeExternRef
	}
	c.fail("func or extern")
	return 0
}
