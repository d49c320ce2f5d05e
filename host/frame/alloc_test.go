package frame

import (
	"testing"
	"time"
)

// TestAllocs holds what the hot path allocates.
func TestAllocs(t *testing.T) {
	row := sampleRow()
	frame, err := Append(nil, row)
	if err != nil {
		t.Fatal(err)
	}
	args, err := AppendArgs(nil, []any{1.5, 2.5})
	if err != nil {
		t.Fatal(err)
	}
	other := sampleRow()
	for key, value := range map[string]any{"id": int64(1 << 30), "device": "sensor-0043", "temperature": 22.5, "humidity": 49.25, "site": "warehouse 8", "count": int64(18), "ts": int64(1782900000001)} {
		other[key] = value
	}
	otherFrame, err := Append(nil, other)
	if err != nil {
		t.Fatal(err)
	}
	var d, same Decoder
	var e Encoder
	buf := make([]byte, 0, 4096)
	one := func(v any) func() {
		b, err := Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		return func() { sink, _ = Decode(b) }
	}
	anyArgs := []any{1.5, "text", int64(7)}
	cases := []struct {
		name string
		want float64
		run  func()
	}{
		{"append a row", 0, func() { buf, _ = Append(buf[:0], row) }},
		{"append arguments", 0, func() { buf, _ = AppendArgs(buf[:0], anyArgs) }},
		{"append pieces", 0, func() { buf = AppendString(AppendFloat(AppendInt(AppendArrayHeader(buf[:0], 3), 1e9), 2), "x") }},
		{"valid", 0, func() { _ = Valid(frame) }},
		{"decode nil", 0, one(nil)},
		{"decode true", 0, one(true)},
		{"decode small int", 0, one(200)},
		{"decode int", 1, one(int64(1) << 40)},
		{"decode float", 1, one(0.5)},
		{"decode text", 2, one("some text")},
		{"decode bytes", 2, one([]byte("some bytes"))},
		{"decode time", 1, one(time.Now())},
		{"decode arguments", 3, func() { sinkArgs, _ = DecodeArgs(args) }},
		{"encode a row", 0, func() { buf, _ = e.Append(buf[:0], row) }},
		// The map, its slots, and what its values box.
		{"decode rows, keys known", 2 * byHandAllocs, func() { sink, _ = d.Decode(frame); sink, _ = d.Decode(otherFrame) }},
		// The map and its slots.
		{"decode the row before", 2, func() { sink, _ = same.Decode(frame) }},
	}
	for _, c := range cases {
		if got := testing.AllocsPerRun(100, c.run); got > c.want {
			t.Errorf("%s: %v allocations, want %v", c.name, got, c.want)
		}
	}
	if got := testing.AllocsPerRun(100, func() { sink = byHand() }); got != byHandAllocs {
		t.Errorf("the same row by hand: %v allocations, want %v", got, byHandAllocs)
	}
}
