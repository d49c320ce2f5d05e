package wasm

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// books read what the kernel accounts to the threads of this process.
type books struct {
	*sentries
	threads atomic.Pointer[[]accounted]
	adding  sync.Mutex // for who writes threads
}

// accounted is a thread, and the open file of its schedstat.
type accounted struct {
	thread int
	fd     uintptr
}

// openBooks says so where there are none.
func openBooks(t testing.TB) *books {
	b := &books{sentries: postSentries(t)}
	b.threads.Store(&[]accounted{})
	b.refresh()
	t.Cleanup(func() {
		for _, a := range *b.threads.Load() {
			_ = unix.Close(int(a.fd))
		}
	})
	return b
}

// kept says whether there is anything to read.
func (b *books) kept() bool { return len(*b.threads.Load()) > 0 }

// refresh finds the threads that there are.
func (b *books) refresh() {
	b.adding.Lock()
	defer b.adding.Unlock()
	list := slices.Clone(*b.threads.Load())
	entries, _ := os.ReadDir("/proc/self/task")
	for _, e := range entries {
		thread, _ := strconv.Atoi(e.Name())
		if slices.ContainsFunc(list, func(a accounted) bool { return a.thread == thread }) {
			continue
		}
		if fd, err := unix.Open("/proc/self/task/"+e.Name()+"/schedstat", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			list = append(list, accounted{thread, uintptr(fd)})
		}
	}
	b.threads.Store(&list)
}

// stand reads. It is in no system call that the scheduler knows of, so that it stays on its thread.
func (b *books) stand() (s stand) {
	for {
		thread, processor := gettid(), uint32(0)
		var use unix.Rusage
		_, _, _ = unix.RawSyscall(unix.SYS_GETRUSAGE, unix.RUSAGE_THREAD, uintptr(unsafe.Pointer(&use)), 0)
		s = stand{thread: thread, parks: wide(use.Nvcsw), faults: wide(use.Minflt) + wide(use.Majflt)}
		for _, a := range *b.threads.Load() {
			s.waits += a.waited()
		}
		s.process = clockOf(unix.CLOCK_PROCESS_CPUTIME_ID)
		_, _, _ = unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&processor)), 0, 0)
		s.processor, s.at = int(processor), systemClock()
		s.cpu = clockOf(unix.CLOCK_THREAD_CPUTIME_ID)
		if gettid() == thread {
			return s
		}
	}
}

// wide is a number that is narrower on 32-bit machines.
func wide[T int32 | int64](n T) int64 { return int64(n) }

func gettid() int {
	thread, _, _ := unix.RawSyscall(unix.SYS_GETTID, 0, 0, 0)
	return int(thread)
}

// waited is for how long the thread has stood in the kernel's queue: the second number.
func (a accounted) waited() time.Duration {
	var text [64]byte
	n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, a.fd, uintptr(unsafe.Pointer(&text)), uintptr(len(text)), 0, 0, 0)
	if errno != 0 {
		return 0 // it has ended
	}
	field, v := 0, time.Duration(0)
	for _, c := range text[:n] {
		switch {
		case c == ' ':
			field++
		case field == 1:
			v = 10*v + time.Duration(c-'0')
		}
	}
	return v
}

func systemClock() time.Duration { return clockOf(unix.CLOCK_MONOTONIC) }

func clockOf(id uintptr) time.Duration {
	var ts unix.Timespec
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

func BenchmarkStand(b *testing.B) {
	books := openBooks(b)
	for b.Loop() {
		books.stand()
	}
	b.Log(len(*books.threads.Load()), "threads")
}
