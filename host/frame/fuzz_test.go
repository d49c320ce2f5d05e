package frame

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/tinylib/msgp/msgp"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	// A test does not write into the source tree; the seed is printed.
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func addVectors(f *testing.F) {
	all := readVectors(f)
	for _, v := range all.Accept {
		if len(v.Frame) < 2000 {
			f.Add(unhex(f, v.Frame))
		}
	}
	for _, v := range all.Reject {
		if len(v.Frame) < 2000 {
			f.Add(unhex(f, v.Frame))
		}
	}
}

// FuzzDecode feeds anything: no panic, the judges agree, and what is decoded
// comes back the same. A Decoder and an Encoder that have seen much do as those
// that remember nothing.
func FuzzDecode(f *testing.F) {
	addVectors(f)
	var d Decoder
	var e Encoder
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Decode(b)
		valid := Valid(b)
		if (err == nil) != (valid == nil) || err != nil && *err.(*Malformed) != *valid.(*Malformed) {
			if err == nil || err.(*Malformed).Reason != TooWide { // Valid allocates nothing
				t.Fatalf("Decode: %v, Valid: %v", err, valid)
			}
		}
		for range 2 { // the second time it remembers this one
			v2, err2 := d.Decode(b)
			if (err == nil) != (err2 == nil) || err != nil && *err.(*Malformed) != *err2.(*Malformed) || !same(v, v2) {
				t.Fatalf("Decode: %v, %v, Decoder: %v, %v", v, err, v2, err2)
			}
		}
		if err != nil {
			return
		}
		for range 2 {
			out, err := e.Append(nil, v)
			if again, err2 := d.Decode(out); err != nil || err2 != nil || !same(v, again) {
				t.Fatalf("Encoder: %#v came back as %#v, %v, %v", v, again, err, err2)
			}
		}
		out, err := Append(nil, v)
		if err != nil {
			t.Fatalf("Append of %#v: %v", v, err)
		}
		if len(out) > len(b)+bytes.Count(b, []byte{0xca})*4 {
			t.Fatalf("%x became longer: %x", b, out) // but for float32
		}
		again, err := Decode(out)
		if err != nil || !same(v, again) {
			t.Fatalf("%#v came back as %#v, %v", v, again, err)
		}
	})
}

// FuzzAgainstMsgp reads the same bytes with another implementation, which must
// agree on what both know.
func FuzzAgainstMsgp(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Decode(b)
		if err != nil || !sharedWithMsgp(v) {
			return
		}
		theirs, rest, err := msgp.ReadIntfBytes(b)
		if err != nil || len(rest) != 0 || !same(v, fromMsgp(theirs)) {
			t.Fatalf("%x: ours %#v, theirs %#v, %x, %v", b, v, theirs, rest, err)
		}
	})
}

// sharedWithMsgp reports whether msgp reads v as we do. It has its own form for
// times and no errors, and it asks for three bytes a pair, which a pair with an
// empty key need not have.
func sharedWithMsgp(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, v := range v {
			if !sharedWithMsgp(v) {
				return false
			}
		}
	case map[string]any:
		for key, v := range v {
			if key == "" || !sharedWithMsgp(v) {
				return false
			}
		}
	case nil, bool, int64, uint64, float64, string, []byte:
	default:
		return false
	}
	return true
}

// fromMsgp gives numbers the types that we decode them as.
func fromMsgp(v any) any {
	switch v := v.(type) {
	case uint64:
		if v <= 1<<63-1 {
			return int64(v)
		}
	case float32:
		return float64(v)
	case []byte:
		return append([]byte{}, v...) // theirs is nil when empty
	case []any:
		for i := range v {
			v[i] = fromMsgp(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = fromMsgp(v[k])
		}
	}
	return v
}

// values draws what both implementations know.
func values() *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any { return draw(t, 3) })
}

func draw(t *rapid.T, depth int) any {
	kinds := 7
	if depth > 0 {
		kinds = 9
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64().Draw(t, "int")
	case 3:
		return rapid.Uint64Min(1<<63).Draw(t, "uint")
	case 4:
		return rapid.Float64().Draw(t, "float")
	case 5:
		return rapid.String().Draw(t, "text")
	case 6:
		return rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
	case 7:
		list := make([]any, rapid.IntRange(0, 4).Draw(t, "items"))
		for i := range list {
			list[i] = draw(t, depth-1)
		}
		return list
	}
	m := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "pairs") {
		m[rapid.StringN(1, -1, -1).Draw(t, "key")] = draw(t, depth-1)
	}
	return m
}

// TestWithMsgp writes with the one and reads with the other.
func TestWithMsgp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "value")
		ours, err := Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := msgp.AppendIntf(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(theirs); err != nil || !same(got, v) {
			t.Fatalf("theirs %x: %#v, %v, want %#v", theirs, got, err, v)
		}
		if got, rest, err := msgp.ReadIntfBytes(ours); err != nil || len(rest) != 0 || !same(fromMsgp(got), v) {
			t.Fatalf("ours %x: %#v, %v, want %#v", ours, got, err, v)
		}
	})
}
