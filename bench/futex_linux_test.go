package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// shared is memory of two processes: what goes there and what comes back, each a
// message of 28 bytes behind a word that both wait for.
type shared struct {
	call   half
	answer half
}

type half struct {
	word    atomic.Uint32
	message [28]byte
	_       [96]byte // cache lines of its own
}

// The operations of the system call, for words of several processes.
const (
	futexWait = 0
	futexWake = 1
)

var errSilent = errors.New("the other process has not answered within a second")

// mapShared maps a file of that size.
func mapShared(path string) (*shared, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(unsafe.Sizeof(shared{}))); err != nil {
		return nil, err
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(unsafe.Sizeof(shared{})), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*shared)(unsafe.Pointer(unsafe.SliceData(b))), nil // never unmapped: the process ends soon
}

// post tells the other side that the message is there.
func (h *half) post(n uint32) {
	h.word.Store(n)
	syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&h.word)), futexWake, 1, 0, 0, 0)
}

// await waits until message n is there. It sleeps in the kernel and keeps its
// processor, as no scheduler may: this is a floor.
func (h *half) await(n uint32) error {
	limit := syscall.NsecToTimespec(int64(time.Second))
	for {
		now := h.word.Load()
		if now == n {
			return nil
		}
		_, _, e := syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&h.word)), futexWait, uintptr(now), uintptr(unsafe.Pointer(&limit)), 0, 0)
		if e == syscall.ETIMEDOUT {
			return errSilent
		}
	}
}

// futex returns a loop that sends a message to another process and waits for its
// answer, through shared memory.
func futex(t testing.TB) func(n int) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shared")
	m, err := mapShared(path)
	if err != nil {
		t.Fatal(err)
	}
	startPeer(t, "futex", path)
	number := uint32(0)
	return func(n int) error {
		for range n {
			number++
			m.call.message[0] = byte(number)
			m.call.post(number)
			if err := m.answer.await(number); err != nil {
				return err
			}
			if m.answer.message[0] != byte(number) {
				return fmt.Errorf("%w: %d", errWrong, m.answer.message[0])
			}
		}
		return nil
	}
}

// futexPeer answers. It ends with its parent, see startPeer.
func futexPeer(path string) error {
	m, err := mapShared(path)
	if err != nil {
		return err
	}
	for number := uint32(1); ; number++ {
		for {
			err := m.call.await(number)
			if err == nil {
				break
			}
		}
		m.answer.message = m.call.message
		m.answer.post(number)
	}
}
