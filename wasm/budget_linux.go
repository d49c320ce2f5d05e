package wasm

import (
	"syscall"
	"time"
	"unsafe"
)

// threadTime is how much CPU time the calling thread has had; 0 where the kernel does
// not tell.
func threadTime() time.Duration {
	const threadClockID = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	// It does not block, so the scheduler need not know.
	if _, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClockID, uintptr(unsafe.Pointer(&t)), 0); e != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}

// threadClock is threadTime, or nil where that goes in steps too large for a slice.
func threadClock() func() time.Duration {
	const reads = 64
	steps, last := 0, threadTime()
	for range reads {
		now := threadTime()
		if now != last {
			steps++
		}
		last = now
	}
	if steps < reads/2 {
		return nil
	}
	return threadTime
}
