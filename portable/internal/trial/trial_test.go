package trial

import (
	"testing"
	"time"
)

// TestTrial: the way that is answered sooner is taken, and tried again after its term.
func TestTrial(t *testing.T) {
	cases := map[string]struct {
		slept, looked time.Duration
		want          bool
	}{
		"looking is sooner":  {5 * time.Microsecond, 3 * time.Microsecond, true},
		"sleeping is sooner": {5 * time.Microsecond, 6 * time.Microsecond, false},
		"all the same":       {5 * time.Microsecond, 5 * time.Microsecond, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var r Trial
			for range 3 {
				for i := range 2*Calls + Term {
					look, counts := r.Begin()
					took := c.slept
					if look {
						took = c.looked
					}
					if counts != (i < 2*Calls) {
						t.Fatalf("call %d counts: %v", i, counts)
					}
					if want := i >= Calls && (i < 2*Calls || c.want); look != want {
						t.Fatalf("call %d looks: %v", i, look)
					}
					r.End(took)
				}
			}
		})
	}
}
