package reserve_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// process is what the kernel says about this one.
type process struct{ mappings, virtual, resident int } // the last two in KiB

func processNow(t *testing.T) (p process) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	p.mappings = bytes.Count(maps, []byte("\n"))
	status, _ := os.ReadFile("/proc/self/status")
	for key, to := range map[string]*int{"VmSize:": &p.virtual, "VmRSS:": &p.resident} {
		_, rest, _ := strings.Cut(string(status), key)
		fmt.Sscan(rest, to)
	}
	return p
}

func TestNothingLeaks(t *testing.T) {
	ends := map[string]struct {
		text  string
		grow  uint64
		fails bool
	}{
		"small":  {text: guest},
		"large":  {text: guest, grow: limit/page - 1},
		"failed": {text: `(module (memory 1) (func $s (i32.store (i32.const 0) (i32.const 1)) (unreachable)) (start $s))`, fails: true},
	}
	for name, tc := range ends {
		t.Run(name, func(t *testing.T) {
			c, p := compile(t, engines["default"](), tc.text), reserve.New(limit)
			cycles := func(n int) {
				for range n {
					mod, lease, err := c.start(t.Context(), t, p)
					if (err != nil) != tc.fails {
						t.Fatal(err)
					}
					if tc.grow > 0 {
						call(t, mod, "grow", tc.grow)
						call(t, mod, "fill", 100*page, 1, page)
					}
					if mod != nil {
						mod.Close(t.Context())
					}
					lease.Release()
				}
			}
			cycles(1000)
			before := processNow(t)
			cycles(10_000)
			after := processNow(t)
			t.Logf("%+v, then %+v", before, after)
			// One leaked memory in a hundred would be 100 mappings or 1.6 GiB, and a page of each 400 KiB.
			if after.mappings > before.mappings+20 || after.virtual > before.virtual+256<<10 || after.resident > before.resident+16<<10 {
				t.Errorf("%+v before 10,000 instances, %+v after", before, after)
			}
			p.Discard()
		})
	}
}

func TestReleasedMemoryIsUnmapped(t *testing.T) {
	p := reserve.New(limit)
	lease, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	mem := lease.Allocate(0, limit).Reallocate(limit)
	at := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	if !mapped(t, at) {
		t.Fatal("a leased memory is not mapped")
	}
	lease.Release() // it waits
	if !mapped(t, at) {
		t.Error("a small memory does not wait")
	}
	p.Discard()
	if mapped(t, at) {
		t.Error("still mapped after Discard")
	}
}

func mapped(t *testing.T, at uintptr) bool {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if fmt.Sscanf(line, "%x-%x", &from, &to); from <= at && at < to {
			return true
		}
	}
	return false
}

func TestHugePagesAreRefused(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("this kernel has none")
	}
	p := reserve.New(limit)
	defer p.Discard()
	lease, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	at := uintptr(unsafe.Pointer(unsafe.SliceData(lease.Allocate(0, limit).Reallocate(page))))
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	within := false
	for line := range strings.Lines(string(smaps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			within = from <= at && at < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && within {
			if !strings.Contains(flags, " nh") {
				t.Errorf("flags of the mapping:%s, want nh among them", flags)
			}
			return
		}
	}
	t.Error("the memory is not in /proc/self/smaps")
}

// TestManyReservationsAreCheap has as many memories as a process may have mappings, nearly.
func TestManyReservationsAreCheap(t *testing.T) {
	p := reserve.New(limit)
	before := processNow(t)
	leases := make([]*reserve.Lease, 20_000)
	if strconv.IntSize == 32 {
		leases = leases[:50]
	}
	for i := range leases {
		var err error
		if leases[i], err = p.Lease(); err != nil {
			t.Fatal(err)
		}
		leases[i].Allocate(0, limit).Reallocate(page)[0] = 1
	}
	after := processNow(t)
	each := float64(after.resident-before.resident) / float64(len(leases))
	t.Logf("%d memories: %+v, then %+v: %.1f KiB each", len(leases), before, after, each)
	if after.mappings > before.mappings+100 {
		t.Errorf("%d mappings more: a process may have 65,530", after.mappings-before.mappings)
	}
	if bound := 6 * float64(os.Getpagesize()) / 4096; each > bound && !raced {
		t.Errorf("%.1f KiB for a memory of which one page was touched, want at most %.1f", each, bound)
	}
	for _, l := range leases {
		l.Release()
	}
	p.Discard()
	if got := processNow(t); got.mappings > before.mappings+100 {
		t.Errorf("%d mappings before, %d after", before.mappings, got.mappings)
	}
}

// TestNoRoom runs TestChildWithoutRoom in a process of little address space.
func TestNoRoom(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestChildWithoutRoom$", "-test.v")
	cmd.Env = append(os.Environ(), "RESERVE_NO_ROOM=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("all is well")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestChildWithoutRoom(t *testing.T) {
	if os.Getenv("RESERVE_NO_ROOM") == "" {
		t.Skip("started by TestNoRoom")
	}
	c, p := compile(t, engines["default"](), guest), reserve.New(limit)
	room := uint64(processNow(t).virtual)<<10 + 5*limit + 8<<20
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: room, Max: room}); err != nil {
		t.Fatal(err)
	}
	var leases []*reserve.Lease
	var err error
	for err == nil && len(leases) < 100 {
		var lease *reserve.Lease
		if lease, err = p.Lease(); err == nil {
			leases = append(leases, lease)
		}
	}
	if !errors.Is(err, unix.ENOMEM) || !strings.Contains(err.Error(), "16 MiB of address space") || !strings.Contains(err.Error(), "ulimit -v") {
		t.Fatalf("after %d memories: %v", len(leases), err)
	}
	if got := p.Stats(); got.Leases != len(leases) || got.Reserved != uint64(len(leases))*limit {
		t.Errorf("%d memories: %+v", len(leases), got)
	}
	leases[0].Release() // what is released can be leased
	mod, lease, err := c.start(t.Context(), t, p)
	if err != nil {
		t.Fatal(err)
	}
	call(t, mod, "fill", 0, 1, page)
	lease.Release()
	if !t.Failed() {
		fmt.Println("all is well")
	}
}
