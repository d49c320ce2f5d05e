package portable_test

import (
	"testing"

	"github.com/vanth-io/vanth/host"
)

// TestWireCallAllocates: a call on eKuiper's wire allocates its result and nothing
// else.
func TestWireCallAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	rule := &host.Call{Rule: "r", Op: "2_project", Func: 1}
	calls := map[string]struct {
		call *host.Call
		arg  any
		want float64
	}{
		"a text, from outside a rule": {nil, "abc", 2}, // its bytes, and the any
		"a text":                      {rule, "abc", 2},
		"a number":                    {rule, 3.25, 1},
		"a bool":                      {rule, true, 0},
		"nothing":                     {rule, nil, 0},
	}
	each(t, wires(), func(t *testing.T, sdk string) {
		echo := startWith(t, sdk, "echo").function(t, "echo")
		for name, c := range calls {
			args := []any{c.arg}
			n := testing.AllocsPerRun(500, func() {
				if v, err := echo.Exec(t.Context(), c.call, args); err != nil || v != c.arg {
					t.Fatal(name, v, err)
				}
			})
			if n > c.want {
				t.Errorf("%s: found %v allocations a call, expected at most %v", name, n, c.want)
			}
		}
	})
}
