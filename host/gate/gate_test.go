package gate_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host/gate"
)

// TestGate: nobody is inside after Wait returned, and refused attempts do not
// disturb the count.
func TestGate(t *testing.T) {
	for range 200 {
		g := gate.New()
		var inside, ended atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for g.Enter() {
					inside.Add(1)
					if ended.Load() != 0 {
						t.Error("entered after Wait returned")
					}
					inside.Add(-1)
					g.Leave()
				}
				for range 10 {
					if g.Enter() {
						t.Error("entered after Shut")
					}
				}
			})
		}
		g.Shut()
		if err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended.Store(1)
		wg.Wait()
		if n := inside.Load(); n != 0 || g.InFlight() != 0 {
			t.Fatalf("%d inside, %d counted", n, g.InFlight())
		}
	}
}

func TestGateWaitGivesUp(t *testing.T) {
	g := gate.New()
	if !g.Enter() || g.InFlight() != 1 {
		t.Fatal("refused")
	}
	g.Shut()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || g.InFlight() != 1 {
		t.Error(err, g.InFlight())
	}
	g.Leave()
	// Also when ctx has ended.
	if err := g.Wait(ctx); err != nil {
		t.Error(err)
	}
}
