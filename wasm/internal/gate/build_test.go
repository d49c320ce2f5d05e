package gate_test

import (
	"encoding/binary"
	"slices"
)

// Modules are built by hand here, so that they may be wrong in any place.

func u32(v int) []byte { return binary.AppendUvarint(nil, uint64(v)) }

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// vec is the count of entries and the entries.
func vec(entries ...[]byte) []byte { return cat(append([][]byte{u32(len(entries))}, entries...)...) }

// sized is the length of b and b.
func sized(b []byte) []byte { return cat(u32(len(b)), b) }

func section(id byte, body ...[]byte) []byte { return cat([]byte{id}, sized(cat(body...))) }

func custom(name string, body ...[]byte) []byte {
	return section(0, sized([]byte(name)), cat(body...))
}

func module(sections ...[]byte) []byte {
	return cat([]byte("\x00asm\x01\x00\x00\x00"), cat(sections...))
}

const (
	tI32 = 0x7f
	tI64 = 0x7e
	tF64 = 0x7c
	tV   = 0x7b
)

func funcType(params, results []byte) []byte {
	return cat([]byte{0x60}, sized(params), sized(results))
}

// body is a function body: runs of locals as pairs of count and type, and code without its last end.
func body(locals [][]byte, code ...[]byte) []byte {
	return sized(cat(vec(locals...), cat(code...), []byte{0x0b}))
}

func locals(n int, t byte) []byte { return append(u32(n), t) }

func repeat(n int, code ...byte) []byte { return slices.Repeat(code, n) }

// program is a module of n functions of type () -> () with the same body, a memory, a table and a data segment.
func program(n int, b []byte) []byte { return programOf(funcType(nil, nil), n, b) }

func programOf(t []byte, n int, b []byte) []byte {
	types, bodies := make([][]byte, n), make([][]byte, n)
	for i := range n {
		types[i], bodies[i] = []byte{0}, b
	}
	return module(
		section(1, vec(t)), section(3, vec(types...)),
		section(4, vec([]byte{0x70, 1, 1, 1})), section(5, vec([]byte{1, 1, 1})),
		section(6, vec([]byte{tI32, 1, 0x41, 0, 0x0b})),
		section(12, u32(1)), section(10, vec(bodies...)),
		section(11, vec([]byte{1, 1, 0})))
}
