//go:build !wasip1

package vanth

import (
	"math"
	"testing"
	"time"
)

type (
	celsius float64
	name    string
)

var probed any // what a probe function was called with

func init() {
	probe[any]("p_any")
	probe[string]("p_string")
	probe[[]byte]("p_bytes")
	probe[bool]("p_bool")
	probe[int]("p_int")
	probe[int8]("p_i8")
	probe[int16]("p_i16")
	probe[int32]("p_i32")
	probe[int64]("p_i64")
	probe[uint]("p_uint")
	probe[uint8]("p_u8")
	probe[uint16]("p_u16")
	probe[uint32]("p_u32")
	probe[uint64]("p_u64")
	probe[float32]("p_f32")
	probe[float64]("p_f64")
	probe[[]any]("p_list")
	probe[map[string]any]("p_map")
	probe[time.Time]("p_time")
	probe[celsius]("p_celsius")
	probe[name]("p_name")
}

func probe[T any](name string) {
	Func1(name, func(v T) T {
		probed = v
		return v
	})
}

// Each argument arrives as the parameter's type and comes back as a value.
func TestCoercion(t *testing.T) {
	at := time.Unix(5, 6).UTC()
	for _, c := range []struct {
		function     string
		in, got, out any
	}{
		{"p_any", nil, nil, nil},
		{"p_any", []any{int64(1)}, []any{int64(1)}, []any{int64(1)}},
		{"p_string", "é", "é", "é"},
		{"p_bytes", []byte{0xff}, []byte{0xff}, []byte{0xff}},
		{"p_bool", true, true, true},
		{"p_int", -5, -5, int64(-5)},
		{"p_i8", -128, int8(-128), int64(-128)},
		{"p_i8", 127, int8(127), int64(127)},
		{"p_i16", -32768, int16(-32768), int64(-32768)},
		{"p_i32", math.MinInt32, int32(math.MinInt32), int64(math.MinInt32)},
		{"p_i32", 7.0, int32(7), int64(7)},
		{"p_i64", math.MinInt64, int64(math.MinInt64), int64(math.MinInt64)},
		{"p_i64", -9.223372036854775808e18, int64(math.MinInt64), int64(math.MinInt64)},
		{"p_i64", math.Copysign(0, -1), int64(0), int64(0)},
		{"p_uint", 5, uint(5), int64(5)},
		{"p_u8", 255.0, uint8(255), int64(255)},
		{"p_u16", 65535, uint16(65535), int64(65535)},
		{"p_u32", math.MaxUint32, uint32(math.MaxUint32), int64(math.MaxUint32)},
		{"p_u64", uint64(math.MaxUint64), uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{"p_u64", 9.223372036854775808e18, uint64(1) << 63, uint64(1) << 63},
		{"p_f32", 0.1, float32(0.1), float64(float32(0.1))},
		{"p_f32", math.Inf(1), float32(math.Inf(1)), math.Inf(1)},
		{"p_f32", 16777217, float32(16777216), 16777216.0},
		{"p_f64", 3, 3.0, 3.0},
		{"p_f64", uint64(math.MaxUint64), 18446744073709551616.0, 18446744073709551616.0},
		{"p_f64", math.NaN(), math.NaN(), math.NaN()},
		{"p_f64", math.Copysign(0, -1), math.Copysign(0, -1), math.Copysign(0, -1)},
		{"p_list", []any{"a"}, []any{"a"}, []any{"a"}},
		{"p_map", map[string]any{"a": nil}, map[string]any{"a": nil}, map[string]any{"a": nil}},
		{"p_time", at, at, at},
		{"p_celsius", 21, celsius(21), 21.0},
		{"p_name", "n", name("n"), "n"},
	} {
		out, err := Call(c.function, c.in)
		if err != nil || !same(out, c.out) || !same(probed, c.got) {
			t.Errorf("%s(%v): %T %v, %#v, %v", c.function, c.in, probed, probed, out, err)
		}
	}
}

// What does not fit is refused with the argument, what was found and what was expected.
func TestCoercionRefuses(t *testing.T) {
	for _, c := range []struct {
		function string
		in       any
		want     string
	}{
		{"p_string", nil, "found null, expected string"},
		{"p_string", 5, "found int 5, expected string"},
		{"p_string", []byte("a"), "found bytes, expected string"},
		{"p_bytes", "a", "found string, expected bytes"},
		{"p_bool", 1, "found int 1, expected bool"},
		{"p_i8", 128, "found int 128, expected i8"},
		{"p_i8", -129, "found int -129, expected i8"},
		{"p_i16", 32768, "found int 32768, expected i16"},
		{"p_i32", int64(1) << 31, "found int 2147483648, expected i32"},
		{"p_i32", 2.5, "found float 2.5, expected i32"},
		{"p_i32", math.NaN(), "found float NaN, expected i32"},
		{"p_i32", true, "found bool, expected i32"},
		{"p_i32", "1", "found string, expected i32"},
		{"p_i64", uint64(1) << 63, "found int 9223372036854775808, expected i64"},
		{"p_i64", 9.223372036854775808e18, "found float 9.223372036854776e+18, expected i64"},
		{"p_i64", math.Inf(-1), "found float -Inf, expected i64"},
		{"p_int", nil, "found null, expected i64"},
		{"p_u8", 256, "found int 256, expected u8"},
		{"p_u16", 65536.0, "found float 65536, expected u16"},
		{"p_u32", -1, "found int -1, expected u32"},
		{"p_u64", -1, "found int -1, expected u64"},
		{"p_u64", -0.5, "found float -0.5, expected u64"},
		{"p_u64", 1.8446744073709552e19, "found float 1.8446744073709552e+19, expected u64"},
		{"p_f32", 1e39, "found float 1e+39, expected f32"},
		{"p_f64", "1", "found string, expected f64"},
		{"p_f64", nil, "found null, expected f64"},
		{"p_list", map[string]any{}, "found map, expected list"},
		{"p_map", []any{}, "found list, expected map"},
		{"p_time", 5, "found int 5, expected time"},
		{"p_celsius", "hot", "found string, expected f64"},
		{"p_map", &Error{Msg: "x"}, "found error, expected map"},
	} {
		probed = "not called"
		_, err := Call(c.function, c.in)
		e, ok := err.(*Error)
		if !ok || e.Class != Usage || e.Msg != "argument 1: "+c.want {
			t.Errorf("%s(%v): %v", c.function, c.in, err)
		}
		if probed != "not called" {
			t.Errorf("%s(%v) was called all the same", c.function, c.in)
		}
	}
}

// Func's accessors agree with the parameters of the same types, in value and in words.
func TestArgsAgreeWithParameters(t *testing.T) {
	read := map[string]func(Args) (any, error){
		"p_string": func(a Args) (any, error) { return a.String(0) },
		"p_bytes":  func(a Args) (any, error) { return a.Bytes(0) },
		"p_bool":   func(a Args) (any, error) { return a.Bool(0) },
		"p_i64":    func(a Args) (any, error) { return a.Int(0) },
		"p_f64":    func(a Args) (any, error) { return a.Float(0) },
		"p_list":   func(a Args) (any, error) { return a.List(0) },
		"p_map":    func(a Args) (any, error) { return a.Map(0) },
		"p_time":   func(a Args) (any, error) { return a.Time(0) },
	}
	values := []any{
		nil, true, int64(-1), int64(math.MaxInt64), uint64(1) << 63, 2.0, 2.5, math.NaN(), math.Inf(1), 1e300, "s",
		[]byte("b"),
		[]any{"l"},
		map[string]any{"m": "v"},
		time.Unix(1, 0).UTC(), &Error{Msg: "e", Class: IO},
	}
	for function, accessor := range read {
		for _, v := range values {
			want, wantErr := Call(function, v)
			got, err := accessor(Args{v})
			if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() || err == nil && !same(got, want) {
				t.Errorf("%s of %v: %v, %v; as a parameter %v, %v", function, v, got, err, want, wantErr)
			}
		}
	}
}

func TestArgsBounds(t *testing.T) {
	a := Args{int64(1), 2}
	if a.Len() != 2 || a.Value(0) != int64(1) || a.Value(2) != nil || a.Value(-1) != nil {
		t.Errorf("%v, %v", a.Len(), a.Value(0))
	}
	if n, err := a.Int(1); n != 2 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	_, err := a.Float(2)
	if err == nil || err.Error() != "argument 3: found nothing, expected f64" {
		t.Error(err)
	}
}
