package modgen

import "bytes"

// Types of values, as they are encoded.
const (
	i32       = 0x7f
	i64       = 0x7e
	f32       = 0x7d
	f64       = 0x7c
	v128      = 0x7b
	funcRef   = 0x70
	externRef = 0x6f
)

// signature is the type of a function or of a block.
type signature struct{ params, results []byte }

func (s signature) equal(o signature) bool {
	return bytes.Equal(s.params, o.params) && bytes.Equal(s.results, o.results)
}

// Import is a function that modules may import, by the types of the binary format. Module is always "env".
type Import struct {
	Name            string
	Params, Results []byte
}

// Imports are all functions that a module may import. A host may do as it likes with them, but the same for the same
// arguments.
func Imports() []Import {
	return []Import{
		{"nothing", nil, nil},
		{"log", []byte{i32}, nil},
		{"next", nil, []byte{i32}},
		{"mix", []byte{i32, i64}, []byte{i64}},
		{"float", []byte{f32, f64}, []byte{f64}},
		{"pair", []byte{i64}, []byte{i32, f32}},
		{"keep", []byte{externRef}, []byte{externRef}},
	}
}

// Names of exports that every module has.
const (
	Steps  = "steps"  // global i32, mutable
	Memory = "memory" // if there is a memory
)
