//go:build !wasip1

package main

import (
	"errors"
	"reflect"
	"testing"
	"time"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

func openTicker(t *testing.T, props map[string]any) *vanth.SimSource {
	t.Helper()
	s, err := vanth.OpenSource("ticker", vanth.Config{Props: props})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInterval(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000).UTC()
	defer vanth.Simulate(&vanth.Sim{Now: now})()
	s := openTicker(t, map[string]any{"interval": "250ms", "count": 2, "fields": map[string]any{"site": "a"}})
	first, second := s.Poll(), s.Poll()
	if want := []map[string]any{{"n": int64(1), "time": now, "site": "a"}}; !reflect.DeepEqual(first.Rows(), want) {
		t.Errorf("%v, want %v", first.Rows(), want)
	}
	if first.Next != 250*time.Millisecond || first.Offset != int64(1) || first.End || first.Errors != nil {
		t.Errorf("first: %+v", first)
	}
	if !second.End || second.Offset != int64(2) || len(second.Rows()) != 1 {
		t.Errorf("second: %+v", second)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Without an interval it fills what the host takes, and goes on where that was full.
func TestFullAndRewind(t *testing.T) {
	defer vanth.Simulate(&vanth.Sim{Room: 3})()
	s := openTicker(t, map[string]any{"interval": 0, "count": 7})
	var seen []any
	var last vanth.Polled
	for !last.End {
		last = s.Poll()
		for _, row := range last.Rows() {
			seen = append(seen, row["n"])
		}
	}
	if want := []any{int64(1), int64(2), int64(3), int64(4), int64(5), int64(6), int64(7)}; !reflect.DeepEqual(seen, want) {
		t.Errorf("%v", seen)
	}
	again := openTicker(t, map[string]any{"interval": 0})
	if err := again.Rewind(int64(4)); err != nil {
		t.Fatal(err)
	}
	if rows := again.Poll().Rows(); len(rows) != 3 || rows[0]["n"] != int64(5) {
		t.Errorf("behind 4: %v", rows)
	}
	if err := again.Rewind("four"); err == nil {
		t.Error("a word is taken for an offset")
	}
}

func TestProperties(t *testing.T) {
	for _, props := range []map[string]any{
		{"interval": "soon"},
		{"interval": -1},
		{"count": -1},
		{"count": 1.5},
		{"fields": []any{1}},
	} {
		_, err := vanth.OpenSource("ticker", vanth.Config{Props: props})
		var e *vanth.Error
		if !errors.As(err, &e) || e.Class != vanth.Usage {
			t.Errorf("%v: %v", props, err)
		}
	}
}
