package hold_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host/hold"
)

// takeBack has an owner use a thing over and over, and a taker recall it, for so long; it returns how often the
// taker got it, and whether both ever had it at once.
func takeBack(settle func(), limit time.Duration) (taken int, both bool) {
	var recalled, stop, has, seen atomic.Bool
	var mark hold.Mark
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			if mark.Begin(&recalled) {
				for range 50 { // loads alone: nothing here waits for the store of Begin
					if has.Load() {
						seen.Store(true)
					}
				}
			}
			mark.End(&recalled)
		}
	})
	for end := time.Now().Add(limit); time.Now().Before(end) && !seen.Load(); {
		recalled.Store(true)
		settle()
		if !mark.InUse() {
			taken++
			has.Store(true)
			for range 100 {
				has.Load()
			}
			has.Store(false)
		}
		recalled.Store(false)
		for range taken % 64 { // meet the owner elsewhere each time
			has.Load()
		}
	}
	stop.Store(true)
	wg.Wait()
	return taken, seen.Load()
}

// TestTakeBack: a thing is never used by its owner and by who took it back.
func TestTakeBack(t *testing.T) {
	taken, both := takeBack(hold.Settle, 500*time.Millisecond)
	if both || taken == 0 {
		t.Errorf("taken %d times; by both at once: %v", taken, both)
	}
}

// TestTakeBackUnsettled is TestTakeBack without what keeps it: it must find out.
func TestTakeBackUnsettled(t *testing.T) {
	if raced || runtime.NumCPU() < 2 || runtime.GOARCH != "amd64" {
		t.Skip("needs two processors of a known kind, and words that are not atomic")
	}
	if taken, both := takeBack(func() {}, 20*time.Second); !both {
		t.Errorf("taken %d times, never by both at once: the test above cannot fail", taken)
	}
}

func BenchmarkHold(b *testing.B) {
	var recalled atomic.Bool
	var mark hold.Mark
	for b.Loop() {
		if mark.Begin(&recalled); mark.End(&recalled) {
			b.Fatal("recalled")
		}
	}
}

func BenchmarkSettle(b *testing.B) {
	for b.Loop() {
		hold.Settle()
	}
}
