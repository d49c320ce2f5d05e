package portable_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// soon is a wait for what the status must say within a second.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.Second
	if raceEnabled { // everything takes its time then, on a machine of two processors that are busy
		limit = 4 * time.Second
	}
	within(t, limit, what, ok)
}

// health is what the status says of a symbol.
func (p *plugin) health(kind host.Kind, name string) host.SymbolStatus {
	for _, s := range p.status().Symbols {
		if s.Symbol == (host.Symbol{Kind: kind, Name: name}) {
			return s
		}
	}
	return host.SymbolStatus{}
}

func TestStatus(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		st := p.status()
		lane := map[string]string{"go": "ekuiper", "python": "ekuiper"}[sdk]
		if lane == "" {
			lane = sdk
		}
		if st.State != host.StateRunning || st.Message != "" || st.Lane != lane || st.Restarts != 0 || st.LastExit != "" || len(st.RefCount) != 0 {
			t.Errorf("at rest: %+v", st)
		}
		if !slices.Contains(children(t), p.pid(t)) {
			t.Errorf("pid %d is not among %v", p.pid(t), children(t))
		}
		if one := st.Processes[0]; one.RSS == 0 || time.Since(one.Started) > time.Minute {
			t.Errorf("process %+v", one)
		}
		if st.Sandbox == "" || len(st.Symbols) != len(p.Symbols()) {
			t.Errorf("%+v", st)
		}
		pid := p.pid(t)
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		soon(t, "the restart", func() bool {
			st := p.status()
			return st.Restarts == 1 && st.LastExit == "signal: killed" && st.State == host.StateRunning && len(st.Processes) == 1 && st.Processes[0].PID != pid
		})
	})
}

// TestRefCount: sources and sinks count for their rule while they are open, over
// restarts of the plugin too.
func TestRefCount(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		count := func(want map[string]int) {
			t.Helper()
			soon(t, "the count", func() bool { return maps.Equal(p.status().RefCount, want) })
		}
		source := p.open(t, "rows", nil)
		count(map[string]int{"r1": 1})
		sink := p.openSink(t, host.Props{"ack": "ok", "requireAck": true})
		count(map[string]int{"r1": 2})
		shared, err := p.Source("rows", &host.Call{Rule: "$$subtopo_s", Op: "subtopo_s"}, nil)
		must(t, err)
		must(t, shared.Open(t.Context()))
		count(map[string]int{"r1": 2, "$$subtopo_s": 1})
		_, _ = p.call("echo", 1.0) // functions never count
		if p.health(host.KindSource, "rows").Open != 2 || p.health(host.KindSink, "file").Delivery != "at least once" {
			t.Errorf("%+v", p.status().Symbols)
		}
		must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
		until(t, "it serves", func() bool { return p.status().Restarts == 1 && len(p.status().Processes) == 1 })
		count(map[string]int{"r1": 2, "$$subtopo_s": 1})
		must(t, source.Close(t.Context()))
		must(t, shared.Close(t.Context()))
		count(map[string]int{"r1": 1})
		must(t, sink.Close(t.Context()))
		must(t, sink.Close(t.Context()))
		count(map[string]int{})
	})
}

func TestDelivery(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		p := start(t, sdk)
		if d := p.health(host.KindSink, "file").Delivery; d != "" {
			t.Errorf("nothing is open: %q", d)
		}
		s := p.openSink(t, nil)
		if d := p.health(host.KindSink, "file").Delivery; d != "at most once" {
			t.Errorf("without requireAck: %q", d)
		}
		must(t, s.Close(t.Context()))
	})
}

// TestSymbolHealth: one function does not start; the others serve, and the
// status names it.
func TestSymbolHealth(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "unwilling", "echo")
		p.want(t, 1.0, "echo", 1.0)
		if h := p.health(host.KindFunction, "unwilling"); h.Err == nil || !strings.Contains(h.Err.Error(), "not today") {
			t.Errorf("%+v", h)
		}
		if h := p.health(host.KindFunction, "echo"); h.Err != nil {
			t.Errorf("%+v", h)
		}
		quick(t, "a call of it", func() error { _ = callError(p, "unwilling"); return nil })
	})
}

// TestRefusedAtRestart: the successor of a process does not take over a source
// and a sink; the status says so, and a write does.
func TestRefusedAtRestart(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.SendTimeout = 100 * time.Millisecond
		p := load(t, newRuntime(t, o), newRole(sdk))
		source := p.open(t, "rows", nil)
		sink := p.openSink(t, nil)
		note(p.dir, "refuse", "")
		must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
		soon(t, "the status", func() bool {
			a, b := p.health(host.KindSource, "rows").Err, p.health(host.KindSink, "file").Err
			return a != nil && b != nil && strings.Contains(a.Error(), "no such topic") && strings.Contains(b.Error(), "no such topic")
		})
		if err := write(sink, "x"); err == nil || !strings.Contains(err.Error(), "no such topic") {
			t.Errorf("a write: %v", err)
		}
		quick(t, "close", func() error { _ = source.Close(t.Context()); return sink.Close(t.Context()) })
		p.want(t, 1.0, "echo", 1.0)
	})
}

// TestOutput: what the plugin prints is kept, and is in the errors of its end.
func TestOutput(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "print", "die")
		p.want(t, true, "print", "low on memory")
		out := p.Module.(host.Printing).Output()
		soon(t, "the line", func() bool { return slices.Contains(out.Tail(10), "low on memory") })
		err := callError(p, "die", 3.0)
		if g := guestError(t, "die", err); !strings.Contains(g.Output, "low on memory") {
			t.Errorf("%v", g)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		go func() {
			for ctx.Err() == nil && callError(p, "print", "once more") != nil { // until the successor is there
			}
		}()
		for line := range out.Follow(ctx, 10) {
			if line == "once more" {
				return
			}
		}
		t.Error("nothing follows")
	})
}
