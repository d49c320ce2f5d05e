package portable_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// TestLaneValues: every value comes back as it went, of any size.
func TestLaneValues(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "echo")
		at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
		for _, v := range []any{
			nil, int64(-1) << 63, ^uint64(0),
			[]byte{0, 255},
			at, 1e300, strings.Repeat("é", 1<<20), make([]byte, 3<<20),
			map[string]any{"a": []any{int64(1), nil, map[string]any{}}},
		} {
			got, err := p.call("echo", v)
			if err != nil || !reflect.DeepEqual(got, v) {
				t.Errorf("%.80v is %.80v, %v", v, got, err)
			}
		}
	})
}

// TestLaneBytes: encoded values pass as they are, one call or many at once.
func TestLaneBytes(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "echo", "fail", "none")
		f := p.function(t, "echo")
		got, err := f.(host.Bytes).ExecBytes(t.Context(), nil, []byte("kept"), packArgs([]any{"x"}))
		if want := "kept" + string(pack("x")); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		got, err = p.function(t, "none").(host.Bytes).ExecBytes(t.Context(), nil, nil, packArgs(nil))
		if err != nil || string(got) != string(pack(nil)) {
			t.Errorf("null is %q, %v", got, err)
		}
		got, err = p.function(t, "fail").(host.Bytes).ExecBytes(t.Context(), nil, []byte("kept"), packArgs(nil))
		if _, ok := errors.AsType[*host.GuestError](err); !ok || string(got) != "kept" {
			t.Errorf("an error: %q, %v", got, err)
		}
		rows := []any{[]any{int64(1)}, []any{"two"}, []any{nil}}
		got, err = f.(host.Batch).ExecBatch(t.Context(), nil, nil, pack(rows))
		must(t, err)
		list, err := frame.DecodeArgs(got)
		if err != nil || !reflect.DeepEqual(list, []any{int64(1), "two", nil}) {
			t.Errorf("%v, %v", list, err)
		}
		got, err = p.function(t, "fail").(host.Batch).ExecBatch(t.Context(), nil, nil, pack(rows))
		must(t, err)
		list, _ = frame.DecodeArgs(got)
		if e, ok := list[2].(*frame.Error); !ok || e.Msg != "boom" || len(list) != 3 {
			t.Errorf("rows that fail: %v", list)
		}
	})
	// eKuiper's wire has no encoded values.
	if _, ok := startWith(t, "go", "echo").function(t, "echo").(host.Bytes); ok {
		t.Error("a function of eKuiper's wire has the lane of bytes")
	}
}

// TestLaneContexts: the plugin knows on whose behalf it is called.
func TestLaneContexts(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "context")
		f := p.function(t, "context")
		for range 2 {
			got, err := f.Exec(t.Context(), nil, nil)
			if err != nil || got != "none" {
				t.Errorf("outside any rule: %v, %v", got, err)
			}
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 700 { // more than are remembered, together
					c := &host.Call{Rule: fmt.Sprint("r", i), Op: "o", Instance: int64(n), Run: 2, Func: 3}
					got, err := f.Exec(context.Background(), c, nil)
					if want := fmt.Sprintf("r%do%d 2 3", i, n); err != nil || got != want {
						t.Errorf("%v, %v, want %v", got, err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestLaneState: values and counters belong to the context of the call.
func TestLaneState(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "put", "get", "delete", "add", "total")
		in := func(rule, name string, args ...any) any {
			t.Helper()
			var c *host.Call
			if rule != "" {
				c = &host.Call{Rule: rule, Op: "o"}
			}
			v, err := p.function(t, name).Exec(t.Context(), c, args)
			if err != nil {
				t.Errorf("%s%v: %v", name, args, err)
			}
			return v
		}
		value := map[string]any{"a": []any{int64(1), []byte("b")}}
		in("r1", "put", "k", value)
		in("", "put", "k", "outside")
		for rule, want := range map[string]any{"r1": value, "r2": nil, "": "outside"} {
			if got := in(rule, "get", "k"); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, want %v", rule, got, want)
			}
		}
		in("r1", "delete", "k")
		if got := in("r1", "get", "k"); got != nil {
			t.Errorf("deleted, and %v", got)
		}
		if a, b, c, d := in("r1", "add", "n", int64(2)), in("r1", "add", "n", int64(3)), in("r1", "total", "n"), in("r2", "total", "n"); a != int64(2) || b != int64(5) || c != int64(5) || d != int64(0) {
			t.Error(a, b, c, d)
		}
		_, err := p.function(t, "put").Exec(t.Context(), nil, []any{"big", make([]byte, host.MaxStateValue+1)})
		if g := guestError(t, "put", err); !strings.Contains(g.Error(), "at most") {
			t.Error(err)
		}
		must(t, p.Module.(host.Supervised).Restart(t.Context()))
		if got := in("", "get", "k"); got != "outside" {
			t.Errorf("after a restart: %v", got)
		}
	})
}

// TestLaneCancel: a call that is given up is told to the plugin, and the others
// of its function go on.
func TestLaneCancel(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "spin", "echo")
		f := p.function(t, "spin")
		for range 20 { // each would wait for the one before
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			begun := time.Now()
			if _, err := f.Exec(ctx, nil, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > time.Second {
				t.Errorf("%v after %v", err, time.Since(begun))
			}
			cancel()
		}
		p.want(t, 1.0, "echo", 1.0)
		must(t, p.function(t, "spin").Validate(nil)) // the plugin has been told of all of them
	})
}

// TestLaneStalled: a process that does not read costs no caller more than its
// own deadline, and is ended.
func TestLaneStalled(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.SendTimeout = 500 * time.Millisecond
		r := newRole(sdk)
		p := load(t, newRuntime(t, o), r)
		pid := p.pid(t)
		halt(t, pid)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				begun := time.Now()
				_, err := p.function(t, "echo").Exec(ctx, nil, []any{make([]byte, 3<<20)})
				if took := time.Since(begun); err == nil || took > time.Second {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
		wg.Wait()
		until(t, "it serves again", func() bool { return callError(p, "echo", 1.0) == nil })
		if p.pid(t) == pid {
			t.Error("the process that did not read lives")
		}
	})
}

// TestLaneOfSources: the datasource and the credit.
func TestLaneOfSources(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.open(t, "rows", host.Props{"count": 1000, "progress": true})
		time.Sleep(100 * time.Millisecond)
		if sent := notes(p.dir, "sent"); len(sent) != 3 { // 0, 100, 200 of 256
			t.Errorf("without a reader the plugin has sent %v", sent)
		}
		for i := range 1000 {
			if m, err := next(s); err != nil || m.Value.(map[string]any)["n"] != int64(i) {
				t.Fatalf("row %d: %+v, %v", i, m, err)
			}
		}
	})
}
