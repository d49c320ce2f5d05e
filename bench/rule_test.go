package bench

import (
	"context"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/host/rule"
	"github.com/vanth-io/vanth/wasm"
)

// BenchmarkRule carries rows from a memory source through a WebAssembly function
// of two numbers into a sink that does nothing (ns a row): rows one by one, in
// messages of 100, and without the function.
func BenchmarkRule(b *testing.B) {
	ctx := context.Background()
	guests, err := wasm.New(ctx, wasm.Options{Trusted: []string{"guest"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { guests.Close(ctx) })
	own := builtin.New(builtin.Options{Home: b.TempDir()})
	b.Cleanup(func() { own.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: b.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{guests}, Builtin: own})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close(ctx) })
	installGuest(b, h)
	rules, err := rule.Open(ctx, rule.Options{Host: h, Store: rule.NewMemory(nil)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rules.Close(ctx) })
	if _, err := rules.CreateStream(`CREATE STREAM s () WITH (TYPE="memory", DATASOURCE="t")`); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, sql string
		batch     int
	}{
		{"rows", "SELECT add(a, b) AS c FROM s", 1},
		{"batches100", "SELECT add(a, b) AS c FROM s", 100},
		{"nofunction", "SELECT a, b FROM s WHERE a >= 0", 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			if _, err := rules.Create([]byte(`{"id":"r","sql":"` + c.sql + `","actions":[{"nop":{}}]}`)); err != nil {
				b.Fatal(err)
			}
			defer rules.Delete("r")
			taken := func() int64 {
				s, err := rules.Status("r")
				if err != nil {
					b.Fatal(err)
				}
				for _, n := range s.Nodes {
					if n.Faults > 0 {
						b.Fatal(n.Key(), n.Fault)
					}
					if n.Kind == "sink" {
						return n.Emitted
					}
				}
				return 0
			}
			sink, err := own.Sink("memory", nil, host.Props{"topic": "t"})
			if err != nil {
				b.Fatal(err)
			}
			if err := sink.Open(ctx); err != nil {
				b.Fatal(err)
			}
			defer sink.Close(ctx)
			for {
				if s, _ := rules.Status("r"); s.State == rule.Running {
					break
				}
				time.Sleep(time.Millisecond)
			}
			row := map[string]any{"a": int64(40), "b": int64(2)}
			var message any = row
			if c.batch > 1 {
				list := make([]map[string]any, c.batch)
				for i := range list {
					list[i] = row
				}
				message = list
			}
			b.ReportAllocs()
			b.ResetTimer()
			sent := int64(0)
			for n := 0; n < b.N; n += c.batch {
				if err := sink.Write(ctx, host.Message{Value: message}); err != nil {
					b.Fatal(err)
				}
				sent += int64(c.batch)
			}
			for taken() < sent {
				time.Sleep(50 * time.Microsecond)
			}
		})
	}
}
