//go:build linux || darwin

package reserve

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const reserves = true

// reserveBytes returns n bytes of zeros, none of which takes memory before it is touched.
func reserveBytes(n int) ([]byte, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	mem := unsafe.Slice((*byte)(p), n)
	refuseHugePages(mem)
	return mem, nil
}

// piece is how much memory is given back to the system at once, in bytes: that takes less than a tenth of a millisecond, in
// which the processor of Go's scheduler does nothing else.
const piece = 1 << 20

// drain gives the pages of mem back, if they are many, piece by piece, and lets others run between them.
func drain(mem []byte) {
	for ; len(mem) > piece; mem = mem[piece:] {
		_ = unix.Madvise(mem[:piece], unix.MADV_DONTNEED)
		runtime.Gosched()
	}
}

// unreserve ends a reservation. It cannot fail for one that reserveBytes made and nobody ended, except when the process is
// out of mappings: ending one in the middle of a row of them makes two. Then its pages are given back at least, and the
// addresses stay.
func unreserve(mem []byte) {
	if len(mem) == 0 {
		return
	}
	if unix.MunmapPtr(unsafe.Pointer(&mem[0]), uintptr(len(mem))) != nil {
		_ = unix.Madvise(mem, unix.MADV_DONTNEED)
	}
}
