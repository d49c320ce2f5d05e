package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestAppendTakes(t *testing.T) {
	big := uint64(math.MaxUint64)
	cases := []struct{ in, want any }{
		{int(-7), int64(-7)},
		{int8(-128), int64(-128)},
		{int16(-300), int64(-300)},
		{int32(-70000), int64(-70000)},
		{uint(7), int64(7)},
		{uint8(200), int64(200)},
		{uint16(65535), int64(65535)},
		{uint32(1 << 31), int64(1 << 31)},
		{uint64(1<<63 - 1), int64(math.MaxInt64)},
		{big, big},
		{uintptr(9), int64(9)},
		{float32(0.1), float64(float32(0.1))},
		{int64(math.MinInt64), int64(math.MinInt64)},
		{[]byte(nil), []byte{}},
		{[]any(nil), []any{}},
		{map[string]any(nil), map[string]any{}},
		{(*Error)(nil), nil},
		{&Error{Msg: "m"}, &Error{"m", ClassFatal}},
		{&Error{"m", "odd"}, &Error{"m", ClassFatal}},
		{&Error{"", ClassIO}, &Error{"", ClassIO}},
		{time.Date(2026, 7, 1, 2, 0, 0, 5, time.FixedZone("x", 7200)), time.Date(2026, 7, 1, 0, 0, 0, 5, time.UTC)},
		{time.Time{}, time.Time{}},
		{time.Unix(-1, 999).UTC(), time.Unix(-1, 999).UTC()},
	}
	for _, c := range cases {
		b, err := Append([]byte("before"), c.in)
		if err != nil || !bytes.HasPrefix(b, []byte("before")) {
			t.Errorf("%T %v: %v", c.in, c.in, err)
			continue
		}
		if got, err := Decode(b[6:]); err != nil || !same(got, c.want) {
			t.Errorf("%T %v: came back as %T %v, %v", c.in, c.in, got, got, err)
		}
	}
}

func nest(n int) any {
	var v any = []any{}
	for range n - 1 {
		v = []any{v}
	}
	return v
}

func TestAppendRefuses(t *testing.T) {
	loop := []any{nil}
	loop[0] = loop
	cases := []struct {
		in   any
		want string
	}{
		{make(chan int), "chan int has no form in a frame"},
		{[]any{map[string]any{"temp": make(chan int)}}, "[0].temp: chan int has no form in a frame"},
		{map[string]any{"a b": []any{1, struct{}{}}}, `["a b"][1]: struct {} has no form in a frame`},
		{map[string]any{"": []string{}}, `[""]: []string has no form in a frame`},
		{[]any{1, "a\xffb"}, "[1]: string is not valid UTF-8"},
		{map[string]any{"\xff": 1}, `["\xff"]: key: string is not valid UTF-8`},
		{[]any{&Error{Msg: "\xff"}}, "[0]: error text is not valid UTF-8"},
		{nest(MaxDepth + 1), strings.Repeat("[0]", MaxDepth) + ": nests deeper than 64"},
		{loop, strings.Repeat("[0]", MaxDepth) + ": nests deeper than 64"},
		{make([]byte, MaxBytes), "frame of 67108869 bytes: at most 67108864 are allowed"},
		{[]any{make([]byte, MaxBytes+1)}, "[0]: []byte of 67108865 bytes: a frame has at most 67108864"},
	}
	var e Encoder
	for name, appends := range map[string]func([]byte, any) ([]byte, error){"Append": Append, "Encoder": e.Append} {
		for _, c := range cases {
			dst := []byte("before")
			b, err := appends(dst, c.in)
			if err == nil || err.Error() != c.want {
				t.Errorf("%s: %T: %v\nwant %s", name, c.in, err, c.want)
			}
			if string(b) != "before" {
				t.Errorf("%s: %T: dst came back as %.20q", name, c.in, b)
			}
		}
	}
	if b, err := Append(nil, nest(MaxDepth)); err != nil || Valid(b) != nil {
		t.Errorf("%d levels: %v, %v", MaxDepth, err, Valid(b))
	}
}

func TestArgs(t *testing.T) {
	b, err := AppendArgs(nil, []any{1, "x", nil, map[string]any{"k": []any{true}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{int64(1), "x", nil, map[string]any{"k": []any{true}}}
	if got, err := DecodeArgs(b); err != nil || !same(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := AppendArgs(nil, []any{1, struct{}{}}); err == nil || err.Error() != "[1]: struct {} has no form in a frame" {
		t.Errorf("AppendArgs: %v", err)
	}
	var m *Malformed
	if got, err := DecodeArgs([]byte{0x80}); !errors.As(err, &m) || m.Reason != NoArgs {
		t.Errorf("a map as arguments: %v, %v", got, err)
	}
	// The list of arguments counts for the depth.
	if _, err := AppendArgs(nil, []any{nest(MaxDepth)}); err == nil {
		t.Error("arguments nest too deep and pass")
	}
}

func TestBuilders(t *testing.T) {
	b := AppendArrayHeader(nil, 8)
	b = AppendNil(b)
	b = AppendBool(AppendBool(b, true), false)
	b = AppendUint(AppendInt(b, -1), 1<<63)
	b = AppendBytes(AppendString(b, "s"), []byte{1})
	b = AppendFloat(AppendString(AppendMapHeader(b, 1), "f"), 0.5)
	want := []any{nil, true, false, int64(-1), uint64(1 << 63), "s", []byte{1}, map[string]any{"f": 0.5}}
	if got, err := Decode(b); err != nil || !same(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestDecodeSharesNothing(t *testing.T) {
	in := map[string]any{"key": "text", "bin": []byte("bytes"), "err": &Error{"message", ClassIO}}
	b, err := Append(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	var d Decoder
	for range 2 { // the second time with remembered keys
		got, err := d.Decode(b)
		frame := bytes.Clone(b)
		clear(b)
		if err != nil || !same(got, in) {
			t.Errorf("%v, %v", got, err)
		}
		copy(b, frame)
	}
}

// TestDecoderKeys has more keys than a Decoder remembers, and keys that are
// alike in all that the choice of a place looks at.
func TestDecoderKeys(t *testing.T) {
	var d Decoder
	for round := range 3 {
		in := map[string]any{}
		for i := range 500 {
			in[string(binary.BigEndian.AppendUint32([]byte("k\x00"), uint32(i*7%128)))+strings.Repeat("x", i%40)] = int64(i * round)
		}
		in["aXcbXa"], in["aYcbYa"], in[""] = int64(1), int64(2), int64(3)
		b, err := Append(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Decode(b); err != nil || !same(got, in) {
			t.Errorf("round %d: %v", round, err)
		}
	}
	if _, err := d.Decode([]byte("\x81\xa1\xff\x01")); err == nil {
		t.Error("a key that is not UTF-8 passes")
	}
}

// TestAppendInPlace holds what writes into a guest's buffer: a frame that fits is
// there, and nothing is written behind it.
func TestAppendInPlace(t *testing.T) {
	var e Encoder
	row := sampleRow()
	row["long"], row["ünicode"], row["list"] = strings.Repeat("x", 40), "ä", []any{"a", nil}
	for range 10 { // in another order each time
		for name, appends := range map[string]func([]byte, any) ([]byte, error){"Append": Append, "Encoder": e.Append} {
			size, err := appends(nil, row)
			if err != nil {
				t.Fatal(err)
			}
			room := bytes.Repeat([]byte{0xee}, len(size)+20)
			b, err := appends(room[:0:len(size)], row)
			if err != nil || len(b) != len(size) || &b[0] != &room[0] {
				t.Errorf("%s: %d bytes for %d, %v, elsewhere", name, len(b), len(size), err)
			}
			if b, err = appends(room[:0], row); err != nil || len(bytes.TrimLeft(room[len(b):], "\xee")) > 0 {
				t.Errorf("%s: writes behind its frame: %x, %v", name, room, err)
			}
		}
	}
}

func TestTooLong(t *testing.T) {
	long := binary.BigEndian.AppendUint32([]byte{0xc6}, MaxBytes+1)
	long = append(long, make([]byte, MaxBytes+1)...)
	_, err1 := Decode(long)
	_, err2 := Skip(long)
	for _, err := range []error{err1, err2, Valid(long)} {
		var m *Malformed
		if !errors.As(err, &m) || m.Reason != TooLong {
			t.Error(err)
		}
	}
}

// TestAmplification decodes what costs most for its length.
func TestAmplification(t *testing.T) {
	const n = 1 << 20
	chain := strings.Repeat("\x81\xa0", MaxDepth-2) + "\x80"
	cases := map[string]struct {
		item   string
		reason string // "" when it must decode
	}{
		"nil":              {"\xc0", ""},
		"empty list":       {"\x90", ""},
		"lists of one":     {"\x91\xc0", ""},
		"text":             {"\xa2ab", ""},
		"empty bytes":      {"\xc4\x00", ""},
		"ints":             {"\xcd\x01\x00", ""},
		"times":            {"\xd6\xff\x00\x00\x00\x00", ""},
		"errors":           {"\xd8\x01\x82\xa3msg\xa1m\xa5class\xa2io", ""},
		"maps of a column": {"\x81\xa4temp\xcb\x00\x00\x00\x00\x00\x00\x00\x00", ""},
		"rows":             {"\x84\xa1a\x01\xa1b\x02\xa1c\x03\xa1d\x04", ""},
		"empty maps":       {"\x80", TooWide},
		"small maps":       {"\x81\xa0\xc0", TooWide},
		"chains of maps":   {chain, TooWide},
		"one key, often":   {"\x89" + strings.Repeat("\xa0\xc0", 9), ""},
	}
	for name, c := range cases {
		count := n / len(c.item)
		b := append(AppendArrayHeader(nil, count), strings.Repeat(c.item, count)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(b)
		runtime.ReadMemStats(&after)
		used := after.TotalAlloc - before.TotalAlloc
		t.Logf("%-17s %5.1f times", name, float64(used)/float64(len(b)))
		if limit := uint64(Amplification*len(b) + AmplificationSlack); used > limit {
			t.Errorf("%s: %d bytes for %d", name, used, len(b))
		}
		var m *Malformed
		switch {
		case c.reason == "" && err != nil, c.reason != "" && (!errors.As(err, &m) || m.Reason != c.reason):
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
	}
	// What the slack is for.
	b := append(AppendArrayHeader(nil, 12_000), strings.Repeat("\x81\xa1a\x01", 12_000)...)
	if _, err := Decode(b); err != nil {
		t.Errorf("honest small maps: %v", err)
	}
}

// TestCounts announces more than there is, at every depth and in each width.
func TestCounts(t *testing.T) {
	for _, head := range []string{"\xdd\xff\xff\xff\xff", "\xdf\x7f\xff\xff\xff", "\xdc\xff\xff", "\xde\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x01"} {
		for depth := range MaxDepth - 1 {
			b := []byte(strings.Repeat("\x91", depth) + head + strings.Repeat("\xc0", 20))
			allocs := testing.AllocsPerRun(1, func() {
				if _, err := Decode(b); err == nil {
					t.Errorf("%x passes", b)
				}
			})
			if allocs > float64(depth)+2 {
				t.Errorf("%x: %v allocations", b, allocs)
			}
		}
	}
}
