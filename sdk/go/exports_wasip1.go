//go:build wasip1

package vanth

import "unsafe"

// minor is the minor version of ABI 1 that this package speaks.
const minor = 0

// The exports, as in sdk/abi. A program gets them by importing this package.

//go:wasmexport vanth_abi_1
func exportABI() int32 { return minor }

//go:wasmexport vanth_buf
func exportBuf(size int32) int32 {
	if size < 0 {
		return 0
	}
	return int32(uintptr(unsafe.Pointer(&this.buf(int(size))[0])))
}

//go:wasmexport vanth_call
func exportCall(fn, ptr, n int32) int64 {
	p := uintptr(uint32(ptr))
	var frame []byte
	if this.holds(p, int(n)) {
		frame = this.scratch[p-uintptr(unsafe.Pointer(&this.scratch[0])):][:n]
	}
	return packed(this.call(int(fn), frame)) // an empty frame is refused there
}

//go:wasmexport vanth_symbols
func exportSymbols() int64 { return packed(this.symbols(), false) }

func packed(frame []byte, failed bool) int64 {
	return pack(uintptr(unsafe.Pointer(unsafe.SliceData(frame))), len(frame), failed)
}
