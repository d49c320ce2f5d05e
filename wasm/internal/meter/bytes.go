package meter

// buffer is a module, or a part of one, that is being written.
type buffer struct{ b []byte }

func (w *buffer) byte(b ...byte) { w.b = append(w.b, b...) }

// u32 writes an unsigned LEB128 number.
func (w *buffer) u32(v uint32) {
	for ; v >= 0x80; v >>= 7 {
		w.b = append(w.b, byte(v)|0x80)
	}
	w.b = append(w.b, byte(v))
}

// s64 writes a signed LEB128 number.
func (w *buffer) s64(v int64) {
	for ; v < -0x40 || v >= 0x40; v >>= 7 {
		w.b = append(w.b, byte(v)|0x80)
	}
	w.b = append(w.b, byte(v)&0x7f)
}

func (w *buffer) name(s string) {
	w.u32(uint32(len(s)))
	w.b = append(w.b, s...)
}

// sized leaves room for a size, lets write write, and fills the size in. Such a size takes five bytes always.
func (w *buffer) sized(write func()) {
	at := len(w.b)
	w.byte(0, 0, 0, 0, 0)
	write()
	n := uint32(len(w.b) - at - 5)
	for i := range 5 {
		w.b[at+i] = byte(n>>(7*i))&0x7f | 0x80
	}
	w.b[at+4] &= 0x7f
}

// op writes an instruction with the index that it takes.
func (w *buffer) op(code byte, index uint32) {
	w.byte(code)
	w.u32(index)
}

// i64 and i32 write constants.
func (w *buffer) i64(v int64) {
	w.byte(opI64Const)
	w.s64(v)
}

func (w *buffer) i32(v int32) {
	w.byte(opI32Const)
	w.s64(int64(v))
}

// u32At reads an unsigned LEB128 number, which the gate has read before, and returns what follows it.
func u32At(b []byte, at uint32) (v, next uint32) {
	for shift := 0; ; shift += 7 {
		x := b[at]
		at++
		v |= uint32(x&0x7f) << shift
		if x < 0x80 {
			return v, at
		}
	}
}

// s32At reads a signed LEB128 number of 32 bits, which the gate has read before, as it stands in memory.
func s32At(b []byte, at uint32) uint32 {
	v, next := u32At(b, at)
	if used := 7 * (next - at); used < 32 && b[next-1]&0x40 != 0 {
		v |= ^uint32(0) << used
	}
	return v
}

// skipNumber is where a LEB128 number ends.
func skipNumber(b []byte, at uint32) uint32 {
	for b[at] >= 0x80 {
		at++
	}
	return at + 1
}

// Instructions that are written.
const (
	opBlock     = 0x02
	opLoop      = 0x03
	opIf        = 0x04
	opElse      = 0x05
	opEnd       = 0x0b
	opBr        = 0x0c
	opBrIf      = 0x0d
	opReturn    = 0x0f
	opCall      = 0x10
	opSelect    = 0x1b
	opLocalGet  = 0x20
	opLocalSet  = 0x21
	opLocalTee  = 0x22
	opGlobalGet = 0x23
	opGlobalSet = 0x24
	opMemSize   = 0x3f
	opI32Const  = 0x41
	opI64Const  = 0x42
	opF32Const  = 0x43
	opF64Const  = 0x44
	opI32LtU    = 0x49
	opI32GtU    = 0x4b
	opI32LeU    = 0x4d
	opI64LtS    = 0x53
	opI64LeU    = 0x58
	opI64GeS    = 0x59
	opI32Add    = 0x6a
	opI32Sub    = 0x6b
	opI32And    = 0x71
	opI32ShrU   = 0x76
	opI64Add    = 0x7c
	opI64Sub    = 0x7d
	opI64Or     = 0x84
	opI64Shl    = 0x86
	opExtendU   = 0xad // i64.extend_i32_u
	opRefNull   = 0xd0
	opRefFunc   = 0xd2
	opMisc      = 0xfc
	opVector    = 0xfd
	noResult    = 0x40
	typeI32     = 0x7f
	typeI64     = 0x7e
	typeF64     = 0x7c
	typeFunc    = 0x60
	typeFuncRef = 0x70
)
