package main

import (
	"context"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/plugins/internal/fake"
)

// drawing returns a source whose random numbers are ns, modulo the bound, over and over.
func drawing(ns ...int64) *source {
	i := -1
	return &source{draw: func(n int64) int64 {
		i++
		return ns[i%len(ns)] % n
	}}
}

// pull pulls n times and returns the tuples that came.
func pull(t *testing.T, s *source, n int) []map[string]any {
	t.Helper()
	ctx, trigger := fake.NewContext(context.Background()), time.UnixMilli(1700000000000)
	var tuples []map[string]any
	for range n {
		s.Pull(ctx, trigger, func(_ api.StreamContext, data any, meta map[string]any, ts time.Time) {
			if meta != nil || !ts.Equal(trigger) {
				t.Errorf("meta %v, time %v", meta, ts)
			}
			tuples = append(tuples, data.(map[string]any))
		}, func(_ api.StreamContext, err error) { t.Error(err) })
	}
	return tuples
}

func TestLife(t *testing.T) {
	ctx, s := fake.NewContext(context.Background()), Random().(*source)
	// As the host gives them: the yaml's, with the nine keys that are always there.
	err := s.Provision(ctx, map[string]any{
		"interval": 1000, "seed": 10, "pattern": map[string]any{"count": 50}, "deduplicate": 0,
		"format": "json", "key": "", "datasource": "demo", "schemaId": "", "delimiter": "", "retainSize": 0,
		"strictValidation": false, "timestamp": "", "timestampFormat": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	var status []string
	if err := s.Connect(ctx, func(is, _ string) { status = append(status, is) }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(status, []string{api.ConnectionConnected}) {
		t.Errorf("status: %v", status)
	}
	found := map[int64]bool{}
	for _, tuple := range pull(t, s, 1000) {
		n := tuple["count"].(int64)
		if n < 50 || n > 59 {
			t.Fatalf("count %d", n)
		}
		found[n] = true
	}
	if len(found) != 10 { // misses one of ten with a chance of 10 * 0.9^1000
		t.Errorf("%d values: %v", len(found), found)
	}
	for range 2 {
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestPattern(t *testing.T) {
	s := drawing(7)
	err := s.Provision(nil, map[string]any{"SEED": 100.0, "pattern": map[string]any{
		"int": 1, "whole": 2.0, "negative": -3, "float": 2.5, "string": "a", "bool": true, "null": nil,
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"int": int64(8), "whole": int64(9), "negative": int64(4), "float": 2.5, "string": "a", "bool": true, "null": nil,
	}
	tuples := pull(t, s, 2)
	if len(tuples) != 2 || !reflect.DeepEqual(tuples[0], want) {
		t.Fatalf("%v", tuples)
	}
	tuples[0]["int"] = "mine"
	if !reflect.DeepEqual(tuples[1], want) {
		t.Error("two tuples are one map")
	}
}

func TestDeduplicate(t *testing.T) {
	draws := []int64{1, 1, 2, 1, 3, 1, 2, 2, 3}
	for _, c := range []struct {
		deduplicate int
		want        []int64
	}{
		{0, draws},
		{1, []int64{1, 2, 1, 3, 1, 2, 3}},
		{2, []int64{1, 2, 3, 1, 2, 3}},
		{3, []int64{1, 2, 3}},
		{-1, []int64{1, 2, 3}},
	} {
		s := drawing(draws...)
		if err := s.Provision(nil, map[string]any{"seed": 10, "pattern": map[string]any{"n": 0}, "deduplicate": c.deduplicate}); err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, tuple := range pull(t, s, len(draws)) {
			got = append(got, tuple["n"].(int64))
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d: %v, want %v", c.deduplicate, got, c.want)
		}
	}
}

// A history of a length does not grow beyond it.
func TestHistoryBounded(t *testing.T) {
	h := newHistory(5)
	for i := range 100 {
		if fresh, err := h.add(map[string]any{"i": i}); !fresh || err != nil {
			t.Fatalf("%d: %v, %v", i, fresh, err)
		}
	}
	if len(h.known) != 5 || len(h.order) != 5 {
		t.Errorf("%d known, %d in order", len(h.known), len(h.order))
	}
}

func TestRefuses(t *testing.T) {
	pattern := map[string]any{"count": 50}
	for _, c := range []struct {
		configs map[string]any
		want    string
	}{
		{nil, "sources/random: pattern: empty, expected at least one field"},
		{map[string]any{"pattern": map[string]any{}}, "sources/random: pattern: empty, expected at least one field"},
		{map[string]any{"seed": 0, "pattern": pattern}, "sources/random: seed: found 0, expected at least 1"},
		{map[string]any{"pattern": map[string]any{"a": []any{1}}}, "sources/random: pattern: a: found a map or a list, expected a number, a string, a boolean or null"},
		{map[string]any{"pattern": map[string]any{"a": math.MaxInt64}}, "sources/random: pattern: a: 9223372036854775807 and seed 1 are too large together"},
		{map[string]any{"seed": "1", "pattern": pattern}, "sources/random: properties: json: cannot unmarshal string into Go struct field .seed of type int64"},
		{map[string]any{"seed": 1.5, "pattern": pattern}, "sources/random: properties: json: cannot unmarshal number 1.5 into Go struct field .seed of type int64"},
		{map[string]any{"deduplicate": true, "pattern": pattern}, "sources/random: properties: json: cannot unmarshal bool into Go struct field .deduplicate of type int"},
	} {
		if err := Random().Provision(nil, c.configs); err == nil || err.Error() != c.want {
			t.Errorf("%v: %v, want %s", c.configs, err, c.want)
		}
	}
}
