package builtin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

func TestMemoryTopics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"home/+/sensor", "home/d1/sensor", true},
		{"home/+/sensor", "home/d1/x/sensor", false},
		{"home/+", "home", false},
		{"home/#", "home/d1/sensor", true},
		{"home/#", "home", true},
		{"home/#", "homes/x", false},
		{"#", "a/b/c", true},
		{"+/+/c", "a/b/c", true},
		{"+", "a/b", false},
	} {
		k := newKit(t)
		in := k.source("memory", host.Props{"datasource": c.filter})
		k.write(k.sink("memory", host.Props{"topic": c.topic}), map[string]any{"a": 1})
		if !c.want {
			k.quiet(in, 5*time.Millisecond)
			continue
		}
		if m := k.next(in); m.Meta["topic"] != c.topic {
			t.Errorf("%s, %s: found topic %v", c.filter, c.topic, m.Meta)
		}
	}
}

func TestMemoryRows(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	out := k.sink("memory", host.Props{"topic": "t"})
	k.write(out, map[string]any{"lost": true}) // nobody reads yet
	one, two := k.source("memory", host.Props{"datasource": "t"}), k.source("memory", host.Props{"datasource": "#"})
	row := map[string]any{"a": int64(1)}
	k.write(out, []any{row, map[string]any{"a": int64(2)}})
	k.write(out, []byte("raw"))
	k.write(out, []map[string]any{{"a": int64(3)}})
	fails(t, out.Write(k.soon(), host.Message{Value: []any{1}}), host.ErrInvalid, "row 0")
	for _, in := range []host.Source{one, two} {
		m := k.next(in)
		m.Value.(map[string]any)["a"] = "changed" // each has its own row
		if v := k.next(in).Value.(map[string]any)["a"]; v != int64(2) {
			t.Errorf("found %v", v)
		}
		if s := k.text(in); s != "raw" {
			t.Errorf("found %q", s)
		}
		k.next(in)
	}
	if row["a"] != int64(1) {
		t.Error("a reader changed the writer's row")
	}
}

func TestMemoryBackPressure(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const rows = 200
	slow := k.source("memory", host.Props{"datasource": "t", "bufferLength": 4})
	out := k.sink("memory", host.Props{"topic": "t"})
	ahead := make(chan int, rows)
	go func() {
		for i := range rows {
			if err := out.Write(context.Background(), host.Message{Value: map[string]any{"i": i}}); err != nil {
				t.Error(err)
			}
			ahead <- i
		}
		close(ahead)
	}()
	written := -1
	for i := range rows {
		if v := k.next(slow).Value.(map[string]any)["i"]; v != i {
			t.Fatalf("found row %v, expected %d", v, i)
		}
		time.Sleep(100 * time.Microsecond)
		for len(ahead) > 0 {
			written = <-ahead
		}
		if written > i+6 {
			t.Fatalf("the writer is at %d while the reader is at %d", written, i)
		}
	}
	for range ahead { // the writer is done
	}
	// A reader that takes nothing costs the row, and not in silence; others get it.
	fast := k.source("memory", host.Props{"datasource": "t"})
	stuck := k.sink("memory", host.Props{"topic": "t", "timeout": 20})
	for range 4 {
		k.write(stuck, map[string]any{"a": 1})
	}
	err := stuck.Write(k.soon(), host.Message{Value: []any{map[string]any{"last": 1}, map[string]any{"last": 2}}})
	fails(t, err, host.ErrBusy, "1 of 2 readers took nothing for 20ms")
	for range 5 {
		k.next(fast)
	}
	if v := k.next(fast).Value.(map[string]any)["last"]; v != 2 {
		t.Errorf("found %v", v)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	fails(t, out.Write(ctx, host.Message{Value: map[string]any{}}), context.DeadlineExceeded)
	// A reader that ends frees the writer.
	done := make(chan error, 1)
	go func() { done <- out.Write(context.Background(), host.Message{Value: map[string]any{}}) }()
	time.Sleep(10 * time.Millisecond)
	slow.Close(k.soon())
	prompt(t, "write", func() { err = <-done })
	if err != nil {
		t.Error(err)
	}
}

func TestSimulator(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.source("simulator", host.Props{"data": []map[string]any{{"a": 1}, {"a": 2}}, "interval": 20, "loop": false})
	began := time.Now()
	for want := 1; want <= 2; want++ {
		m := k.next(s)
		if v := m.Value.(map[string]any)["a"]; v != want {
			t.Errorf("found %v, expected %d", v, want)
		}
		m.Value.(map[string]any)["a"] = nil
	}
	if d := time.Since(began); d < 20*time.Millisecond || d > 2*time.Second {
		t.Errorf("two rows took %v", d)
	}
	if _, err := s.Next(k.soon()); !errors.Is(err, io.EOF) {
		t.Errorf("found %v, expected EOF", err)
	}
	s = k.source("simulator", host.Props{"interval": 0})
	for range 5 {
		if v := k.next(s).Value.(map[string]any)["temperature"]; v != 22.5 {
			t.Errorf("found %v", v)
		}
	}
}

func TestLogAndNop(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	out, err := k.Sink("log", &host.Call{Rule: "r1"}, nil)
	if err == nil {
		err = out.Open(k.soon())
	}
	if err != nil {
		t.Fatal(err)
	}
	k.write(out, []any{map[string]any{"a": "<1>"}, map[string]any{"a": 2}})
	k.write(out, []byte("raw\nline"))
	got := k.log.String()
	if n := strings.Count(got, "\n"); n != 3 || !strings.Contains(got, `rule=r1 row="{\"a\":\"<1>\"}"`) || !strings.Contains(got, `raw\nline`) {
		t.Errorf("found %d lines:\n%s", n, got)
	}
	nop := k.sink("nop", host.Props{"log": true})
	for i := range 3 {
		k.write(nop, []any{map[string]any{"i": i}, map[string]any{"i": -i}})
	}
	if n := nop.(interface{ Rows() uint64 }).Rows(); n != 6 || !strings.Contains(k.log.String(), `{\"i\":-2}`) {
		t.Errorf("found %d rows:\n%s", n, k.log)
	}
}

func BenchmarkMemory(b *testing.B) {
	for _, readers := range []int{1, 4} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			m := builtin.New(builtin.Options{Home: b.TempDir()})
			var ins []host.Source
			for range readers {
				s, _ := m.Source("memory", nil, host.Props{"datasource": "a/+"})
				if err := s.Open(b.Context()); err != nil {
					b.Fatal(err)
				}
				ins = append(ins, s)
			}
			out, _ := m.Sink("memory", nil, host.Props{"topic": "a/b"})
			if err := out.Open(b.Context()); err != nil {
				b.Fatal(err)
			}
			done := make(chan struct{}, readers)
			row := host.Message{Value: map[string]any{"temperature": 22.5, "humidity": int64(50), "name": "a"}}
			b.ReportAllocs()
			b.ResetTimer()
			for _, in := range ins {
				go func() {
					for range b.N {
						if _, err := in.Next(context.Background()); err != nil {
							b.Error(err)
						}
					}
					done <- struct{}{}
				}()
			}
			for range b.N {
				if err := out.Write(context.Background(), row); err != nil {
					b.Fatal(err)
				}
			}
			for range ins {
				<-done
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.StopTimer()
			_ = m.Close(context.Background())
		})
	}
}

// TestMemoryAllocs holds what one row costs: the copy that its reader gets.
func TestMemoryAllocs(t *testing.T) {
	k := newKit(t)
	in, out := k.source("memory", host.Props{"datasource": "a/+"}), k.sink("memory", host.Props{"topic": "a/b"})
	ctx, row := k.soon(), host.Message{Value: map[string]any{"temperature": 22.5}}
	n := testing.AllocsPerRun(200, func() {
		if err := out.Write(ctx, row); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Next(ctx); err != nil {
			t.Fatal(err)
		}
	})
	if n > 2 {
		t.Errorf("found %v allocations a row, expected 2", n)
	}
}
