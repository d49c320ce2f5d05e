package husk

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Name is the custom section that a husk begins with; its content is the SHA-256 digest of the whole module.
const Name = "vanth:husk"

const (
	header     = 8 // bytes of magic and version
	secCustom  = 0
	secCode    = 10
	secHighest = 12
)

// trap is a body with its size: no locals, unreachable, end. It is valid for a function of any type.
const trap = "\x03\x00\x00\x0b"

var errShort = errors.New("it ends within a section")

// Of returns the husk of a module that passed the gate. The error says that the sections cannot be told apart.
func Of(module []byte) ([]byte, error) {
	if len(module) < header {
		return nil, errShort
	}
	digest := sha256.Sum256(module)
	out := make([]byte, 0, len(module)/8+1<<10)
	out = append(out, module[:header]...)
	out = append(out, secCustom, byte(1+len(Name)+len(digest)), byte(len(Name)))
	out = append(append(out, Name...), digest[:]...)
	for rest := module[header:]; len(rest) > 0; {
		id := rest[0]
		size, n := number(rest[1:])
		if n == 0 || uint64(len(rest)-1-n) < size {
			return nil, errShort
		}
		end := 1 + n + int(size)
		switch {
		case id > secHighest:
			return nil, fmt.Errorf("a section of kind %d: the last known is %d", id, secHighest)
		case id == secCode:
			functions, n := number(rest[1+n : end])
			if n == 0 || functions > size {
				return nil, errShort
			}
			out = appendTraps(out, functions)
		default:
			out = append(out, rest[:end]...)
		}
		rest = rest[end:]
	}
	return out, nil
}

// appendTraps writes a code section of so many bodies.
func appendTraps(out []byte, functions uint64) []byte {
	count := binary.AppendUvarint(nil, functions)
	out = append(out, secCode)
	out = binary.AppendUvarint(out, uint64(len(count))+functions*uint64(len(trap)))
	out = append(out, count...)
	for range functions {
		out = append(out, trap...)
	}
	return out
}

// number reads a number of 32 bits; n is its bytes, 0 for none.
func number(b []byte) (v uint64, n int) {
	v, n = binary.Uvarint(b)
	if n < 0 || v > math.MaxUint32 {
		return 0, 0
	}
	return v, n
}
