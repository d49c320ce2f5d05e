package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// TestTicker: the sample source, read to its end by two readers, the second of
// which goes on where the first stopped.
func TestTicker(t *testing.T) {
	m, _ := sample(t, newRuntime(t, Options{StartTimeout: time.Minute, CallTimeout: time.Minute}), "ticker", &hosttest.MemStore{})
	open := func() host.Source {
		s, err := m.Source("ticker", nil, host.Props{"interval": 0, "count": 2500, "fields": map[string]any{"site": "a"}})
		if err == nil {
			err = s.Open(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	for n := int64(1); n <= 2500; n++ {
		if n == 1500 {
			offset, err := s.(host.Rewinder).Offset()
			if err != nil || offset != int64(1499) {
				t.Fatal(offset, err)
			}
			closes(t, "", s.Close)
			s = open()
			if err := s.(host.Rewinder).Rewind(offset); err != nil {
				t.Fatal(err)
			}
		}
		msg, err := s.Next(context.Background())
		if err != nil {
			t.Fatal(n, err)
		}
		row := msg.Value.(map[string]any)
		if at, ok := row["time"].(time.Time); row["n"] != n || row["site"] != "a" || !ok || time.Since(at) > time.Minute {
			t.Fatalf("row %d: %v", n, row)
		}
	}
	if _, err := s.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	closes(t, "", s.Close)
	bad, err := m.Source("ticker", nil, host.Props{"interval": "soon"})
	if err != nil {
		t.Fatal(err)
	}
	g, ok := errors.AsType[*host.GuestError](bad.Open(context.Background()))
	if !ok || g.Class != "usage" || g.Symbol != "ticker" {
		t.Error(g)
	}
}

// TestAlert: the sample sink posts batches, holds what nobody takes, and loses
// nothing when its plugin is removed.
func TestAlert(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	fails := 1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if fails > 0 {
			fails--
			w.WriteHeader(503)
			return
		}
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
	}))
	defer server.Close()
	o := Options{
		StartTimeout: time.Minute, CallTimeout: time.Minute,
		Grants: []string{capState, capHTTP}, HTTP: HTTP{Allow: []string{server.Listener.Addr().String()}},
	}
	m, _ := sample(t, newRuntime(t, o), "alert", &hosttest.MemStore{})
	for i := range 20 {
		exec1(t, m, "anomaly", "k", float64(i%3), 0.2)
	}
	if v := exec1(t, m, "anomaly", "k", 100.0, 0.2).(float64); v < 10 {
		t.Errorf("an outlier scores %v", v)
	}
	s := openSink(t, m, "webhook", nil, host.Props{"url": server.URL, "batch": 2})
	for n := range 5 {
		if err := s.Write(context.Background(), host.Message{Value: map[string]any{"n": int64(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(bodies); got != `[[{"n":0},{"n":1}] [{"n":2},{"n":3}] [{"n":4}]]` {
		t.Error(got)
	}
	if err := s.Write(context.Background(), host.Message{Value: map[string]any{}}); !errors.Is(err, host.ErrClosed) {
		t.Error(err)
	}
}

// BenchmarkSource reads a ticker that emits as fast as it can.
func BenchmarkSource(b *testing.B) {
	ticker := goGuest(b, "./wasm/ticker")
	rows := func(perPoll int) func(*testing.B) host.Bundle {
		return func(b *testing.B) host.Bundle {
			return watBundle(b, fmt.Sprintf(nodeHeader+`
			  (func (export "so_ticker_poll") (param $h i32) (param i64) (result i64)
			    (local $i i32) (local.set $i (i32.const %d))
			    (loop $l
			      (if (i32.eqz (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
			        (then (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))
			    (i64.const 0)))`, perPoll), host.Manifest{Sources: []string{"ticker"}, Requires: []string{"state"}})
		}
	}
	inGo := func(b *testing.B) host.Bundle {
		return bundle(b, "m", ticker, host.Manifest{Sources: []string{"ticker"}})
	}
	for _, c := range []struct {
		name    string
		made    func(*testing.B) host.Bundle
		trusted []string
	}{
		{"wat/1 a poll", rows(1), nil},
		{"wat/1024 a poll", rows(1024), nil},
		{"go", inGo, nil},
		{"go/trusted", inGo, []string{"m"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := load(b, newRuntime(b, Options{Trusted: c.trusted}), c.made(b))
			s, err := m.Source("ticker", nil, host.Props{"interval": 0})
			if err == nil {
				err = s.Open(context.Background())
			}
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close(context.Background())
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSink writes a row of three columns to a sink that does nothing.
func BenchmarkSink(b *testing.B) {
	text := nodeHeader + `(func (export "si_nop_collect") (param i32 i32 i32) (result i64) (i64.const 0)))`
	for _, trusted := range []bool{false, true} {
		for _, cancellable := range []bool{false, true} {
			b.Run(fmt.Sprintf("trusted=%t/cancellable=%t", trusted, cancellable), func(b *testing.B) {
				o := Options{}
				if trusted {
					o.Trusted = []string{"m"}
				}
				m := load(b, newRuntime(b, o), watBundle(b, text, host.Manifest{Sinks: []string{"nop"}, Requires: []string{"state"}}))
				s, err := m.Sink("nop", nil, nil)
				if err == nil {
					err = s.Open(context.Background())
				}
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close(context.Background())
				ctx := context.Background()
				if cancellable {
					var cancel context.CancelFunc
					ctx, cancel = context.WithCancel(ctx)
					defer cancel()
				}
				msg := host.Message{Value: map[string]any{"n": int64(1), "value": 20.5, "site": "a"}}
				b.ReportAllocs()
				for b.Loop() {
					if err := s.Write(ctx, msg); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestNodeAllocations holds the ceilings of sources and sinks of a trusted
// plugin: what a row is made of, and nothing else.
func TestNodeAllocations(t *testing.T) {
	compiled(t)
	m := load(t, newRuntime(t, Options{}), watBundle(t, nodeHeader+`
	  (func (export "si_s_collect") (param i32 i32 i32) (result i64) (i64.const 0))
	  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
	    (loop $l (br_if $l (i32.eqz (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))))
	    (i64.const 0)))`, host.Manifest{Sources: []string{"s"}, Sinks: []string{"s"}, Requires: []string{"state"}}))
	s, k := openSource(t, m, "s", nil), openSink(t, m, "s", nil, nil)
	ctx := context.Background()
	msg := host.Message{Value: map[string]any{"n": int64(1), "value": 20.5}}
	if n := testing.AllocsPerRun(1000, func() { _ = k.Write(ctx, msg) }); n > 0 {
		t.Errorf("a row into a sink: %v allocations", n)
	}
	// A map of one key is two; a poll of 1024 rows costs a few more.
	if n := testing.AllocsPerRun(5000, func() { _, _ = s.Next(ctx) }); n > 3 {
		t.Errorf("a row out of a source: %v allocations", n)
	}
}
