package frame

import (
	"encoding/binary"
	"unicode/utf8"
)

// What is set in the bytes that are not ASCII.
const (
	high8 = 0x8080808080808080
	high4 = 0x80808080
)

// maxShort is the longest text that appendShort takes, in bytes.
const maxShort = 16

// appendShort appends a text of at most maxShort bytes of ASCII where dst has
// room; what it does not take is for appendText. A call to copy and one to
// utf8.ValidString for a word of six letters cost more than the rest of it.
func appendShort(dst []byte, s string) (_ []byte, ok bool) {
	at, n := len(dst), len(s)
	if n > maxShort || n >= cap(dst)-at {
		return dst, false
	}
	out := dst[:at+1+n]
	out[at] = 0xa0 | byte(n)
	p := out[at+1:]
	switch {
	case n >= 8:
		a, b := word(s), word(s[n-8:])
		if (a|b)&high8 != 0 {
			return dst, false
		}
		binary.LittleEndian.PutUint64(p, a)
		binary.LittleEndian.PutUint64(p[n-8:], b)
	case n >= 4:
		a, b := half(s), half(s[n-4:])
		if (a|b)&high4 != 0 {
			return dst, false
		}
		binary.LittleEndian.PutUint32(p, a)
		binary.LittleEndian.PutUint32(p[n-4:], b)
	case n > 0:
		a, b, c := s[0], s[n/2], s[n-1]
		if (a|b|c)&0x80 != 0 {
			return dst, false
		}
		p[0], p[n/2], p[n-1] = a, b, c
	}
	return out, true
}

// validText is utf8.Valid, quicker for short ASCII.
func validText(p []byte) bool {
	switch n := len(p); {
	case n > maxShort:
	case n >= 8:
		if (word(p)|word(p[n-8:]))&high8 == 0 {
			return true
		}
	case n >= 4:
		if (half(p)|half(p[n-4:]))&high4 == 0 {
			return true
		}
	case n > 0:
		if (p[0]|p[n/2]|p[n-1])&0x80 == 0 {
			return true
		}
	}
	return utf8.Valid(p)
}

// word reads the first 8 bytes, the lowest first: one load where the machine
// does it so.
func word[T string | []byte](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// half reads the first 4 bytes.
func half[T string | []byte](s T) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
