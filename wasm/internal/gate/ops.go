package gate

// What follows an opcode.
const (
	immBad byte = iota
	immNone
	immTraps // none either, and dear to compile
	immHeavy // none either, and rather dear
	immBlock
	immElse
	immEnd
	immLabel
	immLabels
	immReturn
	immUnreachable
	immCall
	immIndirect
	immSelect
	immLocal
	immGlobal
	immTable
	immLoad
	immStore
	immMemory
	immI32
	immI64
	immF32
	immF64
	immRefType
	immFunc
	immMisc
	immVector
)

// Opcodes that the sections need too.
const (
	opLocalGet  = 0x20
	opGlobalGet = 0x23
	opTableSet  = 0x26
	opI32Const  = 0x41
	opI64Const  = 0x42
	opF32Const  = 0x43
	opF64Const  = 0x44
	opRefNull   = 0xd0
	opRefFunc   = 0xd2
	opVector    = 0xfd
	vecConst    = 0x0c
)

// imms says what follows each opcode. Never written after its construction.
var imms = immediates()

func immediates() (t [256]byte) {
	for _, run := range []struct{ first, last, imm byte }{
		{0x00, 0x00, immUnreachable},
		{0x01, 0x01, immNone},
		{0x02, 0x04, immBlock},
		{0x05, 0x05, immElse},
		{0x0b, 0x0b, immEnd},
		{0x0c, 0x0d, immLabel},
		{0x0e, 0x0e, immLabels},
		{0x0f, 0x0f, immReturn},
		{0x10, 0x10, immCall},
		{0x11, 0x11, immIndirect},
		{0x1a, 0x1b, immNone}, // drop, select
		{0x1c, 0x1c, immSelect},
		{0x20, 0x22, immLocal},
		{0x23, 0x24, immGlobal},
		{0x25, 0x26, immTable},
		{0x28, 0x35, immLoad},
		{0x36, 0x3e, immStore},
		{0x3f, 0x40, immMemory},
		{0x41, 0x41, immI32},
		{0x42, 0x42, immI64},
		{0x43, 0x43, immF32},
		{0x44, 0x44, immF64},
		{0x45, 0xc4, immNone},  // compare, calculate, convert, extend
		{0x6d, 0x70, immTraps}, // division
		{0x7f, 0x82, immTraps},
		{0x96, 0x98, immHeavy}, // minimum, maximum, copysign
		{0xa4, 0xa6, immHeavy},
		{0xa8, 0xab, immTraps}, // truncation
		{0xae, 0xb1, immTraps},
		{0xb5, 0xb5, immHeavy}, // from u64
		{0xba, 0xba, immHeavy},
		{0xd0, 0xd0, immRefType},
		{0xd1, 0xd1, immNone}, // ref.is_null
		{0xd2, 0xd2, immFunc},
		{0xfc, 0xfc, immMisc},
		{0xfd, 0xfd, immVector},
	} {
		for op := int(run.first); op <= int(run.last); op++ {
			t[op] = run.imm
		}
	}
	return t
}

// pushes says how many values each opcode adds to the stack, if that does not depend on types. Never written after its
// construction.
var pushes = heights()

func heights() (t [256]int8) {
	for _, run := range []struct {
		first, last byte
		add         int8
	}{
		{0x04, 0x04, -1}, // if
		{0x0d, 0x0e, -1}, // br_if, br_table
		{0x11, 0x11, -1}, // call_indirect
		{0x1a, 0x1a, -1}, // drop
		{0x1b, 0x1c, -2}, // select
		{0x20, 0x20, 1},  // local.get
		{0x21, 0x21, -1}, // local.set
		{0x23, 0x23, 1},  // global.get
		{0x24, 0x24, -1}, // global.set
		{0x26, 0x26, -2}, // table.set
		{0x36, 0x3e, -2}, // stores
		{0x3f, 0x3f, 1},  // memory.size
		{0x41, 0x44, 1},  // constants
		{0x46, 0x4f, -1}, // comparisons
		{0x51, 0x66, -1},
		{0x6a, 0x78, -1}, // arithmetic
		{0x7c, 0x8a, -1},
		{0x92, 0x98, -1},
		{0xa0, 0xa6, -1},
		{0xd0, 0xd0, 1}, // ref.null
		{0xd2, 0xd2, 1}, // ref.func
	} {
		for op := int(run.first); op <= int(run.last); op++ {
			t[op] = run.add
		}
	}
	return t
}

// miscPushes is pushes behind the prefix 0xfc.
func miscPushes(op uint32) int64 {
	switch op {
	case 8, 10, 11, 12, 14, 17: // init, copy, fill
		return -3
	case 15: // table.grow
		return -1
	case 16: // table.size
		return 1
	}
	return 0
}

// vecPushes is pushes behind the prefix 0xfd, or more.
func vecPushes(op byte) int64 {
	if op == vecConst {
		return 1
	}
	return 0
}

// What follows a vector opcode.
const (
	vecBad byte = iota
	vecNone
	vecMem
	vecMemLane
	vecLane
	vecBytes // 16 of them
	vecShuffle
)

// vecs says what follows each vector opcode, and lanes how many lanes there are. Never written after their construction.
var vecs, lanes = vectors()

func vectors() (t, lanes [256]byte) {
	for op := range t {
		t[op] = vecNone
	}
	for op := 0x00; op <= 0x0b; op++ {
		t[op] = vecMem // loads and a store
	}
	t[0x5c], t[0x5d] = vecMem, vecMem
	t[vecConst], t[0x0d] = vecBytes, vecShuffle
	for i, n := range []byte{16, 8, 4, 2, 16, 8, 4, 2} { // loads, stores
		t[0x54+i], lanes[0x54+i] = vecMemLane, n
	}
	for i, n := range []byte{16, 16, 16, 8, 8, 8, 4, 4, 2, 2, 4, 4, 2, 2} { // extract, replace
		t[0x15+i], lanes[0x15+i] = vecLane, n
	}
	for _, op := range []byte{
		0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee,
	} {
		t[op] = vecBad
	}
	return t, lanes
}
