//go:build linux || darwin

package reserve

import (
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
