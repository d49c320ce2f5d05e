package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// White box: what the lanes make of bytes is compared with what values make of the
// same bytes, step by step. A lane may leave anything to values, and must agree
// where it does not.

// signatures are those of the samples, and one for each type.
func signatures() (list []*host.Signature) {
	for _, text := range []string{
		`{"args":["f64","f64","i32"],"returns":"string"}`, `{"args":["string"],"returns":"map"}`,
		`{"args":["f64","f64","f64","f64"],"returns":"f64"}`, `{"args":["string","f64","f64"],"returns":"f64"}`,
		`{"args":["i32"],"returns":"i32"}`, `{"args":["string","string"],"returns":"i64"}`, `{"returns":"any"}`,
		`{"args":["i64","u32","f32","bool"],"returns":"u32"}`, `{"args":["any","any"],"returns":"f32"}`,
		`{"args":["bytes","list","map"],"returns":"bytes"}`, `{"args":[],"returns":"bool"}`,
		`{"args":["i64","f64"],"returns":"list","null":"call"}`, `{"args":["f64"],"returns":"f64","aggregate":true}`,
	} {
		sig := new(host.Signature)
		if err := json.Unmarshal([]byte(text), sig); err != nil {
			panic(err)
		}
		list = append(list, sig)
	}
	return list
}

// reference encodes arguments as package wasm does, or as a portable plugin's.
func reference(sig *host.Signature, args []any, converts bool) ([]byte, error) {
	if err := sig.Check(args); err != nil {
		return nil, err
	}
	b := frame.AppendArrayHeader(nil, len(args))
	for i, v := range args {
		t := host.TypeAny
		if !sig.Variadic && converts {
			t = sig.Args[i]
		}
		var err error
		switch {
		case v == nil:
			b = frame.AppendNil(b)
		case t == host.TypeF32 || t == host.TypeF64:
			w, e := host.TypeF64.Word(v)
			b, err = frame.AppendFloat(b, math.Float64frombits(w)), e
		case t == host.TypeI32 || t == host.TypeU32 || t == host.TypeI64:
			w, e := host.TypeI64.Word(v)
			b, err = frame.AppendInt(b, int64(w)), e
		default:
			b, err = frame.Append(b, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// sameFrame compares frames; the pairs of maps have no order.
func sameFrame(t *testing.T, what string, a, b []byte) {
	t.Helper()
	if bytes.Equal(a, b) {
		return
	}
	x, err1 := frame.Decode(a)
	y, err2 := frame.Decode(b)
	if err1 != nil || err2 != nil || len(a) != len(b) || !reflect.DeepEqual(x, y) {
		t.Fatalf("%s: found %x (%v), expected %x (%v)", what, a, err1, b, err2)
	}
}

// compareRow holds the lanes of a row against values.
func compareRow(t *testing.T, in wire, row []byte) (taken int) {
	t.Helper()
	for _, sig := range signatures() {
		args, err := in.args(nil, row, sig)
		words := make([]uint64, maxWords)
		p := &plan{sig: sig}
		numbers := !sig.Variadic && !sig.Aggregate
		for _, a := range sig.Args {
			numbers = numbers && a.Numeric()
		}
		var got [maxWords]uint64
		if rest, ok := in.words(&got, sig.Args, row); numbers && ok && in.ends(rest, "") {
			taken++
			if err == nil {
				err = sig.Words(words, args)
			}
			if err != nil || !reflect.DeepEqual(words[:len(sig.Args)], got[:len(sig.Args)]) {
				t.Fatalf("%s %q: words %x, values %x, %v", sig, row, got, words, err)
			}
		}
		for _, p.converts = range []bool{true, false} {
			if sig.Aggregate {
				continue
			}
			args, err := in.args(nil, row, sig)
			if err == nil && !sig.NullCall && hasNull(args) {
				err = errors.New("not called")
			}
			found, rest, ok := in.frame(nil, p, row)
			if !ok || !in.ends(rest, "") {
				continue
			}
			taken++
			var want []byte
			if err == nil {
				want, err = reference(sig, args, p.converts)
			}
			if err != nil {
				t.Fatalf("%s %q: a frame %x, values say %v", sig, row, found, err)
			}
			if in == wireFrame {
				found, _ = frame.AppendArgs(nil, mustArgs(t, found)) // in the one form of each value
			}
			sameFrame(t, fmt.Sprintf("%s %q", sig, row), found, want)
		}
	}
	return taken
}

func hasNull(args []any) bool {
	for _, a := range args {
		if a == nil {
			return true
		}
	}
	return false
}

func mustArgs(t *testing.T, b []byte) []any {
	t.Helper()
	args, err := frame.DecodeArgs(b)
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// compareResult holds the ways of a result against values.
func compareResult(t *testing.T, result []byte) (taken int) {
	t.Helper()
	d := frame.Decoder{Most: mostResult}
	v, err := d.Decode(result)
	for typ := host.TypeAny; typ <= host.TypeMap; typ++ {
		want, wantErr := v, err
		if _, failed := v.(*frame.Error); failed {
			wantErr = errors.New("an error")
		} else if wantErr == nil && v != nil {
			want, wantErr = typ.Conform(v)
		}
		var r request
		r.result = result
		if out, ok := wireFrame.appendFrame([]byte("kept"), typ, &r); ok {
			taken++
			if wantErr != nil || string(out) != "kept"+string(result) {
				t.Fatalf("%s %x: passed as %x, values say %v", typ, result, out, wantErr)
			}
			if fmt.Sprint(want) != fmt.Sprint(v) { // it would have been converted
				t.Fatalf("%s %x: values would be %v", typ, result, want)
			}
		}
		out, ok := wireJSON.appendFrame([]byte("kept"), typ, &r)
		if !ok {
			if string(out) != "kept" {
				t.Fatalf("%s %x: found %q", typ, result, out)
			}
			continue
		}
		taken++
		text := []byte("kept")
		if wantErr == nil {
			text, wantErr = appendResult(text, want)
		}
		if wantErr != nil || !bytes.Equal(out, text) {
			t.Fatalf("%s %x:\nfound    %s\nexpected %s, %v", typ, result, out, text, wantErr)
		}
	}
	return taken
}

func FuzzRowLanes(f *testing.F) {
	for _, seed := range rowSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		compareRow(t, wireJSON, row)
		compareRow(t, wireFrame, row)
		for n := range 3 {
			if scalarRows(row, n) && frame.Valid(append([]byte{0x90 | byte(n)}, row...)) != nil {
				t.Fatalf("%x: is not %d rows", row, n)
			}
		}
		if validArray(row) && !json.Valid(row) {
			t.Fatalf("%q: is no JSON", row)
		}
		if args, err := decodeRow(nil, row, &host.Signature{Variadic: true}); err == nil {
			if !validArray(row) {
				t.Fatalf("%q: is a JSON array", row)
			}
			if b, err := frame.AppendArgs(nil, args); err == nil {
				compareRow(t, wireFrame, b)
				compareResult(t, b)
			}
		}
	})
}

func rowSeeds() []string {
	return []string{
		`[52.52,13.405,9]`, `["u33dc0cppk"]`, `[52.52, 13.405, 48.8566 ,2.3522]`, `["k",1.5,0.1]`, `[20]`, `["a b"," "]`,
		`[9007199254740993,4294967295,0.1,true]`, `[{"b":1,"a":[1,{"c":null}]},"é\n\u00e9"]`, `["AAE=",[1,2.5],{"x":1}]`, `[]`,
		`[null,1.0]`, `[[1,2,3]]`, `[1e3,-0,-0.0,1E-7]`, `[9223372036854775808]`, `[123456789012345678,1234567890123456789]`,
		`[{"a":1,"a":2}]`, `[4.35,0.000001,179769313486231570000000000000000000000.5]`, `[2147483648]`, `[-1,-1,3.5e38,false]`,
		`[1,2`, `[01,1.]`, `[1,]`, `["\ud800"]`, "[\"\xff\"]", "[\"\x01\"]", `[` + strings.Repeat("[", 70) + strings.Repeat("]", 71),
		"\x93\xcb\x40\x4a\x42\x8f\x5c\x28\xf5\xc3\xcb\x40\x2a\xcf\x5c\x28\xf5\xc2\x8f\x09", "\x91\xd4\x01\x00", "\x91\xca\x3f\x80\x00\x00",
		"\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc0", "\x94\xd3\xff\xff\xff\xff\xff\xff\xff\xff\xce\xff\xff\xff\xff\xcb\x7f\xef\xff\xff\xff\xff\xff\xff\xc3",
		"\x92\xc0\xc2\x93\xe0\xd1\x01\x02\xca\x00\x00\x00\x00", "\x91\xc1", "\x91\xcd\x01", "\x91\x01 ", "\x91\x90",
		"\x91\xd6\xff\x00\x00\x00\x01", "\xdc\x00\x01\x01",
	}
}

func FuzzResultLanes(f *testing.F) {
	for _, seed := range resultSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, result []byte) { compareResult(t, result) })
}

func resultSeeds() (list [][]byte) {
	for _, v := range []any{
		nil, true, int64(-1), int64(1 << 40), uint64(math.MaxUint64), 1.5, 4.0, math.NaN(), math.Inf(1), math.Copysign(0, -1), 1e15, 1e-7, 1e21,
		"a\"b\\\n\x00é",
		[]byte{0, 255},
		[]any{int64(1), nil, "x"},
		map[string]any{"b": int64(1), "a": map[string]any{"z": "", "\x00": 1.5}},
		&frame.Error{Msg: "m", Class: frame.ClassIO},
		[]any{&frame.Error{Msg: "m\"", Class: frame.ClassIO}},
	} {
		b, err := frame.Append(nil, v)
		if err != nil {
			panic(err)
		}
		list = append(list, b)
	}
	return append(list, []byte("\x82\xa1a\x01\xa1a\x02"), []byte("\x83\xa1b\x01\xa1a\x02\xa1b\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
		[]byte("\xc7\x0c\xff\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), []byte("\xd6\xff\x00\x00\x00\x01"), []byte{0xc1}, nil, []byte{1, 2},
		bytes.Repeat([]byte{0x91}, 65), []byte("\xca\x3f\x80\x00\x00"), []byte("\x81\x01\x01"), []byte("\xa1\xff"))
}

// Random rows of many shapes; the lanes must take a good part of them, or the
// comparison says nothing.
func TestLanesAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 3_000 {
		var v []any
		for range rng.IntN(5) {
			v = append(v, anything(rng, 0))
		}
		row, err := appendResult(nil, v)
		if err != nil {
			continue // NaN
		}
		if rng.IntN(4) == 0 { // break it
			row[rng.IntN(len(row))] = `[]{},:"\ 0.e-`[rng.IntN(13)]
		}
		taken += compareRow(t, wireJSON, row)
		for _, x := range v {
			b, err := frame.Append(nil, x)
			if err != nil {
				t.Fatal(err)
			}
			taken += compareResult(t, b)
		}
		if b, err := frame.AppendArgs(nil, v); err == nil {
			taken += compareRow(t, wireFrame, b)
		}
	}
	if taken < 5_000 {
		t.Errorf("the lanes took %d, expected more", taken)
	}
}

func anything(rng *rand.Rand, depth int) any {
	switch n := rng.IntN(12); {
	case n == 0:
		return nil
	case n == 1:
		return rng.IntN(2) == 0
	case n < 4:
		return int64(rng.Uint64()) >> rng.IntN(64)
	case n < 6:
		return math.Round(rng.NormFloat64()*1e4) / math.Pow(10, float64(rng.IntN(6)))
	case n == 6:
		return math.Float64frombits(rng.Uint64())
	case n < 9 || depth > 2:
		return []string{"", "k", "é\n", "u33dc0cppk", "AAE=", strings.Repeat("long ", 20)}[rng.IntN(6)]
	case n == 9:
		list := []any{}
		for range rng.IntN(20) {
			list = append(list, anything(rng, depth+1))
		}
		return list
	}
	m := map[string]any{}
	for range rng.IntN(20) {
		m[string(rune('a'+rng.IntN(40)))] = anything(rng, depth+1)
	}
	return m
}

// Every word that a function may return reads the same from both.
func TestResultWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	words := []uint64{0, 1, 1 << 63, math.MaxUint64, 1 << 31, math.Float64bits(1e15), math.Float64bits(-4), math.Float64bits(999999999999999), math.Float64bits(0.1)}
	for range 10_000 {
		words = append(words, rng.Uint64()>>rng.IntN(64), math.Float64bits(math.Round(rng.NormFloat64()*1e6)/100))
	}
	for typ := host.TypeI32; typ <= host.TypeBool; typ++ {
		for _, w := range words {
			got, err1 := wireJSON.appendWord([]byte("x"), typ, w)
			want, err2 := appendResult([]byte("x"), typ.Value(w))
			if !bytes.Equal(got, want) || fmt.Sprint(err1) != fmt.Sprint(err2) {
				t.Fatalf("%s %x: found %s, %v, expected %s, %v", typ, w, got, err1, want, err2)
			}
			bin, _ := wireFrame.appendWord(nil, typ, w)
			ref, err := frame.Append(nil, typ.Value(w))
			if err != nil || !bytes.Equal(bin, ref) {
				t.Fatalf("%s %x: found %x, expected %x, %v", typ, w, bin, ref, err)
			}
		}
	}
}

// What a lane makes of arguments and of a result lies in memory that is used again.
func TestLaneAllocations(t *testing.T) {
	if RaceEnabled {
		t.Skip("the race detector allocates")
	}
	p := &plan{sig: &host.Signature{Args: []host.Type{host.TypeString, host.TypeF64, host.TypeMap, host.TypeBytes}}, converts: true}
	row := []byte(`["key",52.520008123456,{"b":[1,2.5,true,3,4,5,6,7,8,9,10,11,12,13,14,15,16],"a":{"x":"y"}},"AAECAw=="]`)
	args, _, ok := jsonArgs(nil, p, row)
	if !ok {
		t.Fatal("left to values")
	}
	var words [maxWords]uint64
	numbers := []host.Type{host.TypeF64, host.TypeI32, host.TypeBool}
	var r request
	r.result = args
	if r.out, ok = wireJSON.appendFrame(nil, host.TypeList, &r); !ok {
		t.Fatal("left to values")
	}
	for what, run := range map[string]func() bool{
		"words":  func() bool { _, ok := jsonWords(&words, numbers, []byte(`[52.520008123456, 9,true]`)); return ok },
		"args":   func() bool { _, _, ok := jsonArgs(args[:0], p, row); return ok },
		"result": func() bool { _, ok := wireJSON.appendFrame(r.out[:0], host.TypeList, &r); return ok },
		"passed": func() bool { _, ok := wireFrame.appendFrame(r.out[:0], host.TypeList, &r); return ok },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if !run() {
				t.Fatal(what)
			}
		}); n > 0 {
			t.Errorf("%s: found %v allocations, expected none", what, n)
		}
	}
}

// The comparison can fail.
func TestComparisonOfLanesCatches(t *testing.T) {
	row := []byte(`[1,2.5]`)
	args, err := decodeRow(nil, row, &host.Signature{Variadic: true})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := reference(&host.Signature{Args: []host.Type{host.TypeF64, host.TypeF64}}, args, true)
	b, _ := reference(&host.Signature{Args: []host.Type{host.TypeF64, host.TypeF64}}, args, false)
	if bytes.Equal(a, b) {
		t.Error("conversion makes no difference")
	}
}
