package stripe

import (
	"runtime"
	"unsafe"
)

// Line is what processors pass on at once, in bytes, and its neighbour, which some fetch with it.
const Line = 128

// Count is how many places serve this machine: a power of two, at least twice the processors.
func Count() int {
	n := 2
	for n < 2*runtime.GOMAXPROCS(0) {
		n *= 2
	}
	return n
}

// Index is the place of the calling goroutine among n, a power of two. It may change when the stack grows or moves.
func Index(n int) int {
	var here byte
	at := uint64(uintptr(unsafe.Pointer(&here)))
	const smallest = 11 // stacks have at least 2 to the power of so many bytes
	return int(at >> smallest * 0x9e3779b97f4a7c15 >> 32 & uint64(n-1))
}
