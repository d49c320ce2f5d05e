//go:build unix

package vanth

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bothWires runs f over the socket, over a ring, and over one so small that each frame wraps.
func bothWires(t *testing.T, f func(t *testing.T, h *host)) {
	for name, size := range map[string]int{"socket": 0, "ring": 64 << 10, "small ring": 64} {
		t.Run(name, func(t *testing.T) { f(t, connect(t, size)) })
	}
}

func TestLaneHello(t *testing.T) {
	h := connect(t, 0)
	if h.hello["lane"] != int64(1) || h.hello["name"] != "tested" || h.hello["sdk"] == "" {
		t.Errorf("%v", h.hello)
	}
	for kind, want := range map[string]string{"functions": "add", "sources": "numbers", "sinks": "lines", "aggregate": "group"} {
		if !strings.Contains(fmt.Sprint(h.hello[kind]), want) {
			t.Errorf("%s: %v", kind, h.hello[kind])
		}
	}
	if got := fmt.Sprint(h.hello["aggregate"]); got != "[count group]" {
		t.Errorf("aggregate: %s", got)
	}
}

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

func (h *host) open(op uint8, kind, name string, what map[string]any) (uint32, error) {
	h.Helper()
	h.send(head{op: opContext, context: 1}, []any{"rule", "op", 0, 0, 0})
	x := head{op: op, symbol: h.index(kind, name), context: 1}
	_, err := h.request(x, what)
	return h.last, err
}

func TestLaneSource(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		s, err := h.open(opOpenSource, "sources", "numbers", map[string]any{"datasource": "x", "config": map[string]any{"step": 2}})
		if err != nil {
			t.Fatal(err)
		}
		next := 0.0
		for _, credit := range []uint32{1, 5, 1000} {
			h.send(head{op: opCredit, id: credit, context: s}, none)
			for range credit {
				f := h.await(opMessage, s)
				list := f.value.([]any)
				if len(list) != 3 || list[2] != nil || list[0].(map[string]any)["n"] != next || list[1].(map[string]any)["rule"] != "rule" {
					t.Fatalf("%v, want %v", f.value, next)
				}
				next += 2
			}
		}
		if v, err := h.callIn(0, "add", 1, 2); v != 3.0 || err != nil || len(h.extra) > 0 {
			t.Errorf("%v, %v, and beyond its credit: %v", v, err, h.extra)
		}
		if _, err := h.request(head{op: opClose, context: s}, none); err != nil {
			t.Error(err)
		}
		if _, err := h.request(head{op: opClose, context: s}, none); err != nil {
			t.Errorf("twice: %v", err)
		}
		h.send(head{op: opCredit, id: 5, context: s}, none)
		if _, err := h.open(opOpenSource, "sources", "numbers", map[string]any{"datasource": "refuse"}); describe(err) != "usage: has no such topic" {
			t.Error(err)
		}
		s, err = h.open(opOpenSource, "sources", "numbers", map[string]any{"datasource": "badclose"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.request(head{op: opClose, context: s}, none); describe(err) != "usage: does not close" {
			t.Error(err)
		}
	})
}

func TestLaneSourceEnds(t *testing.T) {
	h := connect(t, 0)
	for how, want := range map[string]string{"ends": "", "breaks": "usage: broken", "panics": "fatal: panic: source"} {
		s, err := h.open(opOpenSource, "sources", "numbers", map[string]any{"datasource": how, "config": map[string]any{}})
		if err != nil {
			t.Fatal(err)
		}
		h.send(head{op: opCredit, id: 100, context: s}, none)
		f := h.await(opEnd, s)
		var text string
		if e, ok := f.value.(*Error); ok {
			text = describe(e)
		}
		if text != want {
			t.Errorf("%s: %v", how, f.value)
		}
		if got := len(h.extra); got != 3 {
			t.Errorf("%s: %d messages before", how, got)
		}
		h.extra = nil
	}
	s, _ := h.open(opOpenSource, "sources", "numbers", map[string]any{"datasource": "fails", "config": nil})
	h.send(head{op: opCredit, id: 10, context: s}, none)
	if f := h.await(opFailure, s); f.value != "passes" {
		t.Errorf("failure: %v", f.value)
	}
	for range 10 - len(h.extra) {
		h.await(opMessage, s)
	}
	s, _ = h.open(opOpenSource, "sources", "numbers", map[string]any{"datasource": "timed"})
	h.send(head{op: opCredit, id: 1, context: s}, none)
	if f := h.await(opMessage, s); f.value.([]any)[2] != time.Unix(5, 0).UTC() {
		t.Errorf("time: %v", f.value)
	}
}

func TestLaneSink(t *testing.T) {
	bothWires(t, func(t *testing.T, h *host) {
		path := filepath.Join(t.TempDir(), "out")
		s, err := h.open(opOpenSink, "sinks", "lines", map[string]any{"config": map[string]any{"path": path}})
		if err != nil {
			t.Fatal(err)
		}
		first := h.last + 1
		rows := []any{map[string]any{"a": 1}, []byte("raw"), "refuse", []any{1, 2.5}, "panic"}
		for _, r := range rows {
			h.send(head{op: opWrite, id: h.id(), context: s}, []any{r, nil, nil})
		}
		for i, want := range []string{"", "", "usage: refused", "", "fatal: panic: sink"} {
			f := h.next()
			text := ""
			if e, ok := f.value.(*Error); ok {
				text = describe(e)
			}
			if f.op != opResult || f.id != first+uint32(i) || text != want {
				t.Errorf("row %d: %+v", i, f)
			}
		}
		if _, err := h.request(head{op: opWrite, context: s}, []any{1}); err == nil {
			t.Error("a message of one")
		}
		if _, err := h.request(head{op: opWrite, context: 4711}, []any{1, nil, nil}); err == nil {
			t.Error("a sink that is not open")
		}
		if _, err := h.request(head{op: opClose, context: s}, none); err != nil {
			t.Error(err)
		}
		if b, _ := os.ReadFile(path); string(b) != "{\"a\":1}\nraw\n[1,2.5]\nclosed\n" {
			t.Errorf("%s", b)
		}
		if _, err := h.open(opOpenSink, "sinks", "lines", map[string]any{"config": map[string]any{}}); describe(err) != "usage: has no path" {
			t.Error(err)
		}
	})
}

// However the host goes, what is open is closed and the status is 0.
func TestLaneEnds(t *testing.T) {
	for name, end := range map[string]func(h *host){
		"bye":    func(h *host) { h.send(head{op: opBye}, none) },
		"hangup": func(h *host) { h.hangUp() },
		"term":   func(h *host) { _ = h.Process.Signal(syscall.SIGTERM) },
		"int":    func(h *host) { _ = h.Process.Signal(syscall.SIGINT) },
		"busy": func(h *host) {
			h.send(head{op: opCall, symbol: h.index("functions", "sleep"), id: h.id()}, []any{60_000})
			h.hangUp()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothWires(t, func(t *testing.T, h *host) {
				path := filepath.Join(t.TempDir(), "out")
				s, err := h.open(opOpenSink, "sinks", "lines", map[string]any{"config": map[string]any{"path": path}})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := h.request(head{op: opWrite, context: s}, []any{"x", nil, nil}); err != nil {
					t.Fatal(err)
				}
				end(h)
				if got := h.status(t); got != 0 {
					t.Errorf("status %d", got)
				}
				if b, _ := os.ReadFile(path); string(b) != "\"x\"\nclosed\n" {
					t.Errorf("%q", b)
				}
			})
		})
	}
}

// What breaks the rules and cannot be answered ends the process, with a reason.
func TestLaneHostile(t *testing.T) {
	raw := func(h head, size uint32, payload ...byte) []byte {
		f := sealed(append(append([]byte(nil), noHead[:]...), payload...), h)
		if size > 0 {
			binary.LittleEndian.PutUint32(f, size)
		}
		return f
	}
	for name, c := range map[string]struct {
		frame  []byte
		before bool // instead of welcome
		want   string
	}{
		"too large":           {raw(head{op: opCall, id: 1}, maxPayload+1), false, "too large"},
		"largest there is":    {raw(head{op: opCall, id: 1}, 1<<32-1), false, "too large"},
		"too large, unknown":  {raw(head{op: 99}, 1<<31), false, "too large"},
		"context of two":      {raw(head{op: opContext, context: 3}, 0, 0x92, 1, 2), false, "context 3"},
		"context of numbers":  {raw(head{op: opContext, context: 3}, 0, 0x95, 1, 2, 3, 4, 5), false, "context 3"},
		"context of nothing":  {raw(head{op: opContext, context: 3}, 0), false, "context 3"},
		"context 0":           {raw(head{op: opContext}, 0, 0x95, 0xa0, 0xa0, 0, 0, 0), false, "context 0"},
		"call before welcome": {raw(head{op: opCall, id: 1}, 0, 0x90), true, "before welcome"},
		"welcome to lane 2":   {raw(head{op: opWelcome}, 0, 0x81, 0xa4, 'l', 'a', 'n', 'e', 2), true, "not lane 1"},
		"welcome of nothing":  {raw(head{op: opWelcome}, 0), true, "not lane 1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := bare(t, 0)
			if f := h.next(); f.op != opHello {
				t.Fatal(f)
			}
			if !c.before {
				h.send(head{op: opWelcome}, map[string]any{"lane": 1})
			}
			_, _ = h.socket.Write(c.frame)
			if got := h.status(t); got != 1 || !strings.Contains(h.stderr.String(), c.want) {
				t.Errorf("status %d, %s", got, h.stderr)
			}
		})
	}
}

// What has an id is answered, whatever the payload.
func TestLaneBadPayloads(t *testing.T) {
	h := connect(t, 0)
	for _, payload := range [][]byte{nil, {0xc1}, {0xc0}, {0x92, 1}, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0x91, 0xa1}, {0x90, 0x90}} {
		for _, op := range []uint8{opCall, opBatch, opValidate, opOpenSource, opOpenSink, opWrite} {
			x := head{op: op, symbol: h.index("functions", "add"), id: h.id()}
			if op == opOpenSink || op == opOpenSource {
				x.symbol = 0
			}
			_ = h.out.send(sealed(append(append([]byte(nil), noHead[:]...), payload...), x), false)
			if f := h.await(opResult, x.id); f.flags != flagError {
				t.Errorf("op %d, %x: %v", op, payload, f.value)
			}
		}
	}
	if v, err := h.callIn(0, "add", 1, 2); v != 3.0 || err != nil {
		t.Errorf("after: %v, %v", v, err)
	}
}

func TestLaneBadEnvironment(t *testing.T) {
	for _, env := range []string{"VANTH_LANE=x", "VANTH_LANE=-1", "VANTH_LANE=77"} {
		if got := startChild(t, nil, env).status(t); got != 1 {
			t.Errorf("%s: status %d", env, got)
		}
	}
}

// A ring that does not fit is left alone.
func TestLaneRingRefused(t *testing.T) {
	h := bare(t, 0, "VANTH_RING=0")
	if f := h.next(); f.op != opHello || f.value.(map[string]any)["ring"] != false {
		t.Errorf("%v", f.value)
	}
}
