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

func BenchmarkRow(b *testing.B) {
	row := sampleRow()
	frame, err := Append(nil, row)
	if err != nil {
		b.Fatal(err)
	}
	bench := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	var d Decoder
	buf := make([]byte, 0, 4096)
	bench("by hand", func() { sink = byHand() })
	bench("decode", func() { sink, _ = Decode(frame) })
	bench("decode, keys known", func() { sink, _ = d.Decode(frame) })
	bench("decode msgp", func() { sink, _, _ = msgp.ReadIntfBytes(frame) })
	bench("append", func() { buf, _ = Append(buf[:0], row) })
	bench("append msgp", func() { buf, _ = msgp.AppendIntf(buf[:0], row) })
	bench("valid", func() { _ = Valid(frame) })
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
