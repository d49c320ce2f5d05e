//go:build linux && (amd64 || arm64 || arm || riscv64)

package ring

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Map maps the file of descriptor fd, which may be closed then. host says which half is whose.
func Map(fd int, host bool) (*Ring, error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if stat.Size <= 2*page || stat.Size > 2*(page+maxBuffer) {
		return nil, ErrSize
	}
	memory, err := syscall.Mmap(fd, 0, int(stat.Size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	r, err := attach(memory, host)
	if err != nil {
		_ = syscall.Munmap(memory)
		return nil, err
	}
	return r, nil
}

// Close unmaps the file.
func (r *Ring) Close() error { return syscall.Munmap(r.memory) }

// The futex operations, without the flag that says one process only.
const futexWait, futexWake = 0, 1

// sleep returns at a wake, at a signal, or at once if word is no longer old. The processor is free
// for other goroutines meanwhile.
func sleep(word *atomic.Uint32, old uint32) {
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(old), 0, 0, 0)
}

// wake ends all sleeps on word. It never blocks, hence the raw call.
func wake(word *atomic.Uint32) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1<<30, 0, 0, 0)
}
