package frame

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// vectors is the contract's file, which other languages are tested with too.
type vectors struct {
	Accept []struct {
		Name, Frame string
		Value       vectorValue
		Canonical   bool
	}
	Reject []struct{ Name, Frame, Error string }
}

// vectorValue is a value as the contract writes it in JSON.
type vectorValue struct{ v any }

func (v *vectorValue) UnmarshalJSON(b []byte) error {
	var one map[string]json.RawMessage
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	if len(one) != 1 {
		return errors.New("a value has one kind")
	}
	for kind, raw := range one {
		return v.set(kind, raw)
	}
	return nil
}

func (v *vectorValue) set(kind string, raw json.RawMessage) (err error) {
	var s string
	switch kind {
	case "int", "uint", "float", "bin", "str":
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
	}
	switch kind {
	case "nil":
		v.v = nil
	case "bool":
		var b bool
		err = json.Unmarshal(raw, &b)
		v.v = b
	case "int":
		v.v, err = strconv.ParseInt(s, 10, 64)
	case "uint":
		v.v, err = strconv.ParseUint(s, 10, 64)
	case "float":
		v.v, err = strconv.ParseFloat(s, 64)
	case "str":
		v.v = s
	case "bin":
		v.v, err = hex.DecodeString(s)
	case "array":
		items := []vectorValue{}
		err = json.Unmarshal(raw, &items)
		list := make([]any, len(items))
		for i := range items {
			list[i] = items[i].v
		}
		v.v = list
	case "map":
		var pairs map[string]vectorValue
		err = json.Unmarshal(raw, &pairs)
		m := map[string]any{}
		for k, p := range pairs {
			m[k] = p.v
		}
		v.v = m
	case "time":
		var t struct {
			Sec  int64 `json:",string"`
			Nsec int64 `json:",string"`
		}
		err = json.Unmarshal(raw, &t)
		v.v = time.Unix(t.Sec, t.Nsec).UTC()
	case "error":
		var e Error
		err = json.Unmarshal(raw, &e)
		v.v = &e
	default:
		err = errors.New("unknown kind " + kind)
	}
	return err
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("../../sdk/abi/testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Accept) < 100 || len(v.Reject) < 80 {
		t.Fatalf("%d and %d vectors: the file is not what it was", len(v.Accept), len(v.Reject))
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

// same compares values; -0 and 0 differ, NaN and NaN do not, and the float 1 is
// not the integer 1.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (math.Float64bits(a) == math.Float64bits(b) || a != a && b != b)
	case []byte:
		b, ok := b.([]byte)
		return ok && (a == nil) == (b == nil) && bytes.Equal(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && (a == nil) == (b == nil) && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && (a == nil) == (b == nil) && maps.EqualFunc(a, b, same)
	case *Error:
		b, ok := b.(*Error)
		return ok && *a == *b
	case time.Time:
		return a == b // not Equal: the zone is UTC
	}
	return a == b
}

func TestVectors(t *testing.T) {
	all := readVectors(t)
	for _, v := range all.Accept {
		t.Run(v.Name, func(t *testing.T) {
			b := unhex(t, v.Frame)
			got, err := Decode(b)
			if err != nil || !same(got, v.Value.v) {
				t.Errorf("Decode = %#v, %v, want %#v", got, err, v.Value.v)
			}
			if err := Valid(b); err != nil {
				t.Errorf("Valid: %v", err)
			}
			if rest, err := Skip(append(b, 1, 2)); err != nil || len(rest) != 2 {
				t.Errorf("Skip = %x, %v", rest, err)
			}
			out, err := Append(nil, v.Value.v)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := Decode(out); err != nil || !same(again, v.Value.v) {
				t.Errorf("Append = %.80x, which decodes as %#v, %v", out, again, err)
			}
			if v.Canonical && hex.EncodeToString(out) != v.Frame {
				t.Errorf("Append = %.80x, want %.80s", out, v.Frame)
			}
		})
	}
	for _, v := range all.Reject {
		t.Run(v.Name, func(t *testing.T) {
			b := unhex(t, v.Frame)
			got, err := Decode(b)
			var m, m2 *Malformed
			if !errors.As(err, &m) || m.Reason != v.Error || m.Offset > len(b) {
				t.Errorf("Decode = %#v, %v, want %s", got, err, v.Error)
			}
			if err := Valid(b); !errors.As(err, &m2) || m2 != nil && m != nil && *m2 != *m {
				t.Errorf("Valid: %v, Decode: %v", err, m)
			}
			if explain(v.Error) == "unknown" {
				t.Errorf("%s is not explained", v.Error)
			}
		})
	}
}
