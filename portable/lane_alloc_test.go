package portable_test

import (
	"testing"

	"github.com/vanth-io/vanth/host"
)

// TestLaneCallAllocates: a call on the fast lane allocates its result and nothing
// else, and one that passes encoded values nothing at all.
func TestLaneCallAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	calls := map[string]struct {
		call *host.Call
		arg  any
		want float64
	}{
		"a text, from outside a rule": {nil, "abc", 2}, // its bytes, and the any
		"a text":                      {&host.Call{Rule: "r", Op: "2_project", Func: 1}, "abc", 2},
		"a number":                    {nil, 3.25, 1},
		"a bool":                      {nil, true, 0},
		"nothing":                     {nil, nil, 0},
	}
	each(t, lanes(), func(t *testing.T, sdk string) {
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
		args, batch, out := packArgs([]any{"abc"}), pack([]any{[]any{"abc"}, []any{"abc"}}), []byte(nil)
		for name, call := range map[string]func() error{
			"encoded values": func() (err error) {
				out, err = echo.(host.Bytes).ExecBytes(t.Context(), nil, out[:0], args)
				return err
			},
			"a batch": func() (err error) {
				out, err = echo.(host.Batch).ExecBatch(t.Context(), nil, out[:0], batch)
				return err
			},
		} {
			if n := testing.AllocsPerRun(500, func() { must(t, call()) }); n > 0 {
				t.Errorf("%s: found %v allocations a call, expected none", name, n)
			}
		}
	})
}
