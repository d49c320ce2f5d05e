package host

import (
	"encoding/binary"
	"math"
)

// This file reads the numbers of a row without asking what else they could be, which
// is what makes a row cost little. What it does not know is odd, and left to who
// does: package frame reads it, [Signature.Check] judges it.

// listHead returns how long the head of a list of n values is that b begins with; 0
// when b begins with something else.
func listHead(b []byte, n int) int {
	switch {
	case len(b) == 0:
	case b[0] == 0x90|byte(n) && n <= 15:
		return 1
	case b[0] == 0xdc && len(b) >= 3 && int(binary.BigEndian.Uint16(b[1:])) == n:
		return 3
	}
	return 0
}

// scanWord returns the number or bool that b begins with as [Type.Word] encodes it,
// and how long it is; 0 when it is something else, or does not fit t.
func scanWord(b []byte, t Type) (w uint64, wide int) {
	if len(b) == 0 {
		return 0, 0
	}
	c := b[0]
	switch {
	case c <= 0x7f:
		return wordOfInt(int64(c), t, 1)
	case c >= 0xe0:
		return wordOfInt(int64(int8(c)), t, 1)
	case c == 0xc2 || c == 0xc3:
		if t != TypeBool {
			return 0, 0
		}
		return uint64(c & 1), 1
	case c < 0xca || c > 0xd3:
		return 0, 0
	}
	// ca and cb are floats, the others integers of 1, 2, 4 and 8 bytes.
	wide = int("\x05\x09\x02\x03\x05\x09\x02\x03\x05\x09"[c-0xca])
	if len(b) < wide {
		return 0, 0
	}
	switch wide {
	case 2:
		w = uint64(b[1])
	case 3:
		w = uint64(binary.BigEndian.Uint16(b[1:]))
	case 5:
		w = uint64(binary.BigEndian.Uint32(b[1:]))
	case 9:
		w = binary.BigEndian.Uint64(b[1:])
	}
	switch c {
	case 0xca:
		return wordOfFloat(float64(math.Float32frombits(uint32(w))), t, wide)
	case 0xcb:
		return wordOfFloat(math.Float64frombits(w), t, wide)
	case 0xcf:
		if w > math.MaxInt64 {
			return 0, 0
		}
	case 0xd0:
		w = uint64(int64(int8(w)))
	case 0xd1:
		w = uint64(int64(int16(w)))
	case 0xd2:
		w = uint64(int64(int32(w)))
	}
	return wordOfInt(int64(w), t, wide)
}

func wordOfInt(v int64, t Type, wide int) (uint64, int) {
	switch t {
	case TypeF64:
		return math.Float64bits(float64(v)), wide
	case TypeI64:
		return uint64(v), wide
	case TypeI32:
		if v == int64(int32(v)) {
			return uint64(uint32(v)), wide
		}
	case TypeU32:
		if v == int64(uint32(v)) {
			return uint64(v), wide
		}
	case TypeF32:
		return uint64(math.Float32bits(float32(float64(v)))), wide
	}
	return 0, 0
}

func wordOfFloat(v float64, t Type, wide int) (uint64, int) {
	switch t {
	case TypeF64:
		return math.Float64bits(v), wide
	case TypeF32:
		f := float32(v)
		if math.IsInf(float64(f), 0) && !math.IsInf(v, 0) {
			return 0, 0
		}
		return uint64(math.Float32bits(f)), wide
	case TypeI64, TypeI32, TypeU32:
		if i, ok := asInt(v); ok {
			return wordOfInt(i, t, wide)
		}
	}
	return 0, 0
}
