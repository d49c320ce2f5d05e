package host

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestWord is the coercion table of the guest contract: what each type takes
// from each value, and that nothing is truncated silently.
func TestWord(t *testing.T) {
	f64 := math.Float64bits
	f32 := func(f float32) uint64 { return uint64(math.Float32bits(f)) }
	cases := []struct {
		t    Type
		v    any
		want uint64
		err  string
	}{
		{TypeF64, 1.5, f64(1.5), ""},
		{TypeF64, int64(3), f64(3), ""},
		{TypeF64, uint64(math.MaxUint64), f64(math.MaxUint64), ""},
		{TypeF64, math.NaN(), f64(math.NaN()), ""},
		{TypeF64, "1", 0, "found string \"1\", expected f64"},
		{TypeF64, true, 0, "found bool true, expected f64"},
		{TypeF32, 0.5, f32(0.5), ""},
		{TypeF32, math.Inf(-1), f32(float32(math.Inf(-1))), ""},
		{TypeF32, 1e300, 0, "overflows f32"},
		{TypeI64, int64(math.MinInt64), 1 << 63, ""},
		{TypeI64, 3.0, 3, ""},
		{TypeI64, float32(-2), uint64(1<<64 - 2), ""},
		{TypeI64, 3.5, 0, "expected an integer in the range of i64"},
		{TypeI64, float64(1 << 63), 0, "range of i64"},
		{TypeI64, -float64(1 << 63), 1 << 63, ""},
		{TypeI64, math.NaN(), 0, "range of i64"},
		{TypeI64, math.Inf(1), 0, "range of i64"},
		{TypeI64, uint64(1 << 63), 0, "range of i64"},
		{TypeI64, []any{}, 0, "found list of 0, expected i64"},
		{TypeI32, int64(-1), math.MaxUint32, ""},
		{TypeI32, int64(1 << 31), 0, "overflows i32"},
		{TypeI32, -2147483648.0, 1 << 31, ""},
		{TypeU32, int64(1<<32 - 1), 1<<32 - 1, ""},
		{TypeU32, int64(-1), 0, "overflows u32"},
		{TypeU32, uint8(7), 7, ""},
		{TypeBool, true, 1, ""},
		{TypeBool, false, 0, ""},
		{TypeBool, int64(1), 0, "found number 1, expected bool"},
		{TypeString, "x", 0, "not passed as a word"},
		{TypeI64, nil, 0, "found null, expected i64"},
	}
	for _, c := range cases {
		got, err := c.t.Word(c.v)
		switch {
		case c.err != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s of %v: error %v, want %q", c.t, c.v, err, c.err)
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s of %v: %#x, %v; want %#x", c.t, c.v, got, err, c.want)
		}
	}
}

func TestConform(t *testing.T) {
	for _, c := range []struct {
		t       Type
		v, want any
	}{
		{TypeF64, int64(3), 3.0},
		{TypeI64, 3.0, int64(3)},
		{TypeI32, int64(-7), int64(-7)},
		{TypeU32, int64(7), int64(7)},
		{TypeBool, true, true},
		{TypeString, "x", "x"},
		{TypeAny, []any{}, []any{}},
		{TypeF32, 0.5, 0.5},
		{TypeMap, 1.0, nil},
		{TypeBytes, "x", nil},
	} {
		got, err := c.t.Conform(c.v)
		if (err != nil) != (c.want == nil) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s of %v: %v, %v; want %v", c.t, c.v, got, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	s := &Signature{Args: []Type{TypeF64, TypeString, TypeBytes, TypeList, TypeMap, TypeAny}}
	good := []any{1.0, "x", []byte{}, []any{}, map[string]any{}, 7}
	if err := s.Check(good); err != nil {
		t.Error(err)
	}
	if err := s.Check(make([]any, 6)); err != nil {
		t.Errorf("nulls: %v", err)
	}
	for i := range 5 {
		bad := append([]any{}, good...)
		bad[i] = struct{}{}
		if err := s.Check(bad); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "argument "+string(rune('1'+i))+" of (f64, string, bytes, list, map, any)") {
			t.Errorf("argument %d: %v", i+1, err)
		}
	}
	if err := s.Check(good[:2]); err == nil || !strings.Contains(err.Error(), "found 2 arguments, expected 6") {
		t.Error(err)
	}
	if err := (&Signature{Variadic: true}).Check(good); err != nil {
		t.Error(err)
	}
}

func TestSignatureJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"args":["f64","any"],"returns":"string","pure":true,"null":"call"}`: `{"args":["f64","any"],"returns":"string","pure":true,"null":"call"}`,
		`{"args":[]}`: `{"args":[],"returns":"any","null":"strict"}`,
		`{}`:          `{"args":[],"variadic":true,"returns":"any","null":"strict"}`,
	} {
		var s Signature
		if err := json.Unmarshal([]byte(in), &s); err != nil {
			t.Error(err)
			continue
		}
		if got, err := json.Marshal(s); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		`{"args":["f65"]}`: `type "f65": expected one of any i32`,
		`{"null":"maybe"}`: "expected strict or call",
		`{"argz":[]}`:      `unknown field "argz"`,
	} {
		var s Signature
		if err := json.Unmarshal([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}
