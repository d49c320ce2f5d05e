// Package stripe spreads what many goroutines write over places that few share.
//
// A word that all processors write costs each of them a trip to the others. There is no number of the present processor
// to be had in Go; but each goroutine has a stack of its own, and few run at once. So the address of a stack tells which
// of some places to use. Two goroutines may meet in one: whatever is kept there must bear that.
//
// It imports the standard library and holds no state.
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
