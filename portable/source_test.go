package portable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// open opens a source of a plugin, which is closed at the end.
func (p *plugin) open(t testing.TB, name string, props host.Props) host.Source {
	t.Helper()
	s, err := p.Source(name, &host.Call{Rule: "r1", Op: "demo"}, props)
	must(t, err)
	must(t, s.Open(t.Context()))
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// next takes the next message, two seconds at most.
func next(s host.Source) (host.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return s.Next(ctx)
}

func TestSource(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.open(t, "rows", host.Props{"count": 3, "datasource": "topic", "wants": "topic"})
		for i := range 3 {
			m, err := next(s)
			must(t, err)
			row, _ := m.Value.(map[string]any)
			if num(row["n"]) != float64(i) || m.Meta["topic"] != "t" || time.Since(m.Time) > time.Minute {
				t.Errorf("message %d: %+v", i, m)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("an idle source: ", err)
		}
	})
}

// TestSourceFrames: what sources send on eKuiper's wire.
func TestSourceFrames(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		p := start(t, sdk)
		cases := []struct{ raw, fails string }{
			{`{"message":{"a":1},"meta":null}`, ""},
			{`{"message":{"a":1}}`, ""},
			{`{"error":"boom"}`, "boom"},
			{`"{\"error\":\"boom\"}"`, "boom"},
			{`{"message":[1],"meta":{}}`, "Invalid data format, cannot decode"},
			{`{"message":3}`, "Invalid data format"},
			{`{"message":null}`, "Invalid data format"},
			{`{}`, "Invalid data format"},
			{`garbage`, "Invalid data format, cannot decode garbage to json format with error"},
			{``, "Invalid data format"},
			{`"`, "Invalid data format"},
			{`{"message":{"a":1},"meta":{"traceId":"x"},"error":"ignored"}`, ""},
		}
		var raw []any
		for _, c := range cases {
			raw = append(raw, c.raw)
		}
		s := p.open(t, "rows", host.Props{"raw": raw, "errors": []any{"handshake lost"}, "count": 1})
		for _, c := range cases {
			m, err := next(s)
			if c.fails == "" {
				if err != nil || m.Meta == nil || fmt.Sprint(m.Value) != "map[a:1]" {
					t.Errorf("%s: %+v, %v", c.raw, m, err)
				}
				continue
			}
			if g := guestError(t, "rows", err); g.Fault != host.FaultReturned || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %s", c.raw, err, c.fails)
			}
		}
		if _, err := next(s); err == nil || !strings.Contains(err.Error(), "handshake lost") {
			t.Error("the SDK's own form of an error: ", err)
		}
		if _, err := next(s); err != nil {
			t.Error("the source does not go on: ", err)
		}
	})
}

// TestSlowReader: the plugin waits for the host, and nothing piles up.
func TestSlowReader(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		n := scale("VANTH_ROWS", 5_000, 100_000)
		if raceEnabled {
			n /= 10
		}
		s := p.open(t, "rows", host.Props{"count": n, "pad": 256, "progress": true})
		if _, err := next(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // nobody reads
		sent := notes(p.dir, "sent")
		ahead, _ := strconv.Atoi(sent[len(sent)-1])
		if ahead > 4_000 { // inbox, buffers of both sockets, queue of the SDK
			t.Errorf("the plugin is %d rows ahead of a host that does not read", ahead)
		}
		before := heap()
		for i := 1; i < n; i++ {
			m, err := next(s)
			if err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			if row := m.Value.(map[string]any); num(row["n"]) != float64(i) {
				t.Fatalf("row %d is %v", i, row["n"])
			}
			if i%(n/10) == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		if grown := int64(heap()) - int64(before); grown > 16<<20 {
			t.Errorf("the heap has grown by %d MiB", grown>>20)
		}
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestSourceRefused(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		r := newRole(sdk)
		r.Sources, r.Sinks = []string{"unwilling"}, []string{"unwilling"}
		p := load(t, newRuntime(t, testOptions(t)), r)
		s, err := p.Source("unwilling", nil, nil)
		must(t, err)
		k, err := p.Sink("unwilling", nil, nil)
		must(t, err)
		for _, err := range []error{s.Open(t.Context()), k.Open(t.Context())} {
			if g := guestError(t, "unwilling", err); !strings.Contains(g.Error(), "have no such topic") {
				t.Error(err)
			}
		}
		must(t, s.Close(t.Context()))
		must(t, k.Close(t.Context()))
		p.want(t, "goes on", "echo", "goes on")
		if n := len(p.status().RefCount); n != 0 {
			t.Errorf("%d are counted", n)
		}
	})
}

// TestSourceCloseAtOnce: also when the plugin is idle, stopped, or dead.
func TestSourceCloseAtOnce(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.open(t, "rows", nil)
		quick(t, "idle", func() error { return s.Close(t.Context()) })
		if _, err := next(s); !errors.Is(err, host.ErrClosed) {
			t.Error("next after close: ", err)
		}
		s = p.open(t, "rows", host.Props{"count": 100_000}) // it has more than anybody wants
		quick(t, "busy", func() error { return s.Close(t.Context()) })
		s = p.open(t, "rows", nil)
		must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
		quick(t, "dead", func() error { return s.Close(t.Context()) })
		until(t, "it serves", func() bool { return callError(p, "echo", 1.0) == nil })
	})
}

// quick runs what must not wait for a time-out.
func quick(t *testing.T, what string, do func() error) {
	t.Helper()
	begun := time.Now()
	if err := do(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if took := time.Since(begun); took > 1500*time.Millisecond { // the time-outs are longer
		t.Errorf("%s took %v", what, took)
	}
}

func TestSourceEnds(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.open(t, "rows", host.Props{"count": 600, "end": ""})
		for i := range 600 {
			if _, err := next(s); err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
		}
		if _, err := next(s); !errors.Is(err, io.EOF) {
			t.Error("the end: ", err)
		}
		must(t, s.Close(t.Context()))
		s = p.open(t, "rows", host.Props{"errors": []any{"first"}, "end": "broken pipe"})
		if _, err := next(s); err == nil || !strings.Contains(err.Error(), "first") {
			t.Error("a failure: ", err)
		}
		if _, err := next(s); err == nil || !strings.Contains(err.Error(), "broken pipe") {
			t.Error("an end with an error: ", err)
		}
	})
}

func TestSourceTwice(t *testing.T) {
	p := start(t, "go")
	p.open(t, "rows", nil)
	again, err := p.Source("rows", &host.Call{Rule: "r1", Op: "demo"}, nil)
	must(t, err)
	if err := again.Open(t.Context()); !errors.Is(err, host.ErrInUse) {
		t.Error("the same rule and operator twice: ", err)
	}
	if _, err := p.Source("rows", &host.Call{Rule: "a/../b"}, nil); !errors.Is(err, host.ErrInvalid) {
		t.Error("a rule that names another folder: ", err)
	}
}

// TestSourceGoesOn: the process ends, which the source tells after what was sent
// before; then it goes on in the next one.
func TestSourceGoesOn(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.open(t, "rows", host.Props{"count": 300, "dieAfter": 200})
		time.Sleep(60 * time.Millisecond) // nobody reads while it ends
		for round := range 2 {
			for i := range 200 {
				m, err := next(s)
				if err != nil {
					t.Fatalf("round %d, row %d: %v", round, i, err)
				}
				if row := m.Value.(map[string]any); num(row["n"]) != float64(i) {
					t.Fatalf("round %d, row %d is %v", round, i, row["n"])
				}
			}
			_, err := next(s)
			if g := guestError(t, "rows", err); g.Fault != host.FaultExit {
				t.Errorf("the end of the process: %v", err)
			}
		}
	})
}

// TestUnreadSource: a source that nobody reads holds up nobody else, over a
// restart too.
func TestUnreadSource(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		p.open(t, "rows", host.Props{"count": 100_000, "errors": []any{"one"}})
		for range 3 {
			time.Sleep(50 * time.Millisecond) // it sends what it may
			for i := range 5 {
				p.want(t, float64(i), "echo", float64(i))
			}
			must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
			until(t, "its successor", func() bool { return callError(p, "echo", 1.0) == nil && len(p.status().Processes) == 1 })
		}
	})
}
