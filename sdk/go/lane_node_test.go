//go:build unix

package vanth

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

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
