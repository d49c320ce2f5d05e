package host

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host/frame"
)

// TestScanWord: what is read out of a row is what the whole way round makes of it, for
// every type, and what it does not know is left to that.
func TestScanWord(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	values := []any{nil, true, false, "1", []byte{1}, []any{}, map[string]any{}, uint64(math.MaxUint64), uint64(1 << 63), math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -0.0}
	for _, n := range []int64{0, 1, 31, 32, 127, 128, 255, 256, 1 << 15, 1<<16 - 1, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64} {
		values = append(values, n, -n, ^n, float64(n), -float64(n), float64(n)+0.5)
	}
	for range 2000 {
		values = append(values, r.Int64()>>r.IntN(64), math.Float64frombits(r.Uint64()), float64(r.Int64()>>r.IntN(64)))
	}
	for _, v := range values {
		b, err := frame.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := v.(float64); ok && float64(float32(f)) == f {
			checkScan(t, binary.BigEndian.AppendUint32([]byte{0xca}, math.Float32bits(float32(f))), v)
		}
		checkScan(t, b, v)
	}
	for _, b := range []string{"", "\xc1", "\xcb\x00", "\xd3\x00", "\xcc", "\xca\x00\x00\x00", "\xd4\x01\x00"} {
		checkScan(t, []byte(b), "nothing")
	}
}

func checkScan(t *testing.T, b []byte, v any) {
	t.Helper()
	from := b
	if v != "nothing" {
		from = append(b[:len(b):len(b)], 0xcb, 0xcb) // what follows does not matter
	}
	for ty := range TypeString {
		w, wide := scanWord(from, ty)
		want, err := uint64(0), error(nil)
		if want, err = ty.Word(v); wide == 0 {
			if _, big := v.(uint64); err == nil && !big {
				t.Errorf("%x (%v) is left out as %s", b, v, ty)
			}
			continue
		}
		if f, ok := v.(float64); ok && math.IsNaN(f) && (ty == TypeF32 || ty == TypeF64) {
			w, want = 0, 0 // its bits are not promised
		}
		if err != nil || w != want || wide != len(b) {
			t.Errorf("%x (%v) as %s: %#x, %d bytes; want %#x, %v", b, v, ty, w, wide, want, err)
		}
	}
}

func TestColumnSizes(t *testing.T) {
	s := &Signature{Args: []Type{TypeI32, TypeBool, TypeU32, TypeF32, TypeI64, TypeF64}, Returns: TypeBool}
	for rows, want := range map[int][]int{
		0: {0, 0, 0, 0, 0, 0, 0, 0},
		1: {0, 8, 16, 24, 32, 40, 48, 8 + 1},
		2: {0, 8, 16, 24, 32, 48, 64, 8 + 2},
		9: {0, 40, 56, 96, 136, 208, 280, 16 + 9},
	} {
		in, out, err := s.ColumnSizes(rows)
		var got []int
		for i := range 7 {
			got = append(got, s.Column(i, rows))
		}
		if got = append(got, out); err != nil || in != want[6] || !reflect.DeepEqual(got, want) {
			t.Errorf("%d rows: %v, %v; want %v", rows, got, err, want)
		}
	}
	for rows, text := range map[int]string{-1: "found -1 rows", math.MaxInt32: "found 2147483647 rows", 4 << 20: "at most 67108864 are allowed"} {
		if _, _, err := s.ColumnSizes(rows); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%d rows: %v", rows, err)
		}
	}
	for text, s := range map[string]Signature{
		"argument 2 is string": {Args: []Type{TypeI32, TypeString}, Returns: TypeI32},
		"argument 1 is any":    {Args: []Type{TypeAny}, Returns: TypeI32},
		"result is map":        {Returns: TypeMap},
		"not declared":         {Variadic: true, Returns: TypeI32},
		"are lists":            {Aggregate: true, Returns: TypeI32},
		"columns have none":    {NullCall: true, Returns: TypeI32},
	} {
		if err := s.CheckColumns(1, nil, nil); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
