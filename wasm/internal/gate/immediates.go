package gate

import "strconv"

// memArg reads the alignment and the offset of a load or a store.
func (w *walker) memArg(start int) {
	at := w.at
	if align := w.u32("an alignment"); align > 4 && !w.failed() {
		w.fault(at, "an alignment of 2 to the power of "+group(align), "the highest is 4")
	}
	w.u32("an offset")
	if w.m.Memory == nil && !w.failed() {
		w.noSuch(start, "memories", 0, 0)
	}
}

// oneMemory reads the index of a memory, which is a zero byte.
func (w *walker) oneMemory(start int) {
	at := w.at
	if i := w.byte("the index of a memory"); i != 0 && !w.failed() {
		w.fault(at, "index 0x"+strconv.FormatUint(uint64(i), 16)+" of a memory", "expected one byte 0")
	}
	if w.m.Memory == nil && !w.failed() {
		w.noSuch(start, "memories", 0, 0)
	}
}

// misc reads what follows the prefix 0xfc.
func (w *walker) misc(start int) {
	c := &w.code
	op := w.u32("an instruction behind 0xfc")
	if w.failed() {
		return
	}
	if op >= 8 && op <= 17 && op != 9 && op != 13 && op != 16 {
		w.mark(start, OpBulk)
	}
	switch op {
	case 8, 9:
		w.m.UsesData = true
	case 12, 14, 15, 17:
		w.m.SetsTables = true
	}
	switch op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating truncations
		c.traps++
		return
	case 8: // memory.init
		w.dataIndex(start)
		w.oneMemory(start)
		c.copies++
	case 9: // data.drop
		w.dataIndex(start)
	case 10: // memory.copy
		w.oneMemory(start)
		w.oneMemory(start)
		c.copies++
	case 11: // memory.fill
		w.oneMemory(start)
		c.fills++
	case 12: // table.init
		w.index("element segments", w.elements)
		w.index("tables", len(w.m.Tables))
		c.copies++
	case 13: // elem.drop
		w.index("element segments", w.elements)
	case 14: // table.copy
		w.index("tables", len(w.m.Tables))
		w.index("tables", len(w.m.Tables))
		c.copies++
	case 15: // table.grow
		w.index("tables", len(w.m.Tables))
		if w.grows == 0 {
			w.grows = start
		}
		c.calls++
	case 16: // table.size
		w.index("tables", len(w.m.Tables))
	case 17: // table.fill
		w.index("tables", len(w.m.Tables))
		c.fills++
	default:
		w.fault(start, "instruction 0xfc "+group(op)+" in "+w.who(), "it is none of WebAssembly 2.0")
		return
	}
	c.height += miscPushes(op)
}

func (w *walker) dataIndex(start int) {
	if w.data < 0 {
		w.fault(start, "a data segment used without a data count section", "expected one before the code")
		return
	}
	w.index("data segments", w.data)
}

// vector reads what follows the prefix 0xfd. The engine takes one byte as the opcode where the specification has a
// LEB128 number; for that of one byte, and for that of two whose second is 1 and stands for a nop, both see the same.
func (w *walker) vector(start int) {
	op := w.byte("an instruction behind 0xfd")
	if op >= 0x80 {
		if next := w.byte("an instruction behind 0xfd"); next != 1 && !w.failed() {
			w.fault(start, "an instruction behind 0xfd in more bytes than it needs, or unknown, in "+w.who(), "expected one of WebAssembly 2.0")
			return
		}
	}
	w.code.heavy++
	w.code.height += vecPushes(op)
	switch vecs[op] {
	case vecNone:
	case vecMem:
		w.memArg(start)
		w.code.loads++
	case vecMemLane:
		w.memArg(start)
		w.code.loads++
		w.lane(lanes[op])
	case vecLane:
		w.lane(lanes[op])
	case vecBytes:
		w.skip(16, "a v128")
	case vecShuffle:
		for range 16 {
			w.lane(32)
		}
	default:
		w.fault(start, "instruction 0xfd 0x"+strconv.FormatUint(uint64(op), 16)+" in "+w.who(), "it is none of WebAssembly 2.0")
	}
}

func (w *walker) lane(n byte) {
	at := w.at
	if lane := w.byte("a lane"); lane >= n && !w.failed() {
		w.noSuch(at, "lanes", uint32(lane), int(n))
	}
}
