package portable_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// load under which a plugin is killed: callers, a source and a sink.
type traffic struct {
	stop    context.CancelFunc
	wg      sync.WaitGroup
	calls   atomic.Int64
	rows    atomic.Int64
	written int
	late    atomic.Int64 // in nanoseconds, the longest call
	wrong   atomic.Value // of string
}

func (tr *traffic) start(p *plugin, f host.Function, source host.Source, sink host.Sink) {
	ctx, cancel := context.WithCancel(context.Background())
	tr.stop = cancel
	for i := range 3 {
		tr.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				want := fmt.Sprintf("%d-%d", i, n)
				begun := time.Now()
				got, err := f.Exec(context.Background(), nil, []any{want})
				if took := int64(time.Since(begun)); took > tr.late.Load() {
					tr.late.Store(took)
				}
				if err == nil && got != want {
					tr.wrong.Store(fmt.Sprintf("%v for %s", got, want))
				}
				if _, guest := errors.AsType[*host.GuestError](err); err != nil && !guest {
					tr.wrong.Store("an error that is not the plugin's: " + err.Error())
				}
				if err == nil {
					tr.calls.Add(1)
				}
			}
		})
	}
	tr.wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := source.Next(ctx); err == nil {
				tr.rows.Add(1)
			}
		}
	})
	tr.wg.Go(func() {
		for ctx.Err() == nil {
			if err := write(sink, map[string]any{"n": tr.written}); err != nil {
				tr.wrong.Store("write: " + err.Error())
			}
			tr.written++
			time.Sleep(100 * time.Microsecond)
		}
	})
}

// TestKilledUnderLoad: the plugin is killed again and again while it works.
func TestKilledUnderLoad(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		kills := scale("VANTH_KILLS", 8, 40)
		if raceEnabled {
			kills = scale("VANTH_KILLS", 4, 8)
		}
		p := start(t, sdk)
		source := p.open(t, "rows", host.Props{"count": 1 << 30, "every": 1})
		sink := p.openSink(t, host.Props{"file": "out", "ack": "ok", "requireAck": true})
		f := p.function(t, "echo")
		var tr traffic
		tr.start(p, f, source, sink)
		var down []time.Duration
		for range kills {
			until(t, "it works", func() bool { return tr.calls.Load() > 0 && tr.rows.Load() > 0 })
			time.Sleep(2 * time.Millisecond)
			begun := time.Now()
			must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
			until(t, "a call", func() bool {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				v, err := f.Exec(ctx, nil, []any{"after"})
				return err == nil && v == "after"
			})
			down = append(down, time.Since(begun))
			tr.calls.Store(0)
			tr.rows.Store(0)
		}
		until(t, "function and source", func() bool { return tr.calls.Load() > 0 && tr.rows.Load() > 0 })
		tr.stop()
		tr.wg.Wait()
		must(t, flush(sink))
		if why := tr.wrong.Load(); why != nil {
			t.Error(why)
		}
		if late := time.Duration(tr.late.Load()); late > 2500*time.Millisecond {
			t.Errorf("a call took %v", late)
		}
		missing, twice := lost(notes(p.dir, "out"), tr.written)
		if len(missing) > 0 {
			t.Errorf("%d of %d messages are lost, the first is %d", len(missing), tr.written, missing[0])
		}
		if st := p.status(); st.Restarts != kills || st.State != host.StateRunning {
			t.Errorf("status %+v after %d kills", st, kills)
		}
		slices.Sort(down)
		t.Logf("%s: %d kills: recovery p50 %v, p99 %v; %d messages, 0 lost, %d twice", sdk, kills, down[len(down)/2], down[len(down)*99/100], tr.written, twice)
	})
}

// TestExitZero: an end is an end.
func TestExitZero(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		p.want(t, 1.0, "echo", 1.0)
		err := callError(p, "die", 0.0)
		if g := guestError(t, "die", err); g.Fault != host.FaultExit {
			t.Errorf("the call that ended it: %v", err)
		}
		until(t, "a call", func() bool { // one that was sent at that very moment fails
			v, err := p.call("echo", 2.0)
			return err == nil && v == 2.0
		})
		if st := p.status(); st.Restarts != 1 || st.LastExit != "exit status 0" || st.State != host.StateRunning || time.Since(st.LastExitAt) > time.Minute {
			t.Errorf("status %+v", st)
		}
	})
}

// TestCrashLoop: the pauses grow, the status says why, calls fail at once.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	rt := looseRuntime(t)
	var plugins []*plugin
	for _, sdk := range allSDKs {
		r := newRole(sdk)
		r.Name, r.First = sdk, []string{"sick"}
		p := load(t, rt, r)
		note(p.dir, "sick", "")
		must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
		plugins = append(plugins, p)
	}
	for _, p := range plugins {
		t.Run(p.role.SDK, func(t *testing.T) { crashLoop(t, p) })
	}
}

func crashLoop(t *testing.T, p *plugin) {
	within(t, 8*time.Second, "the pauses have grown beyond patience", func() bool { return len(notes(p.dir, "starts")) >= 6 })
	var at []int64
	for _, s := range notes(p.dir, "starts") {
		n, _ := strconv.ParseInt(s, 10, 64)
		at = append(at, n)
	}
	if early, later := at[3]-at[2], at[5]-at[4]; later < early*3/2 {
		t.Errorf("the pauses do not grow: %v then %v", time.Duration(early), time.Duration(later))
	}
	until(t, "the status says why", func() bool { // it is "initializing" for the moment of a start
		st := p.status()
		return st.State == host.StateError && strings.Contains(st.Message, "exit status 7") && strings.Contains(st.Message, "sick of it")
	})
	quick(t, "a call", func() error {
		if err := callError(p, "echo", 1.0); !errors.Is(err, host.ErrUnavailable) {
			return fmt.Errorf("a call in a crash loop: %w", err)
		}
		return nil
	})
	must(t, os.Remove(filepath.Join(p.dir, "sick")))
	quick2s(t, "restart by hand", func() error { return p.Module.(host.Supervised).Restart(t.Context()) })
	p.want(t, "well", "echo", "well")
	if st := p.status(); st.State != host.StateRunning || st.Message != "" {
		t.Errorf("status %+v", st)
	}
}

func quick2s(t *testing.T, what string, do func() error) {
	t.Helper()
	begun := time.Now()
	if err := do(); err != nil || time.Since(begun) > 2*time.Second {
		t.Errorf("%s: %v after %v", what, err, time.Since(begun))
	}
}

// TestRestartByHand: everything that is open goes on in the new process.
func TestRestartByHand(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		source := p.open(t, "rows", host.Props{"count": 1 << 30, "every": 1})
		sink := p.openSink(t, host.Props{"file": "out", "ack": "ok", "requireAck": true})
		before := p.pid(t)
		must(t, p.Module.(host.Supervised).Restart(t.Context()))
		p.want(t, 1.0, "echo", 1.0)
		if st := p.status(); st.Restarts != 0 || p.pid(t) == before || st.LastExit == "" {
			t.Errorf("a restart that was asked for: %+v", st)
		}
		must(t, write(sink, map[string]any{"n": 0}))
		must(t, flush(sink))
		until(t, "rows of the new process", func() bool {
			m, err := next(source)
			return err == nil && len(notes(p.dir, "starts")) == 2 && m.Value != nil
		})
	})
}

// TestLoadFails: at once, with what the plugin printed.
func TestLoadFails(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		rt := newRuntime(t, testOptions(t))
		r := newRole(sdk)
		r.First = []string{"say no such library: libfoo", "exit 3"}
		begun := time.Now()
		_, err := rt.Load(t.Context(), bundle(t, r))
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "exit status 3") ||
			!strings.Contains(err.Error(), "no such library: libfoo") || took > time.Second {
			t.Errorf("a plugin that dies before its handshake: %v after %v", err, took)
		}
		r = newRole(sdk)
		missing := bundle(t, r, func(m *host.Manifest) { m.Functions = append(m.Functions, "absent") })
		m, err := rt.Load(t.Context(), missing)
		if sdk == "python" { // whose answer is a traceback, as to any other fault
			must(t, err)
			absent := &plugin{Module: m}
			if err := callError(absent, "absent"); !errors.Is(err, host.ErrUnavailable) || !strings.Contains(err.Error(), "KeyError: 'absent'") {
				t.Error("a function that is not there: ", err)
			}
			absent.want(t, 1.0, "echo", 1.0)
			must(t, m.Close(t.Context()))
		} else if err == nil || !strings.Contains(err.Error(), "absent") {
			t.Error("a function that is not there: ", err)
		}
		_, err = rt.Load(t.Context(), bundle(t, r, func(m *host.Manifest) { m.Executable = "nothing" }))
		if err == nil || !strings.Contains(err.Error(), "stops with error fork/exec") {
			t.Error("no executable: ", err)
		}
		if left := children(t); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
	})
}

// TestHangingStart: a plugin that says nothing keeps nobody else waiting.
func TestHangingStart(t *testing.T) {
	o := testOptions(t)
	o.InitTimeout = 800 * time.Millisecond
	rt := newRuntime(t, o)
	p := load(t, rt, newRole("go"))
	r := newRole("mute")
	r.Name = "mute"
	r.First = []string{"say loading the model"}
	failed := make(chan error, 1)
	begun := time.Now()
	go func() {
		_, err := rt.Load(context.Background(), bundle(t, r))
		failed <- err
	}()
	until(t, "it runs", func() bool { return len(children(t)) == 2 })
	for range 20 {
		for what, do := range map[string]func(){
			"status": func() { p.status() },
			"call":   func() { p.want(t, 1.0, "echo", 1.0) },
		} {
			begun := time.Now()
			do()
			if took := time.Since(begun); took > 10*time.Millisecond && !raceEnabled {
				t.Errorf("%s took %v", what, took)
			}
		}
	}
	other := newRole("socket")
	other.Name = "other"
	load(t, rt, other).want(t, 2.0, "echo", 2.0)
	if took := time.Since(begun); took > 600*time.Millisecond && !raceEnabled {
		t.Errorf("another plugin was loaded after %v only", took)
	}
	err := <-failed
	if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "control handshake error: receive time out") ||
		!strings.Contains(err.Error(), "loading the model") || took < 700*time.Millisecond || took > 2*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	quick(t, "a load that is given up", func() error {
		if _, err := rt.Load(ctx, bundle(t, r)); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return nil
	})
}

// TestFunctionMended: the connection of a function ends and its process lives.
func TestFunctionMended(t *testing.T) {
	if testing.Short() {
		t.Skip("the pause before it is mended is seconds long")
	}
	t.Parallel()
	rt := looseRuntime(t)
	var plugins []*plugin
	var pids []int
	for _, sdk := range wires() {
		r := newRole(sdk)
		r.Name, r.Functions = sdk, []string{"quit", "echo"}
		p := load(t, rt, r)
		plugins, pids = append(plugins, p), append(pids, p.pid(t))
		if g := guestError(t, "quit", callError(p, "quit")); g.Fault != host.FaultExit {
			t.Errorf("the call in hand: %v", g)
		}
		p.want(t, 1.0, "echo", 1.0) // the others go on
	}
	for i, p := range plugins {
		within(t, 8*time.Second, "it serves again", func() bool { return p.function(t, "quit").Validate(nil) == nil })
		if again := p.pid(t) != pids[i]; again != (p.role.SDK == "go") {
			t.Errorf("%s: restarted %t: Go's SDK does not start a function twice, Python's does", p.role.SDK, again)
		}
	}
}

// TestDescendantsDie: what the plugin started ends with it.
func TestDescendantsDie(t *testing.T) {
	p := startWith(t, "go", "family", "die")
	seconds := fmt.Sprint(1_000_000 + os.Getpid()%100_000)
	p.want(t, true, "family", seconds)
	until(t, "they live", func() bool { return sleepers(t, seconds) == 3 })
	_ = callError(p, "die", 1.0)
	until(t, "they are gone", func() bool { return sleepers(t, seconds) == 0 })
	p.want(t, true, "family", seconds)
	until(t, "they live", func() bool { return sleepers(t, seconds) == 3 })
	must(t, p.Close(t.Context()))
	if n := sleepers(t, seconds); n > 0 {
		t.Errorf("%d descendants live on", n)
	}
}

// sleepers counts the processes that sleep for so many seconds.
func sleepers(t *testing.T, seconds string) (n int) {
	list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range list {
		if b, err := os.ReadFile(path); err == nil && string(b) == "sleep\x00"+seconds+"\x00" {
			n++
		}
	}
	return n
}
