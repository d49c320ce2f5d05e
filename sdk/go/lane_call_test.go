//go:build unix

package vanth

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLaneCalls(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		h.send(head{op: opContext, context: 7}, []any{"rule", "op", 2, 3, 4})
		h.send(head{op: 200}, 1) // unknown, and asks for nothing
		at := time.Unix(9, 0).UTC()
		for _, c := range []struct {
			context uint32
			name    string
			args    []any
			want    any
			err     string
		}{
			{0, "add", []any{1, 2.5}, 3.5, ""},
			{0, "echo", []any{nil}, nil, ""},
			{0, "echo", []any{[]byte{1, 2}}, []byte{1, 2}, ""},
			{0, "echo", []any{strings.Repeat("x", 200_000)}, strings.Repeat("x", 200_000), ""},
			{0, "zero", nil, "none", ""},
			{0, "add", []any{1}, nil, "usage: found 1 argument, expected 2"},
			{0, "fails", []any{"io"}, nil, "io: try later"},
			{0, "panics", []any{"boom"}, nil, "fatal: panic: boom"},
			{7, "where", nil, []any{"rule", "op", "tested", "where", int64(2)}, ""},
			{0, "where", nil, []any{"", "", "tested", "where", int64(0)}, ""},
			{0, "made", nil, "nothing", ""},
			{0, "made", []any{"types", 1, 2.5, []byte("ab"), at, []any{uint64(1 << 63)}}, "float64 float64 string string []interface {} [1 2.5 YWI= 1970-01-01T00:00:09Z [9.223372036854776e+18]]", ""},
			{0, "made", []any{"error"}, nil, "usage: an error's text"},
			{0, "made", []any{"text"}, nil, "usage: a text"},
			{0, "made", []any{"none"}, nil, ""},
			{0, "made", []any{"panic"}, nil, "fatal: panic: at the disco"},
			{0, "made", []any{"struct"}, map[string]any{"A": int64(1), "B": int64(2)}, ""},
			{7, "made", []any{"where"}, []any{"rule", "op", int64(2), int64(4)}, ""},
			{9, "made", []any{"where"}, nil, "fatal: context 9 is not known"},
		} {
			got, err := h.callIn(c.context, c.name, c.args...)
			if text := describe(err); text != c.err || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s%.60v: %.80v, %s", c.name, c.args, got, text)
			}
		}
		if _, err := h.request(head{op: opCall, symbol: 999}, []any{}); err == nil {
			t.Error("a function beyond the last")
		}
		h.send(head{op: opForget, context: 7}, none)
		if _, err := h.callIn(7, "where"); err == nil {
			t.Error("a context that is forgotten")
		}
		h.send(head{op: opBye}, none)
		if got := h.status(t); got != 0 {
			t.Errorf("bye: status %d", got)
		}
		if !strings.Contains(h.stderr.String(), "info rule/op: asked") {
			t.Errorf("the log: %s", h.stderr)
		}
	})
}

func TestLaneValidate(t *testing.T) {
	h := connect(t, 0)
	for _, c := range []struct {
		name string
		args []any
		ok   bool
	}{
		{"add", []any{nil, nil}, true},
		{"add", []any{nil}, false},
		{"count", []any{1, 2, 3}, true},
		{"made", []any{}, true},
		{"made", []any{1, 2, 3, 4}, false},
	} {
		v, err := h.request(head{op: opValidate, symbol: h.index("functions", c.name)}, c.args)
		if v != nil || (err == nil) != c.ok {
			t.Errorf("%s%v: %v, %v", c.name, c.args, v, err)
		}
	}
}

func TestLaneBatch(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		rows, want := []any{}, []any{}
		for i := range 1000 {
			rows, want = append(rows, []any{i, 0.5}), append(want, float64(i)+0.5)
		}
		rows[500] = []any{"x", 1}
		want[500] = &Error{Msg: "argument 1: found string, expected f64", Class: Usage}
		got, err := h.request(head{op: opBatch, symbol: h.index("functions", "add")}, rows)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%.200v, %v", got, err)
		}
		got, err = h.request(head{op: opBatch, symbol: h.index("functions", "made")}, []any{[]any{"a"}, []any{"panic"}})
		if list, _ := got.([]any); err != nil || len(list) != 2 || list[0] != "a" || list[1].(*Error).Class != Fatal {
			t.Errorf("%v, %v", got, err)
		}
		if got, err = h.request(head{op: opBatch, symbol: h.index("functions", "add")}, []any{}); err != nil || len(got.([]any)) != 0 {
			t.Errorf("no rows: %v, %v", got, err)
		}
		if _, err = h.request(head{op: opBatch, symbol: h.index("functions", "add")}, 5); err == nil {
			t.Error("rows that are no list")
		}
	})
}

// A function that takes its time holds up nobody else, and its own calls stay in order.
func TestLaneSlowFunction(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		sleep, made := h.index("functions", "sleep"), h.index("functions", "made")
		for range 3 {
			first, second, third := h.id(), h.id(), h.id()
			h.send(head{op: opCall, symbol: sleep, id: first}, []any{150})
			h.send(head{op: opCall, symbol: sleep, id: second}, []any{1})
			h.send(head{op: opCall, symbol: made, id: third}, []any{"quick"})
			var order []uint32
			start := time.Now()
			for range 3 {
				order = append(order, h.next().id)
				if len(order) == 1 && time.Since(start) > 100*time.Millisecond {
					t.Errorf("the quick one took %v", time.Since(start))
				}
			}
			if !reflect.DeepEqual(order, []uint32{third, first, second}) {
				t.Errorf("%v, of %d, %d, %d", order, first, second, third)
			}
		}
	})
}

// A result that waits for the frame behind its call must not stay when that frame is handled, and
// nothing else comes, while the call still runs.
func TestLaneSlowFunctionBeforeAnotherFrame(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		for i := range 5 {
			id := h.id()
			both := sealed(must(Append(append([]byte(nil), noHead[:]...), []any{20})), head{op: opCall, symbol: h.index("functions", "sleep"), id: id})
			both = append(both, alone(head{op: opCancel, id: 12345})...)
			if err := h.out.send(both, false); err != nil {
				t.Fatal(err)
			}
			watchdog := time.AfterFunc(3*time.Second, h.hangUp)
			f, err := h.read()
			if !watchdog.Stop() || err != nil || f.id != id {
				t.Fatalf("call %d: no result after 3 s: %v %v", i, f, err)
			}
			_, _ = h.callIn(0, "made", "next") // a slow function is run apart for a while
			for range slowMost {
				_, _ = h.callIn(0, "sleep", 0)
			}
		}
	})
}

func TestLaneCancel(t *testing.T) {
	h := connect(t, 0)
	made := h.index("functions", "made")
	first, second := h.id(), h.id()
	h.send(head{op: opCall, symbol: made, id: first}, []any{"wait"})
	h.send(head{op: opCall, symbol: made, id: second}, []any{"never"})
	h.send(head{op: opCancel, id: second}, none)
	h.send(head{op: opCancel, id: first}, none)
	h.send(head{op: opCancel, id: 12345}, none)
	for _, id := range []uint32{first, second} {
		if f := h.await(opResult, id); f.flags != flagError {
			t.Errorf("%d: %v", id, f.value)
		}
	}
	if v, err := h.callIn(0, "made", "after"); v != "after" || err != nil {
		t.Errorf("after: %v, %v", v, err)
	}
}

func TestLaneState(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		for n := uint32(1); n < 3; n++ {
			h.send(head{op: opContext, context: n}, []any{fmt.Sprint("rule", n), "op", 0, 0, 0})
		}
		for i := range 20 {
			var old any
			if i > 0 {
				old = int64(i - 1)
			}
			if v, err := h.callIn(1, "remember", "r", i); v != old || err != nil {
				t.Fatalf("%d: %v, %v", i, v, err)
			}
			if v, err := h.callIn(2, "tally", "k"); v != int64(i+1) || err != nil {
				t.Fatalf("%d: %v, %v", i, v, err)
			}
			if v, err := h.callIn(1, "made", "state", fmt.Sprint(i)); err != nil || v.([]any)[1] != int64(i+1) {
				t.Fatalf("%d: %v, %v", i, v, err)
			}
		}
		if v, err := h.callIn(2, "remember", "k", "refuse"); v != nil || describe(err) != "fatal: denied" {
			if e, ok := v.(*Error); !ok || e.Msg != "denied" {
				t.Errorf("refused: %v, %v", v, err)
			}
		}
	})
}

// Many calls of several functions under way, of which some ask for state, some take their time, and
// some leave a goroutine behind that asks while others run.
func TestLaneStress(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		h.send(head{op: opContext, context: 1}, []any{"rule", "op", 0, 0, 0})
		const calls = 3000
		want, got, laters := map[uint32]any{}, 0, 0
		collect := func() {
			f := h.next()
			if f.op != opResult || f.flags != 0 {
				t.Fatalf("%+v", f)
			}
			w, ok := want[f.id]
			if !ok || w != nil && !reflect.DeepEqual(f.value, w) {
				t.Fatalf("%d: %v, want %v", f.id, f.value, w)
			}
			delete(want, f.id)
			got++
		}
		for i := range calls {
			name, args, answer := "add", []any{i, 1}, any(float64(i+1))
			switch i % 7 {
			case 1:
				name, args, answer = "remember", []any{fmt.Sprint(i % 5), i}, nil
			case 2:
				name, args, answer = "made", []any{"state", i}, nil
			case 3:
				name, args, answer = "group", []any{"plain"}, "plain"
			case 4:
				name, args, answer = "tally", []any{"n"}, nil
			case 5:
				if i%100 == 5 {
					name, args, answer = "made", []any{"later"}, "soon"
					laters++
				}
			case 6:
				if i%500 == 6 {
					name, args, answer = "sleep", []any{3}, int64(3)
				}
			}
			x := head{op: opCall, symbol: h.index("functions", name), id: h.id(), context: 1}
			want[x.id] = answer
			h.send(x, args)
			for len(want) > 32 {
				collect()
			}
		}
		for len(want) > 0 {
			collect()
		}
		if got != calls {
			t.Errorf("%d answers", got)
		}
		for range 1000 {
			if n, _ := h.state["#1/laters"].(int64); n == int64(laters) {
				return
			}
			_, _ = h.callIn(0, "sleep", 1)
		}
		t.Errorf("%v of %d goroutines have asked", h.state["#1/laters"], laters)
	})
}
