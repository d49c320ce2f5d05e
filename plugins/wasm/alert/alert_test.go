//go:build !wasip1

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

func score(t *testing.T, key string, value float64) float64 {
	t.Helper()
	v, err := vanth.Call("anomaly", key, value, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	return v.(float64)
}

func TestAnomaly(t *testing.T) {
	defer vanth.Simulate(&vanth.Sim{})()
	for i := range 50 {
		if s := score(t, "steady", 20+math.Sin(float64(i))); s > 3 {
			t.Errorf("value %d scores %v", i, s)
		}
		score(t, "flat", 7)
	}
	if s := score(t, "steady", 40); s < 5 {
		t.Errorf("an outlier scores %v", s)
	}
	if s := score(t, "flat", 7); s != 0 {
		t.Errorf("what was expected scores %v", s)
	}
	if s := score(t, "flat", 7.1); s != 1e6 {
		t.Errorf("the first move of a flat series scores %v", s)
	}
	if s := score(t, "new", 1e9); s != 0 {
		t.Errorf("the first value of a key scores %v", s)
	}
	for _, args := range [][]any{{"k", 1.0, 0.0}, {"k", 1.0, 1.5}, {"k", math.NaN(), 0.5}} {
		if _, err := vanth.Call("anomaly", args...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// hook answers with the statuses in turn, 0 being no answer, and then with 204.
type hook struct {
	statuses []int
	bodies   []string
	last     vanth.Request
}

func (h *hook) answer(r vanth.Request) (*vanth.Response, error) {
	h.last, h.bodies = r, append(h.bodies, string(r.Body))
	status := 204
	if len(h.statuses) > 0 {
		status, h.statuses = h.statuses[0], h.statuses[1:]
	}
	if status == 0 {
		return nil, &vanth.Error{Msg: "nobody answered", Class: vanth.IO}
	}
	return &vanth.Response{Status: status}, nil
}

func openHook(t *testing.T, h *hook, props map[string]any) *vanth.SimSink {
	t.Helper()
	t.Cleanup(vanth.Simulate(&vanth.Sim{HTTP: h.answer}))
	props["url"] = "https://hooks.example.org/a"
	s, err := vanth.OpenSink("webhook", vanth.Config{Props: props})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func row(n int) map[string]any { return map[string]any{"n": n} }

func class(err error) vanth.Class {
	var e *vanth.Error
	if errors.As(err, &e) {
		return e.Class
	}
	return vanth.Class(fmt.Sprint(err))
}

func TestBatch(t *testing.T) {
	h := &hook{}
	s := openHook(t, h, map[string]any{"batch": 2, "headers": map[string]any{"authorization": "Bearer x"}, "timeout": "250ms"})
	for i := range 3 {
		if err := s.Write(row(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if want := []string{`[{"n":0},{"n":1}]`, `[{"n":2}]`}; !reflect.DeepEqual(h.bodies, want) {
		t.Errorf("%q", h.bodies)
	}
	if h.last.Headers["authorization"] != "Bearer x" || h.last.Headers["content-type"] != "application/json" || h.last.Timeout != 250*time.Millisecond || h.last.Method != "POST" {
		t.Errorf("%+v", h.last)
	}
}

// While nobody answers rows are held, none is taken beyond the batch, and none comes twice.
func TestHeld(t *testing.T) {
	h := &hook{statuses: []int{0, 503, 429}}
	s := openHook(t, h, map[string]any{"batch": 2})
	for i, want := range []vanth.Class{"<nil>", "<nil>", vanth.IO, vanth.IO, "<nil>"} {
		if err := s.Write(row(min(i, 2))); class(err) != want {
			t.Errorf("write %d: %v, want %v", i, err, want)
		}
	}
	if err := s.Flush(); err != nil {
		t.Error(err)
	}
	if last := h.bodies[len(h.bodies)-2:]; last[0] != `[{"n":0},{"n":1}]` || last[1] != `[{"n":2}]` || len(h.bodies) != 5 {
		t.Errorf("%q", h.bodies)
	}
}

func TestLost(t *testing.T) {
	h := &hook{statuses: []int{404}}
	s := openHook(t, h, map[string]any{})
	if err := s.Write(row(1)); class(err) != vanth.Usage || err.Error() != "1 rows are lost: https://hooks.example.org/a: status 404" {
		t.Errorf("404: %v", err)
	}
	if err := s.Write(row(2)); err != nil || h.bodies[1] != `[{"n":2}]` {
		t.Errorf("after it: %v, %q", err, h.bodies)
	}
}

func TestProperties(t *testing.T) {
	for _, props := range []map[string]any{{}, {"url": "u", "batch": 0}, {"url": "u", "batch": 1001}, {"url": 7}, {"url": "u", "timeout": "x"}, {"url": "u", "headers": map[string]any{"a": 1}}} {
		if _, err := vanth.OpenSink("webhook", vanth.Config{Props: props}); class(err) != vanth.Usage {
			t.Errorf("%v: %v", props, err)
		}
	}
}

func TestJSON(t *testing.T) {
	in := map[string]any{
		"a": []any{nil, true, int64(-1), uint64(1 << 63), 1.5, "\"\\\n\x7fé", map[string]any{}},
		"b": []byte{0, 1}, "t": time.UnixMilli(1500).UTC(), "nan": math.NaN(),
	}
	text := appendJSON(nil, in)
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want := map[string]any{
		"a": []any{nil, true, -1.0, float64(1 << 63), 1.5, "\"\\\n\x7fé", map[string]any{}},
		"b": "AAE=", "t": "1970-01-01T00:00:01.5Z", "nan": nil,
	}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("%s", text)
	}
}
