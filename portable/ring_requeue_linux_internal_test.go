package portable

import (
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestRequeued: a plugin may have the kernel move who sleeps on a word of the ring to a word of its own, where nobody wakes
// it. The reader of a call wakes by itself.
func TestRequeued(t *testing.T) {
	const requeue = 3 // FUTEX_REQUEUE
	_, r, err := newRing()
	if err != nil {
		t.Fatal(err)
	}
	r.attend(0, napFor) // as lead does
	read := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 10))
		read <- err
	}()
	var own uint32
	for moved := uintptr(0); moved == 0; time.Sleep(time.Millisecond) { // until it sleeps
		var e syscall.Errno
		if moved, _, e = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(r.in.head)), requeue, 0, 10, uintptr(unsafe.Pointer(&own)), 0); e != 0 {
			t.Fatal(e)
		}
	}
	ended := make(chan struct{})
	go func() {
		r.shut()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(10 * napFor):
		t.Fatal("the reader sleeps for ever, and the ring cannot be closed")
	}
	if err := <-read; err == nil {
		t.Error("it read something")
	}
	r.free()
}
