package wasm

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// ownKiB is what the kernel says that this process has for itself.
func ownKiB(t *testing.T) (n int) {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if key, rest, _ := strings.Cut(line, ":"); key == "Private_Dirty" || key == "Private_Clean" {
			part := 0
			fmt.Sscan(rest, &part)
			n += part
		}
	}
	return n
}

// TestInstancesShareTheSnapshot: a hundred idle instances of a guest in Go have little of their own, and a hundred that
// were called what they wrote to.
func TestInstancesShareTheSnapshot(t *testing.T) {
	if raced {
		t.Skip("the race detector keeps a shadow of everything")
	}
	const count = 100
	rt := newRuntime(t, Options{PoolMax: count + 2, StartTimeout: time.Minute, CallTimeout: time.Minute})
	each := map[host.Reset]int{}
	for _, reset := range []host.Reset{host.ResetReuse, host.ResetFresh} {
		m := load(t, rt, sampleBundle(t, "geo", host.Manifest{Reset: reset}))
		exec1(t, m, "geohash", 1.0, 2.0, int64(5))
		before := ownKiB(t)
		list := make([]*instance, count)
		for i := range list {
			var err error
			if list[i], err = m.pool.grow(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		each[reset] = (ownKiB(t) - before) / count
		stats := m.memories.Stats()
		t.Logf("reset %s: %d KiB for an idle instance; an image of %d KiB, memories of %d KiB", reset, each[reset], stats.Image>>10, stats.Used>>10/uint64(stats.Leases))
		for _, in := range list {
			m.pool.discard(in)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if each[host.ResetReuse] > 128 {
		t.Errorf("%d KiB for an idle instance from the snapshot, at most 128", each[host.ResetReuse])
	}
	if each[host.ResetFresh] < 3*each[host.ResetReuse] {
		t.Errorf("one that starts as the module says has %d KiB, one from the snapshot %d", each[host.ResetFresh], each[host.ResetReuse])
	}
}
