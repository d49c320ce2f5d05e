package native

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

type celsius float64

type label string

type reading struct {
	Name string  `json:"name"`
	T    celsius `json:"t"`
	N    int     `json:"n"`
	skip int
}

func TestToValue(t *testing.T) {
	now := time.Now()
	text := "x"
	for _, c := range []struct{ in, want any }{
		{nil, nil},
		{true, true},
		{1, int64(1)},
		{int8(-1), int64(-1)},
		{uint32(1), int64(1)},
		{uint64(5), int64(5)},
		{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{float32(0.5), 0.5},
		{celsius(1.5), 1.5},
		{label("l"), "l"},
		{json.Number("12"), int64(12)},
		{json.Number("1.5"), 1.5},
		{now, now},
		{time.Second, int64(time.Second)},
		{[]byte("b"), []byte("b")},
		{json.RawMessage(`{"a":1}`), map[string]any{"a": int64(1)}},
		{[2]byte{1, 2}, []any{int64(1), int64(2)}},
		{[]string{"a"}, []any{"a"}},
		{[]int{1}, []any{int64(1)}},
		{[]any{1, []any{uint8(2)}}, []any{int64(1), []any{int64(2)}}},
		{[]map[string]any{{"a": 1}}, []any{map[string]any{"a": int64(1)}}},
		{map[string]any(nil), map[string]any{}},
		{map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		{map[label]any{"a": 1}, map[string]any{"a": int64(1)}},
		{map[int]string{1: "a"}, map[string]any{"1": "a"}},
		{reading{"r", 1.5, 2, 3}, map[string]any{"name": "r", "t": 1.5, "n": int64(2)}},
		{&reading{Name: "r"}, map[string]any{"name": "r", "t": int64(0), "n": int64(0)}},
		{(*reading)(nil), nil},
		{&text, "x"},
		{[]any{errors.New("e")}, []any{"e"}},
	} {
		got, err := toValue(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%#v: got %#v, %v, want %#v", c.in, got, err, c.want)
		}
	}
	deep := any("x")
	for range 100 {
		deep = []any{deep}
	}
	var loop any
	loop = &loop
	for _, bad := range []any{
		make(chan int), func() {}, complex(1, 1), deep, loop,
		[]any{make(chan int)},
		map[string]any{"k": func() {}},
		struct{ C chan int }{},
		json.Number("x"),
		map[string]chan int{"c": nil},
		[]chan int{nil},
	} {
		if got, err := toValue(bad); err == nil {
			t.Errorf("%T: got %v", bad, got)
		}
	}
}

func TestSourceProps(t *testing.T) {
	nested := map[string]any{"x": []any{1}}
	given := host.Props{"FORMAT": 1, "format": "JSON", "datasource": "t", "retainSize": 3, "nested": nested}
	got := sourceProps(given)
	want := map[string]any{
		"FORMAT": 1, "format": "json", "key": "", "datasource": "t", "schemaId": "", "delimiter": "", "retainSize": 3,
		"strictValidation": false, "timestamp": "", "timestampFormat": "", "nested": map[string]any{"x": []any{1}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	got["nested"].(map[string]any)["x"].([]any)[0] = 2
	if nested["x"].([]any)[0] != 1 || given["key"] != nil {
		t.Error("the rule's properties were changed")
	}
	if got := sourceProps(nil); len(got) != 9 || got["format"] != "json" || got["retainSize"] != 0 {
		t.Errorf("got %v", got)
	}
}

func TestIntervalOf(t *testing.T) {
	for _, c := range []struct {
		v    any
		want time.Duration
	}{
		{nil, time.Second},
		{10, 10 * time.Millisecond},
		{float64(20), 20 * time.Millisecond},
		{"30", 30 * time.Millisecond},
		{"1.5s", 1500 * time.Millisecond},
		{json.Number("7"), 7 * time.Millisecond},
		{time.Minute, time.Minute},
		{0, 0},
		{-5, 0},
		{"0", 0},
	} {
		if got, err := intervalOf(host.Props{"interval": c.v}); got != c.want || err != nil {
			t.Errorf("%v: got %v, %v", c.v, got, err)
		}
	}
	for _, v := range []any{"soon", 1.5, math.NaN(), true, int64(math.MaxInt64), ""} {
		if got, err := intervalOf(host.Props{"interval": v}); !errors.Is(err, host.ErrInvalid) || !strings.HasPrefix(err.Error(), "interval: found") {
			t.Errorf("%v: got %v, %v", v, got, err)
		}
	}
}
