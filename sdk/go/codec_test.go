package vanth

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

type vectors struct {
	Accept []struct {
		Name, Frame string
		Value       map[string]json.RawMessage
		Canonical   bool
	}
	Reject []struct{ Name, Frame, Error string }
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("../abi/testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Accept) < 80 || len(v.Reject) < 40 {
		t.Fatalf("only %d and %d vectors", len(v.Accept), len(v.Reject))
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func integer(t testing.TB, s string) int64 {
	t.Helper()
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// described builds the Go value of a vector's description.
func described(t testing.TB, v map[string]json.RawMessage) any {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for kind, raw := range v {
		var text string
		_ = json.Unmarshal(raw, &text)
		switch kind {
		case "nil":
			return nil
		case "bool":
			return string(raw) == "true"
		case "int":
			return integer(t, text)
		case "uint":
			u, err := strconv.ParseUint(text, 10, 64)
			must(err)
			return u
		case "float":
			f, err := strconv.ParseFloat(text, 64)
			must(err)
			return f
		case "str":
			return text
		case "bin":
			return unhex(t, text)
		case "array":
			var items []map[string]json.RawMessage
			must(json.Unmarshal(raw, &items))
			list := []any{}
			for _, item := range items {
				list = append(list, described(t, item))
			}
			return list
		case "map":
			var items map[string]map[string]json.RawMessage
			must(json.Unmarshal(raw, &items))
			m := map[string]any{}
			for k, item := range items {
				m[k] = described(t, item)
			}
			return m
		case "time":
			var x struct{ Sec, Nsec string }
			must(json.Unmarshal(raw, &x))
			return time.Unix(integer(t, x.Sec), integer(t, x.Nsec))
		case "error":
			var e struct{ Msg, Class string }
			must(json.Unmarshal(raw, &e))
			return &Error{Msg: e.Msg, Class: Class(e.Class)}
		}
	}
	t.Fatalf("a value described as %v", v)
	return nil
}

// same compares values as the profile does: types are exact, NaN is NaN, -0 is not 0.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (math.IsNaN(a) && math.IsNaN(b) || math.Float64bits(a) == math.Float64bits(b))
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !same(v, w) {
				return false
			}
		}
		return true
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case *Error:
		b, ok := b.(*Error)
		return ok && *a == *b
	}
	return a == b
}

// judge holds a decoder against all vectors and returns what it gets wrong.
func judge(t *testing.T, decode func([]byte) (any, error)) []string {
	t.Helper()
	var wrong []string
	all := loadVectors(t)
	for _, v := range all.Accept {
		got, err := decode(unhex(t, v.Frame))
		if want := described(t, v.Value); err != nil || !same(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: %.80v, %v, want %.80v", v.Name, got, err, want))
		}
	}
	for _, v := range all.Reject {
		got, err := decode(unhex(t, v.Frame))
		if err != FrameError(v.Error) || got != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %.80v, %v, want %s", v.Name, got, err, v.Error))
		}
	}
	return wrong
}

func TestDecodeVectors(t *testing.T) {
	for _, w := range judge(t, Value) {
		t.Error(w)
	}
}

// Decoders with one fault each must be caught, or the vectors are worth nothing.
func TestVectorsCatchBrokenDecoders(t *testing.T) {
	broken := map[string]func([]byte) (any, error){
		"takes what follows": func(b []byte) (any, error) {
			d := decoder{rest: b}
			return d.value(0)
		},
		"allows one level more": func(b []byte) (any, error) {
			d := decoder{rest: b}
			v, err := d.value(-1)
			if err == nil && len(d.rest) > 0 {
				return nil, ErrTrailing
			}
			return v, err
		},
		"loses -0": func(b []byte) (any, error) {
			v, err := Value(b)
			if v == 0.0 {
				v = 0.0
			}
			return v, err
		},
		"wraps uint64": func(b []byte) (any, error) {
			v, err := Value(b)
			if u, ok := v.(uint64); ok {
				v = int64(u)
			}
			return v, err
		},
	}
	for name, decode := range broken {
		if len(judge(t, decode)) == 0 {
			t.Errorf("a decoder that %s passes", name)
		}
	}
}

func TestEncodeVectors(t *testing.T) {
	for _, v := range loadVectors(t).Accept {
		value := described(t, v.Value)
		got, err := Append(nil, value)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if v.Canonical && hex.EncodeToString(got) != v.Frame {
			t.Errorf("%s: %.80x, want %.80s", v.Name, got, v.Frame)
		}
		if back, err := Value(got); err != nil || !same(back, value) {
			t.Errorf("%s: comes back as %.80v, %v", v.Name, back, err)
		}
	}
}

// The heads of 32 bits, which would make the file of vectors large.
func TestWideLists(t *testing.T) {
	for _, n := range []int{15, 16, 65535, 65536} {
		list, m := make([]any, n), make(map[string]any, n)
		for i := range list {
			list[i] = int64(i)
			m[strconv.Itoa(i)] = int64(i)
		}
		for head, v := range map[byte]any{0xdc: list, 0xde: m} {
			frame, err := Append(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case n == 15 && frame[0]&0x0f != 15, n > 15 && n < 65536 && frame[0] != head, n == 65536 && frame[0] != head+1:
				t.Errorf("%d items begin with %x", n, frame[0])
			}
			if back, err := Value(frame); err != nil || !same(back, v) {
				t.Errorf("%d items do not come back: %v", n, err)
			}
		}
	}
}

func TestAppendTypes(t *testing.T) {
	var none *Error
	for _, c := range []struct{ in, want any }{
		{int8(-5), int64(-5)},
		{int16(-500), int64(-500)},
		{int32(7), int64(7)},
		{int(7), int64(7)},
		{uint8(200), int64(200)},
		{uint16(7), int64(7)},
		{uint32(7), int64(7)},
		{uint(7), int64(7)},
		{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{float32(0.5), 0.5},
		{[]string{"a"}, []any{"a"}},
		{[]int{1}, []any{int64(1)}},
		{[]int64{1}, []any{int64(1)}},
		{[]float64{1}, []any{1.0}},
		{[]bool{true}, []any{true}},
		{[]map[string]any{{"a": 1}}, []any{map[string]any{"a": int64(1)}}},
		{map[string]string{"a": "b"}, map[string]any{"a": "b"}},
		{map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		{map[string]int64{"a": 1}, map[string]any{"a": int64(1)}},
		{map[string]float64{"a": 1}, map[string]any{"a": 1.0}},
		{[]byte(nil), nil},
		{[]any(nil), nil},
		{map[string]any(nil), nil},
		{[]string(nil), nil},
		{none, nil},
		{errors.New("x"), &Error{Msg: "x", Class: Usage}},
		{&Error{Msg: "x", Class: "odd"}, &Error{Msg: "x", Class: Fatal}},
		{&Error{Msg: "a\xffb"}, &Error{Msg: "a\uFFFDb", Class: Usage}},
	} {
		frame, err := Append(nil, c.in)
		if err != nil {
			t.Errorf("%T: %v", c.in, err)
			continue
		}
		if got, err := Value(frame); err != nil || !same(got, c.want) {
			t.Errorf("%T %v: %#v, %v", c.in, c.in, got, err)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	loop := map[string]any{}
	loop["self"] = loop
	deep := any([]any{})
	for range MaxDepth {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"struct": struct{}{}, "chan": make(chan int), "complex": 1i, "text": "\xff",
		"key": map[string]any{"\xff": 1}, "within": []any{1, struct{}{}}, "loop": loop, "deep": deep, "pointer": new(int),
	} {
		got, err := Append([]byte("x"), v)
		var e *Error
		if !errors.As(err, &e) || e.Class != Fatal || string(got) != "x" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := Append(nil, deep.([]any)[0]); err != nil {
		t.Errorf("nested %d deep: %v", MaxDepth, err)
	}
}

// What a frame announces must not make the decoder allocate what the frame does not hold.
func TestDecodeAllocatesByContent(t *testing.T) {
	frame := append(bytes.Repeat([]byte{0xdd, 0, 0, 0x40, 0}, 60), bytes.Repeat([]byte{0xc1}, 1<<20)...)
	result := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			_, _ = Value(frame)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 1<<20 {
		t.Errorf("%d bytes are allocated for 60 lists without an item", got)
	}
}

func TestDecodedSharesNothing(t *testing.T) {
	frame, err := Append(nil, []any{"text", []byte("bytes")})
	if err != nil {
		t.Fatal(err)
	}
	v, err := Value(frame)
	if err != nil {
		t.Fatal(err)
	}
	clear(frame)
	if !same(v, []any{"text", []byte("bytes")}) {
		t.Errorf("the value changed with the frame: %v", v)
	}
}

func FuzzValue(f *testing.F) {
	all := loadVectors(f)
	for _, v := range all.Accept {
		if len(v.Frame) < 1000 {
			f.Add(unhex(f, v.Frame))
		}
	}
	for _, v := range all.Reject {
		if len(v.Frame) < 1000 {
			f.Add(unhex(f, v.Frame))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		v, err := Value(frame)
		if err != nil {
			if _, ok := err.(FrameError); !ok || v != nil {
				t.Fatalf("%v, %v", v, err)
			}
			return
		}
		again, err := Append(nil, v)
		if err != nil {
			t.Fatalf("%v does not go back: %v", v, err)
		}
		if len(again) > len(frame) && !strings.Contains(fmt.Sprintf("%x", frame), "ca") { // float32 grows
			t.Fatalf("%x became %x, which is longer", frame, again)
		}
		if w, err := Value(again); err != nil || !same(v, w) {
			t.Fatalf("%v became %v, %v", v, w, err)
		}
	})
}
