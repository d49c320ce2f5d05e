package bench

import (
	"context"
	"math"
	"reflect"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// BenchmarkScalar adds two floats on the scalar lane.
func BenchmarkScalar(b *testing.B) {
	ctx := context.Background()
	want := math.Float64bits(4)
	b.Run("raw", func(b *testing.B) {
		r := newRaw(b)
		stack := make([]uint64, 2)
		b.ReportAllocs()
		for b.Loop() {
			stack[0], stack[1] = math.Float64bits(1.5), math.Float64bits(2.5)
			if err := r.add.CallWithStack(ctx, stack); err != nil || stack[0] != want {
				b.Fatal(stack, err)
			}
		}
	})
	both(b, func(b *testing.B, h *host.Host) {
		f := handle(b, h, "add")
		words := make([]uint64, 2)
		b.ReportAllocs()
		for b.Loop() {
			words[0], words[1] = math.Float64bits(1.5), math.Float64bits(2.5)
			if err := f.ExecScalar(ctx, nil, words); err != nil || words[0] != want {
				b.Fatal(words, err)
			}
		}
	})
}

// BenchmarkBoxed adds two floats that travel as []any.
func BenchmarkBoxed(b *testing.B) {
	both(b, func(b *testing.B, h *host.Host) {
		f := handle(b, h, "add")
		args := []any{1.5, 2.5}
		b.ReportAllocs()
		for b.Loop() {
			if v, err := f.Exec(context.Background(), nil, args); err != nil || v != 4.0 {
				b.Fatal(v, err)
			}
		}
	})
}

// BenchmarkParallel adds from as many goroutines as there are cores, twice.
func BenchmarkParallel(b *testing.B) {
	both(b, func(b *testing.B, h *host.Host) {
		f := handle(b, h, "add")
		b.SetParallelism(2)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			words := make([]uint64, 2)
			for pb.Next() {
				words[0], words[1] = math.Float64bits(1.5), math.Float64bits(2.5)
				if err := f.ExecScalar(context.Background(), nil, words); err != nil || words[0] != math.Float64bits(4) {
					b.Error(words, err)
					return
				}
			}
		})
	})
}

// BenchmarkBytes echoes 256 bytes into the caller's buffer.
func BenchmarkBytes(b *testing.B) {
	ctx := context.Background()
	payload := make([]byte, 256)
	args, err := frame.AppendArgs(nil, []any{payload})
	if err != nil {
		b.Fatal(err)
	}
	want := len(args) - 1
	b.Run("raw", func(b *testing.B) {
		r := newRaw(b)
		stack, dst := make([]uint64, 2), make([]byte, 0, 512)
		b.ReportAllocs()
		for b.Loop() {
			r.memory.Write(65536, args)
			stack[0], stack[1] = 65536, uint64(len(args))
			if err := r.echo.CallWithStack(ctx, stack); err != nil {
				b.Fatal(err)
			}
			out, _ := r.memory.Read(uint32(stack[0]>>32), uint32(stack[0]))
			if dst = append(dst[:0], out...); len(dst) != want {
				b.Fatal(len(dst))
			}
		}
	})
	both(b, func(b *testing.B, h *host.Host) {
		f := handle(b, h, "echo")
		dst := make([]byte, 0, 512)
		b.ReportAllocs()
		for b.Loop() {
			if dst, err = f.ExecBytes(ctx, nil, dst[:0], args); err != nil || len(dst) != want {
				b.Fatal(len(dst), err)
			}
		}
	})
}

// built keeps what the floor builds from being optimised away.
var built map[string]any

func row() map[string]any {
	return map[string]any{
		"id": int64(42), "name": "sensor-17", "temperature": 21.5, "humidity": 0.4,
		"ok": true, "site": "north", "count": int64(100000), "unit": "C",
	}
}

// BenchmarkMap sends a map of 8 fields there and back; the floor is building
// such a map.
func BenchmarkMap(b *testing.B) {
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			built = row()
		}
	})
	both(b, func(b *testing.B, h *host.Host) {
		f := handle(b, h, "echo")
		args := []any{row()}
		if v, err := f.Exec(context.Background(), nil, args); err != nil || !reflect.DeepEqual(v, args[0]) {
			b.Fatal(v, err)
		}
		b.ReportAllocs()
		for b.Loop() {
			v, err := f.Exec(context.Background(), nil, args)
			if m, ok := v.(map[string]any); err != nil || !ok || len(m) != 8 {
				b.Fatal(v, err)
			}
		}
	})
}
