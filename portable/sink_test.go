package portable_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// openSink opens a sink of a plugin, which is closed at the end.
func (p *plugin) openSink(t testing.TB, props host.Props) host.Sink {
	t.Helper()
	s, err := p.Sink("file", &host.Call{Rule: "r1", Op: "file_0"}, props)
	must(t, err)
	must(t, s.Open(t.Context()))
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func write(s host.Sink, v any) error {
	return s.Write(context.Background(), host.Message{Value: v})
}

func TestSinkPayloads(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.openSink(t, host.Props{"file": "out"})
		list := []any{map[string]any{"a": int64(1)}, map[string]any{"a": "x"}}
		for _, v := range []any{
			map[string]any{"a": int64(1)},
			list,
			[]map[string]any{{"b": 2.5}},
			[]byte("raw bytes"), []byte(`{"not": "touched" }`),
			map[string]any{"b": []byte("abc"), "n": nil},
		} {
			must(t, write(s, v))
		}
		want := []string{`{"a":1}`, `[{"a":1},{"a":"x"}]`, `[{"b":2.5}]`, "raw bytes", `{"not": "touched" }`, ""}
		until(t, "all are there", func() bool { return len(notes(p.dir, "out")) == len(want) })
		for i, line := range notes(p.dir, "out") {
			if i == 5 {
				var row map[string]any
				if err := json.Unmarshal([]byte(line), &row); err != nil || row["b"] != "YWJj" || len(row) != 2 {
					t.Errorf("%s, %v", line, err)
				}
			} else if line != want[i] {
				t.Errorf("payload %d: %s, want %s", i, line, want[i])
			}
		}
		if err := write(s, map[string]any{"c": make(chan int)}); !errors.Is(err, host.ErrInvalid) {
			t.Error("a value without a form: ", err)
		}
		must(t, write(s, "goes on"))
	})
}

// flush waits for what was written.
func flush(s host.Sink) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.(host.Flusher).Flush(ctx)
}

func TestSinkAcks(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		for _, ack := range []string{"ok", "always"} {
			s := p.openSink(t, host.Props{"file": ack, "ack": ack, "requireAck": true})
			for i := range 1000 {
				must(t, write(s, map[string]any{"n": i}))
			}
			must(t, flush(s))
			if n := len(notes(p.dir, ack)); n != 1000 {
				t.Errorf("%s: flushed, and %d of 1000 are there", ack, n)
			}
			must(t, s.Close(t.Context()))
		}
		s := p.openSink(t, host.Props{"ack": "disk full", "requireAck": "true"})
		g := guestError(t, "file", errors.Join(write(s, map[string]any{"n": 1}), flush(s)))
		if !strings.Contains(g.Error(), "disk full") || g.Class != "io" {
			t.Errorf("a refused message: %v of class %q", g, g.Class)
		}
		must(t, flush(s)) // it is told once
		if err := write(s, make(chan int)); !errors.Is(err, host.ErrInvalid) {
			t.Error("a value without a form: ", err)
		}
		quick(t, "flush", func() error { return flush(s) })
	})
}

// TestSinkNeverAcks: an SDK that does not acknowledge costs a bounded wait and
// an error that says what to do.
func TestSinkNeverAcks(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.RecvTimeout = 200 * time.Millisecond
		p := load(t, newRuntime(t, o), newRole(sdk))
		s := p.openSink(t, host.Props{"ack": "never", "requireAck": true})
		must(t, write(s, map[string]any{"n": 1}))
		begun := time.Now()
		err := flush(s)
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "requireAck") || took > time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		begun = time.Now()
		var first error
		for range 1000 {
			if first = write(s, map[string]any{"n": 1}); first != nil {
				break
			}
		}
		if took := time.Since(begun); first == nil || took > 2*time.Second {
			t.Errorf("1000 writes that nobody acknowledges: %v after %v", first, took)
		}
		p.want(t, "goes on", "echo", "goes on")
		quick(t, "close", func() error { _ = s.Close(t.Context()); return nil })
		s = p.openSink(t, host.Props{"ack": "garbage", "requireAck": true})
		if err := errors.Join(write(s, map[string]any{"n": 1}), flush(s)); err == nil || !strings.Contains(err.Error(), "garbage") {
			t.Error("an acknowledgement that is none: ", err)
		}
	})
}

// TestSinkAcksUnasked: a plugin that always acknowledges is drained; eKuiper's
// stop themselves when it is not.
func TestSinkAcksUnasked(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.openSink(t, host.Props{"file": "out", "ack": "always"})
		n := scale("VANTH_ROWS", 2_000, 10_000)
		if raceEnabled {
			n /= 5
		}
		begun := time.Now()
		for i := range n {
			if err := write(s, map[string]any{"n": i}); err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
		}
		within(t, 20*time.Second, "all are there", func() bool { return len(notes(p.dir, "out")) == n })
		t.Logf("%d rows in %v", n, time.Since(begun))
	})
}

// lost lists the numbers below n that a file lacks, and counts those that are
// there twice.
func lost(lines []string, n int) (missing []int, twice int) {
	seen := map[int]int{}
	for _, l := range lines {
		var row struct{ N int }
		if json.Unmarshal([]byte(l), &row) == nil {
			seen[row.N]++
		}
	}
	for i := range n {
		if seen[i] == 0 {
			missing = append(missing, i)
		}
		twice += max(seen[i]-1, 0)
	}
	return missing, twice
}

// TestWindow: the plugin is killed again and again; what it did not acknowledge
// is sent to its successor, and nothing is lost.
func TestWindow(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.openSink(t, host.Props{"file": "out", "ack": "ok", "requireAck": true})
		kills, n := 5, 0
		for range kills {
			pid := p.pid(t)
			for range 400 {
				if err := write(s, map[string]any{"n": n}); err != nil {
					t.Fatalf("write %d: %v", n, err)
				}
				if n++; n%400 == 200 {
					must(t, syscall.Kill(pid, syscall.SIGKILL))
				}
			}
			until(t, "its successor serves", func() bool {
				st := p.status()
				return len(st.Processes) == 1 && st.Processes[0].PID != pid
			})
		}
		must(t, flush(s))
		missing, twice := lost(notes(p.dir, "out"), n)
		if len(missing) > 0 {
			t.Errorf("lost: %v", missing)
		}
		t.Logf("%s: %d kills, %d messages, 0 lost, %d twice", sdk, kills, n, twice)
	})
}

// TestLossIsCaught: the check above can fail.
func TestLossIsCaught(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.openSink(t, host.Props{"file": "out", "ack": "ok", "requireAck": true, "drop": 10})
		for i := range 100 {
			must(t, write(s, map[string]any{"n": i}))
		}
		must(t, flush(s))
		if missing, _ := lost(notes(p.dir, "out"), 100); len(missing) != 10 {
			t.Errorf("a sink that drops every tenth has lost %v", missing)
		}
	})
}

// TestSinkPoison: a message that kills whoever takes it does not make the host
// start processes without a pause.
func TestSinkPoison(t *testing.T) {
	each(t, []string{"go", "socket"}, func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.RecvTimeout = 100 * time.Millisecond
		p := load(t, newRuntime(t, o), newRole(sdk))
		s := p.openSink(t, host.Props{"ack": "ok", "requireAck": true, "dieAt": 1})
		_ = write(s, map[string]any{"n": 1})
		time.Sleep(800 * time.Millisecond)
		if n := len(notes(p.dir, "starts")); n > 6 {
			t.Errorf("%d starts in 0.8 s", n)
		}
		quick(t, "status", func() error { _ = p.status(); return nil })
	})
}

// TestSinkDead: while no process takes messages, a write ends with eKuiper's words.
func TestSinkDead(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.SendTimeout = 200 * time.Millisecond
		r := newRole(sdk)
		r.First = []string{"sick"}
		p := load(t, newRuntime(t, o), r)
		s := p.openSink(t, host.Props{"file": "out"})
		note(p.dir, "sick", "")
		must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
		until(t, "it is down", func() bool { return p.status().State == host.StateError })
		begun := time.Now()
		err := write(s, map[string]any{"n": 1})
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "send time out") || took > time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		if g := guestError(t, "file", err); g.Class != "io" {
			t.Errorf("class %q", g.Class)
		}
	})
}

func TestSinkUnopened(t *testing.T) {
	o := testOptions(t)
	o.SendTimeout = 50 * time.Millisecond
	p := load(t, newRuntime(t, o), newRole("go"))
	s, err := p.Sink("file", nil, nil)
	must(t, err)
	if err := write(s, "x"); err == nil {
		t.Error("a sink that is not open takes messages")
	}
	must(t, s.Close(t.Context()))
	if err := write(s, "x"); !errors.Is(err, host.ErrClosed) {
		t.Error("a write after close: ", err)
	}
}
