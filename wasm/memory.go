package wasm

import (
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// errMemory is a reference to memory that the guest does not have.
var errMemory = errors.New("outside the guest's memory")

// errFrame is a frame from the guest that is not what it should be.
var errFrame = errors.New("bad frame")

// view returns n bytes of guest memory at ptr: not a copy, and valid until the
// guest runs again. Every pointer that comes from a guest passes here.
func view(m api.Memory, ptr, n uint32) ([]byte, error) {
	if m == nil {
		return nil, fmt.Errorf("%d bytes at %#x: %w, which has none", n, ptr, errMemory)
	}
	b, ok := m.Read(ptr, n)
	if !ok {
		return nil, fmt.Errorf("%d bytes at %#x: %w of %d bytes", n, ptr, errMemory, m.Size())
	}
	return b, nil
}

// The packed result of a call: pointer and length of a frame in guest memory,
// and whether it is an error. Zero is null.
func unpack(r uint64) (ptr, n uint32, isError bool) {
	return uint32(r >> 32), uint32(r) & (1<<31 - 1), r&(1<<31) != 0
}
