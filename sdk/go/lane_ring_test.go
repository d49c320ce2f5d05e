//go:build linux && (amd64 || arm64 || arm || riscv64)

package vanth

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// A position that cannot be ends the process.
func TestLaneRingLies(t *testing.T) {
	const size = 4096
	for name, lie := range map[string]struct {
		at   int
		call bool // the lie shows when there is much to say
	}{
		"head": {0, false},
		"tail": {4096 + size + 64, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := connect(t, size)
			if v, err := h.callIn(0, "add", 1, 2); v != 3.0 || err != nil {
				t.Fatal(v, err)
			}
			memory, err := syscall.Mmap(int(h.shared.Fd()), 0, 2*(4096+size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			word := (*atomic.Uint32)(unsafe.Pointer(&memory[lie.at]))
			word.Add(1 << 31)
			for n := 0; lie.call && n < size/headSize; n++ { // until there must be room
				h.send(head{op: opCall, symbol: h.index("functions", "zero"), id: h.id()}, []any{})
			}
			_, _, _ = syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), 1, 1, 0, 0, 0)
			if got := h.status(t); got != 1 || !strings.Contains(h.stderr.String(), "beyond the buffer") {
				t.Errorf("status %d: %s", got, h.stderr)
			}
		})
	}
}

// With a ring and nothing to do the plugin takes no processor time.
func TestLaneIdle(t *testing.T) {
	h := connect(t, 64<<10)
	for range 100 {
		if _, err := h.callIn(0, "add", 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	const clockTicks = 100 // of /proc/PID/stat
	before := processorTime(t, h.Process.Pid)
	time.Sleep(500 * time.Millisecond)
	if took := processorTime(t, h.Process.Pid) - before; took > clockTicks/20 {
		t.Errorf("%d hundredths of a second while idle", took)
	}
}

// processorTime is user and system time in hundredths of a second.
func processorTime(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skip(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}
