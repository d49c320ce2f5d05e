package wat

import "strings"

// The immediates of an instruction are a string of these, in the order of the binary.
const (
	immBlock        = 'B' // block, loop, if: no immediate but a shape of its own
	immI32          = 'i'
	immI64          = 'I'
	immF32          = 'f'
	immF64          = 'F'
	immMemArg       = 'a'
	immLabel        = 'l'
	immLabels       = 'L'
	immLocal        = 'x'
	immGlobal       = 'g'
	immFunc         = 'c'
	immElem         = 'e'
	immData         = 'd'
	immMemory       = 'm' // the one memory, never written
	immTable        = 't' // the first table if absent
	immTables       = 'T' // two tables, both the first if absent
	immTableInit    = 'E'
	immCallIndirect = 'C'
	immSelect       = 's'
	immRefType      = 'r'
)

const (
	opIf     = 0x04
	opElse   = 0x05
	opEnd    = 0x0b
	opPrefix = 0xfc // the first byte of the opcodes that the table writes as 0xfcNN
)

type op struct {
	code uint16
	imms string
}

// ops holds all instructions of the subset by name, except else and end, which the shape of the text implies. Never
// written after its construction.
var ops = opTable()

func opTable() map[string]op {
	table := make(map[string]op, 256)
	for _, run := range []struct {
		first uint16 // opcode of the first name; the others follow by one
		imms  string
		names string
	}{
		{0x00, "", "unreachable nop"},
		{0x02, "B", "block loop if"},
		{0x0c, "l", "br br_if"},
		{0x0e, "L", "br_table"},
		{0x0f, "", "return"},
		{0x10, "c", "call"},
		{0x11, "C", "call_indirect"},
		{0x1a, "", "drop"},
		{0x1b, "s", "select"},
		{0x20, "x", "local.get local.set local.tee"},
		{0x23, "g", "global.get global.set"},
		{0x25, "t", "table.get table.set"},
		{0x28, "a", "i32.load i64.load f32.load f64.load"},
		{0x2c, "a", "i32.load8_s i32.load8_u i32.load16_s i32.load16_u"},
		{0x30, "a", "i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u"},
		{0x36, "a", "i32.store i64.store f32.store f64.store i32.store8 i32.store16"},
		{0x3c, "a", "i64.store8 i64.store16 i64.store32"},
		{0x3f, "m", "memory.size memory.grow"},
		{0x41, "i", "i32.const"},
		{0x42, "I", "i64.const"},
		{0x43, "f", "f32.const"},
		{0x44, "F", "f64.const"},
		{0x45, "", "i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u"},
		{0x50, "", "i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u"},
		{0x5b, "", "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge"},
		{0x67, "", "i32.clz i32.ctz i32.popcnt i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u"},
		{0x71, "", "i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr"},
		{0x79, "", "i64.clz i64.ctz i64.popcnt i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u"},
		{0x83, "", "i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr"},
		{0x8b, "", "f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt"},
		{0x92, "", "f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign"},
		{0x99, "", "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt"},
		{0xa0, "", "f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign"},
		{0xa7, "", "i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u"},
		{0xac, "", "i64.extend_i32_s i64.extend_i32_u"},
		{0xae, "", "i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u"},
		{0xb2, "", "f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64"},
		{0xb7, "", "f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32"},
		{0xbc, "", "i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64"},
		{0xc0, "", "i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s"},
		{0xd0, "r", "ref.null"},
		{0xd1, "", "ref.is_null"},
		{0xd2, "c", "ref.func"},
		{0xfc00, "", "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u"},
		{0xfc04, "", "i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u"},
		{0xfc08, "dm", "memory.init"},
		{0xfc09, "d", "data.drop"},
		{0xfc0a, "mm", "memory.copy"},
		{0xfc0b, "m", "memory.fill"},
		{0xfc0c, "E", "table.init"},
		{0xfc0d, "e", "elem.drop"},
		{0xfc0e, "T", "table.copy"},
		{0xfc0f, "t", "table.grow table.size table.fill"},
	} {
		for i, name := range strings.Fields(run.names) {
			table[name] = op{run.first + uint16(i), run.imms}
		}
	}
	return table
}

func (o op) isBlock() bool { return o.imms == string(immBlock) }

// append appends the opcode to out.
func (o op) append(out []byte) []byte {
	if o.code>>8 == opPrefix {
		return appendU32(append(out, opPrefix), uint32(o.code&0xff))
	}
	return append(out, byte(o.code))
}

// naturalAlign is the alignment, as a power of two, of a load or a store: that of the width which its name ends in, or
// else that of its type.
func naturalAlign(name string) uint32 {
	_, width, _ := strings.Cut(name, ".")
	switch width = strings.TrimRight(width, "_su"); {
	case strings.HasSuffix(width, "8"):
		return 0
	case strings.HasSuffix(width, "16"):
		return 1
	case strings.HasSuffix(width, "32"), strings.Contains(name[:3], "32"):
		return 2
	}
	return 3
}
