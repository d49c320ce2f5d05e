package native

import (
	"context"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// BenchmarkExec sets a call beside the plugin's own interface call, which is the
// floor.
func BenchmarkExec(b *testing.B) {
	k := newKit(b, guestOptions{})
	var impl api.Function = execs(func(_ api.FunctionContext, args []any) (any, bool) { return args[0], true })
	fn := k.function(b, impl)
	live, cancel := context.WithCancel(context.Background())
	defer cancel()
	call := &host.Call{Rule: "r", Op: "o"}
	args := []any{"text"}
	b.Run("floor", func(b *testing.B) {
		var fc api.FunctionContext = fn.(*function).context(live, live.Done(), call)
		for b.Loop() {
			if _, ok := impl.Exec(fc, args); !ok {
				b.Fatal()
			}
		}
	})
	for _, c := range []struct {
		name string
		ctx  context.Context
		call *host.Call
		args []any
	}{
		{"outside", context.Background(), nil, args},
		{"outside/cancel", live, nil, args},
		{"rule", live, call, args},
		{"rule/int", live, call, []any{1 << 20}},
		{"rule/map", live, call, []any{map[string]any{"a": int64(1), "b": 2.5, "c": "x"}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := fn.Exec(c.ctx, c.call, c.args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("rule/parallel", func(b *testing.B) {
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := fn.Exec(live, call, args); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("freshContext", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithCancel(context.Background())
			if _, err := fn.Exec(ctx, nil, args); err != nil {
				b.Fatal(err)
			}
			cancel()
		}
	})
}

// BenchmarkState is what a plugin pays for its state.
func BenchmarkState(b *testing.B) {
	k := newKit(b, guestOptions{})
	ctx := k.newContext(context.Background(), host.Symbol{Kind: host.KindFunction, Name: "fn"}, &host.Call{Rule: "r"}, nil)
	ctx.prefix = functionPrefix(1)
	b.Run("IncrCounter", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = ctx.IncrCounter("n", 1)
		}
	})
	for name, v := range map[string]any{"int": 70000, "map": map[string]any{"a": 1.5, "b": "x"}, "gob": []string{"a", "b"}} {
		b.Run("PutState/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = ctx.PutState("k", v)
			}
		})
	}
	b.Run("GetState", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = ctx.GetState("k")
		}
	})
}

// BenchmarkWrite is one message through the goroutine of a sink.
func BenchmarkWrite(b *testing.B) {
	k := newKit(b, guestOptions{})
	s, err := newSink(k.guest, "k", &tupleSink{one: func(api.StreamContext, api.MessageTuple) error { return nil }}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	if err := s.Open(ctx); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close(ctx) }()
	m := host.Message{Value: map[string]any{"a": 1.5}}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(ctx, m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNext is one row from a source that pushes.
func BenchmarkNext(b *testing.B) {
	k := newKit(b, guestOptions{})
	row := map[string]any{"a": 1, "b": "x", "c": 2.5}
	s, err := newSource(k.guest, "s", &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
		for ctx.Err() == nil {
			in(ctx, row, nil, time.Time{})
		}
		return nil
	}}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	if err := s.Open(ctx); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close(ctx) }()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
