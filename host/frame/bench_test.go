package frame

import (
	"fmt"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// What benchmarks make is kept here, so that it is made.
var (
	sink     any
	sinkArgs []any
)

// byHandAllocs is what the row below costs without any frame.
const byHandAllocs = 10

// sampleRow is a row of eight columns.
func sampleRow() map[string]any {
	return map[string]any{
		"id": int64(123456789), "device": "sensor-0042", "temperature": 21.5, "humidity": 48.25,
		"ok": true, "site": "warehouse 7", "count": int64(17), "ts": int64(1782900000000),
	}
}

// byHand builds the row from parts that nobody knows at compile time.
func byHand() map[string]any {
	m := make(map[string]any, 8)
	m["id"] = parts.ints[0]
	m["device"] = string(parts.texts[0])
	m["temperature"] = parts.floats[0]
	m["humidity"] = parts.floats[1]
	m["ok"] = parts.ok
	m["site"] = string(parts.texts[1])
	m["count"] = parts.ints[1]
	m["ts"] = parts.ints[2]
	return m
}

var parts = struct {
	ints   []int64
	floats []float64
	texts  [][]byte
	ok     bool
}{[]int64{123456789, 17, 1782900000000}, []float64{21.5, 48.25}, [][]byte{[]byte("sensor-0042"), []byte("warehouse 7")}, true}

// rows are rows with the columns of sampleRow, and their frames: half of the
// columns change each time.
func rows(tb testing.TB) (all []map[string]any, frames [][]byte) {
	for i := range 64 {
		row := sampleRow()
		row["id"], row["temperature"], row["count"], row["ts"] = int64(123456789+i), 21.5+float64(i)/16, int64(1700+i), int64(1782900000000)+int64(i)
		frame, err := Append(nil, row)
		if err != nil {
			tb.Fatal(err)
		}
		all, frames = append(all, row), append(frames, frame)
	}
	return all, frames
}

func loop(b *testing.B, name string, f func(i int)) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f(i % 64)
		}
	})
}

func BenchmarkEncodeRow(b *testing.B) {
	all, frames := rows(b)
	var e Encoder
	buf := make([]byte, 0, 4096)
	loop(b, "Append", func(i int) { buf, _ = Append(buf[:0], all[i]) })
	loop(b, "Encoder", func(i int) { buf, _ = e.Append(buf[:0], all[i]) })
	loop(b, "msgp", func(i int) { buf, _ = msgp.AppendIntf(buf[:0], all[i]) })
	loop(b, "Valid", func(i int) { _ = Valid(frames[i]) })
}

// BenchmarkDecodeRow has two floors: a map of constants, and the row from parts.
func BenchmarkDecodeRow(b *testing.B) {
	_, frames := rows(b)
	var d, same Decoder
	loop(b, "constants", func(int) { sink = sampleRow() })
	loop(b, "by hand", func(int) { sink = byHand() })
	loop(b, "Decode", func(i int) { sink, _ = Decode(frames[i]) })
	loop(b, "Decoder", func(i int) { sink, _ = d.Decode(frames[i]) })
	loop(b, "Decoder, the same row", func(int) { sink, _ = same.Decode(frames[0]) })
	loop(b, "msgp", func(i int) { sink, _, _ = msgp.ReadIntfBytes(frames[i]) })
}

// BenchmarkReader takes a call of two floats and a list of 64 apart.
func BenchmarkReader(b *testing.B) {
	args, err := AppendArgs(nil, []any{1.5, 2.5})
	if err != nil {
		b.Fatal(err)
	}
	list := AppendArrayHeader(nil, 64)
	for i := range 64 {
		list = AppendFloat(list, float64(i))
	}
	for name, frame := range map[string][]byte{"arguments": args, "64 floats": list} {
		loop(b, name, func(int) {
			r := Read(frame)
			n, err := r.Array()
			for range n {
				_, err = r.Float()
			}
			if err != nil || r.End() != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkValue(b *testing.B) {
	args := []any{1.5, 2.5}
	argsFrame, err := AppendArgs(nil, args)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	b.Run("append arguments", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = AppendArgs(buf[:0], args)
		}
	})
	b.Run("decode arguments", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkArgs, _ = DecodeArgs(argsFrame)
		}
	})
	for _, v := range []any{nil, int64(7), int64(1) << 40, 0.5, "sixty-four bytes of text, which is what the ABI's study measured."} {
		frame, err := Append(nil, v)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("decode %T %.10v", v, v), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink, _ = Decode(frame)
			}
		})
	}
}
