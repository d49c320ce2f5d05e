package wasm

import (
	"context"
	"testing"
)

// TestHostileSpoiled: the figures without what the machine took are no excuse. A meter that looks too seldom breaks the
// promises by them, however busy the machine is.
func TestHostileSpoiled(t *testing.T) {
	l := &ledger{books: openBooks(t)}
	if !l.kept() {
		t.Skip("NOT JUDGED: this kernel keeps no books on threads")
	}
	o := corpusOptions("compiler")
	o.watch = l.look
	rt := newRuntime(t, o)
	// By how much slices are too large: instructions may be quick or slow.
	seldom := map[string]int64{"loop_endless": 2000, "slow_div": 100, "slow_sqrt": 100, "slow_convert": 500, "memory_copy": 500}
	for _, h := range corpus(t) {
		factor, ok := seldom[h.name]
		if !ok {
			continue
		}
		e := h.arm(t, rt)
		var sound, spoiled tally
		for range 5 {
			for _, y := range []*tally{&sound, &spoiled} {
				if l.spoil = 0; y == &spoiled {
					l.spoil = 8 * factor * mostFuel // of which pace takes an eighth when it was too much
				}
				l.begin(h.limit())
				if err := h.judge(e.call(context.Background())); err != nil {
					t.Error(err)
				}
				y.add(l.end())
			}
		}
		t.Logf("%s, slices %d times too large: %v; %q", h.name, factor, &spoiled, spoiled.broken())
		if len(spoiled.broken()) == 0 {
			t.Errorf("%s: slices %d times too large keep the promises: %v", h.name, factor, &spoiled)
		}
		t.Logf("%s: %v", h.name, &sound)
	}
}
