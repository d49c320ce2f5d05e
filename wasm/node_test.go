package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// badNode is a module of testdata/sources or testdata/sinks, whose one symbol
// is s.
func badNode(t *testing.T, rt *Runtime, file string) (*module, map[string]string) {
	t.Helper()
	code, d := assemble(t, file)
	m := host.Manifest{Version: "v9", Limits: host.Limits{MemoryMiB: 8}}
	if strings.Contains(file, "sources") {
		m.Sources = []string{"s"}
	} else {
		m.Sinks = []string{"s"}
	}
	if ms := d["callMs"]; ms != "" {
		fmt.Sscan(ms, &m.Limits.CallMs)
	}
	return load(t, rt, bundle(t, "m", code, m)), d
}

// happened says what came of a call, in the words of the directives.
func happened(v any, err error) string {
	g, isGuest := errors.AsType[*host.GuestError](err)
	switch {
	case errors.Is(err, io.EOF):
		return "EOF"
	case isGuest:
		return fmt.Sprintf("%s %s %s %s", g.Fault, g.Symbol, g.Version, err)
	case errors.Is(err, context.DeadlineExceeded):
		return "late"
	case err != nil:
		return err.Error()
	case v == nil:
		return "ok"
	}
	return fmt.Sprint(v)
}

// wants compares what happened with a directive: the fault, and words of the
// error, or the whole.
func wants(t *testing.T, want, got string) {
	t.Helper()
	for _, f := range []host.Fault{host.FaultReturned, host.FaultTrap, host.FaultExit, host.FaultMemory, host.FaultResult, host.FaultDeadline} {
		if text, ok := strings.CutPrefix(want, string(f)+" "); ok {
			if !strings.HasPrefix(got, string(f)+" s v9 wasm/m v9: s: ") || !strings.Contains(got, text) {
				t.Errorf("%q, want %q", got, want)
			}
			return
		}
	}
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestBadSources: each way a source can misbehave is one message's error, of the
// right kind, and the source goes on, or ends, as its directives say.
func TestBadSources(t *testing.T) {
	files, err := filepath.Glob("testdata/sources/*.wat")
	if err != nil || len(files) < 25 {
		t.Fatal(files, err)
	}
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine, CallTimeout: 20 * time.Second})
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".wat"), func(t *testing.T) {
				m, d := badNode(t, rt, file)
				s, err := m.Source("s", nil, host.Props{"datasource": "x"})
				if err != nil {
					t.Fatal(err)
				}
				if want := d["open"]; want != "" {
					wants(t, want, happened(nil, s.Open(context.Background())))
					wants(t, want, happened(nil, s.Open(context.Background())))
					closes(t, "", s.Close)
					return
				}
				if err := s.Open(context.Background()); err != nil {
					t.Fatal(err)
				}
				for _, want := range strings.Split(d["next"], "; ") {
					times := 1
					if n, rest, ok := strings.Cut(want, " x "); ok {
						times, _ = strconv.Atoi(n)
						want = rest
					}
					for range times {
						limit := 10 * time.Second
						if want == "late" {
							limit = 20 * time.Millisecond
						}
						ctx, cancel := context.WithTimeout(context.Background(), limit)
						msg, err := s.Next(ctx)
						cancel()
						wants(t, want, happened(msg.Value, err))
					}
				}
				closes(t, d["close"], s.Close)
				nothingHeld(t, m)
			})
		}
	})
}

// closes closes twice.
func closes(t *testing.T, want string, close_ func(context.Context) error) {
	t.Helper()
	err := close_(context.Background())
	if want == "" && err != nil {
		t.Errorf("close: %v", err)
	} else if want != "" {
		wants(t, want, happened(nil, err))
	}
	if err := close_(context.Background()); err != nil {
		t.Errorf("close again: %v", err)
	}
}

// nothingHeld: what was open gave its instance back.
func nothingHeld(t *testing.T, m *module) {
	t.Helper()
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if m.pool.pinned != 0 || m.pool.live != 0 || len(m.nodes) != 0 {
		t.Errorf("%d instances are reserved, %d alive, %d symbols open", m.pool.pinned, m.pool.live, len(m.nodes))
	}
}

// TestBadSinks: each way a sink can misbehave is one message's error.
func TestBadSinks(t *testing.T) {
	files, err := filepath.Glob("testdata/sinks/*.wat")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine, CallTimeout: 20 * time.Second})
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".wat"), func(t *testing.T) {
				m, d := badNode(t, rt, file)
				s, err := m.Sink("s", nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				err = s.Open(context.Background())
				if want := d["open"]; want != "" {
					wants(t, want, happened(nil, err))
				} else if err != nil {
					t.Fatal(err)
				}
				if d["write"] != "" {
					for _, want := range strings.Split(d["write"], "; ") {
						err := s.Write(context.Background(), host.Message{Value: map[string]any{"n": 1}})
						wants(t, want, happened(nil, err))
						if g, ok := errors.AsType[*host.GuestError](err); ok && g.Class != d["class"] {
							t.Errorf("class %q, want %q", g.Class, d["class"])
						}
					}
				}
				closes(t, d["close"], s.Close)
				nothingHeld(t, m)
			})
		}
	})
}

const nodeHeader = `(module (import "vanth" "emit" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
  (import "vanth" "counter_incr" (func $incr (param i32 i32 i64) (result i64)))
  (import "vanth" "counter_get" (func $count (param i32 i32) (result i64)))
  (memory (export "memory") 2) (data (i32.const 16) "\81\a1n\01")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 65536)) `

func openSource(t *testing.T, m host.Module, name string, c *host.Call) host.Source {
	t.Helper()
	s, err := m.Source(name, c, nil)
	if err == nil {
		err = s.Open(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func openSink(t *testing.T, m host.Module, name string, c *host.Call, p host.Props) host.Sink {
	t.Helper()
	s, err := m.Sink(name, c, p)
	if err == nil {
		err = s.Open(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// TestPollsAreScheduled: the host waits as long as the guest asks, from the
// beginning of the poll; a guest is not polled while there is something to
// read; what it emitted keeps its time and meta.
func TestPollsAreScheduled(t *testing.T) {
	m := load(t, newRuntime(t, Options{}), watBundle(t, nodeHeader+`
	  (data (i32.const 32) "\81\a1m\07")
	  (func (export "so_s_poll") (param $h i32) (param $now i64) (result i64)
	    (drop (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 4) (local.get $now)))
	    (drop (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
	    (i64.const 60)))`, host.Manifest{Sources: []string{"s"}, Requires: []string{"state"}}))
	s := openSource(t, m, "s", nil)
	began := time.Now()
	for i := range 6 {
		msg, err := s.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if even := i%2 == 0; even != (fmt.Sprint(msg.Meta) == "map[m:7]") || even == msg.Time.IsZero() || even && time.Since(msg.Time) > time.Second {
			t.Errorf("message %d: %v", i, msg)
		}
	}
	if took := time.Since(began); took < 115*time.Millisecond || took > 2*time.Second {
		t.Errorf("three polls took %v", took)
	}
}

// TestIdlePollsAreSlow: a source that has nothing and wants to be polled at once
// does not keep a core busy.
func TestIdlePollsAreSlow(t *testing.T) {
	b := watBundle(t, nodeHeader+`
	  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
	    (drop (call $incr (i32.const 17) (i32.const 2) (i64.const 1))) (i64.const 0)))`,
		host.Manifest{Sources: []string{"s"}, Requires: []string{"state"}})
	s := openSource(t, load(t, newRuntime(t, Options{}), b), "s", nil)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if n := b.State.Counter("", "\xa1n"); n < 2 || n > 60 {
		t.Errorf("%d polls in 50 ms", n)
	}
}

// TestReaderThatGivesUp: a context that ends during a poll ends Next at once and
// not the poll; what it emits is there later.
func TestReaderThatGivesUp(t *testing.T) {
	m := load(t, newRuntime(t, Options{CallTimeout: 20 * time.Second}), watBundle(t, nodeHeader+`
	  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
	    (local $i i64) (local.set $i (i64.const 60000000))
	    (loop $l (br_if $l (i64.ne (i64.const 0) (local.tee $i (i64.sub (local.get $i) (i64.const 1))))))
	    (drop (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
	    (i64.const -1)))`, host.Manifest{Sources: []string{"s"}, Requires: []string{"state"}}))
	s := openSource(t, m, "s", nil)
	late := 0
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		msg, err := s.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			late++
			continue
		}
		if err != nil || fmt.Sprint(msg.Value) != "map[n:1]" {
			t.Fatal(msg, err)
		}
		break
	}
	if late < 2 {
		t.Errorf("it gave up %d times only", late)
	}
	if _, err := s.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestCloseDuringAPoll waits for it while its context lasts, then forces it.
func TestCloseDuringAPoll(t *testing.T) {
	rt := newRuntime(t, Options{CallTimeout: 20 * time.Second})
	for _, whole := range []bool{false, true} {
		m := load(t, rt, watBundle(t, nodeHeader+`
		  (func (export "so_s_poll") (param $h i32) (param i64) (result i64) (loop $l (br $l)) (i64.const 0)))`,
			host.Manifest{Sources: []string{"s"}, Requires: []string{"state"}}))
		s := openSource(t, m, "s", nil)
		ended := make(chan error, 1)
		go func() {
			_, err := s.Next(context.Background())
			ended <- err
		}()
		time.Sleep(30 * time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		close_ := s.Close
		if whole {
			close_ = m.Close
		}
		if err := close_(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 45*time.Millisecond || took > 900*time.Millisecond {
			t.Errorf("close took %v", took)
		}
		if err := <-ended; !errors.Is(err, host.ErrInterrupted) {
			t.Errorf("who read: %v", err)
		}
		if _, err := s.Next(context.Background()); !errors.Is(err, host.ErrClosed) {
			t.Errorf("after it: %v", err)
		}
	}
}

// TestInstancesAreCounted: open symbols have instances of the plugin's limit,
// idle ones of functions make room, and one is left to functions.
func TestInstancesAreCounted(t *testing.T) {
	text := nodeHeader + `
	  (func (export "fn_f") (result i32) (i32.const 7))
	  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
	    (drop (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0))) (i64.const 0)))`
	rt := newRuntime(t, Options{PoolMax: 3, PoolMin: 3, PoolWait: 50 * time.Millisecond})
	m := load(t, rt, watBundle(t, text, host.Manifest{Functions: []string{"f"}, Sources: []string{"s"}, Requires: []string{"state"}}))
	one, two := openSource(t, m, "s", nil), openSource(t, m, "s", nil)
	third, err := m.Source("s", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Open(context.Background()); !errors.Is(err, host.ErrBusy) || !strings.Contains(err.Error(), "one is kept for functions") {
		t.Errorf("a third: %v", err)
	}
	if m.pool.live != 3 {
		t.Errorf("%d instances are alive", m.pool.live)
	}
	for _, s := range []host.Source{one, two} {
		if _, err := s.Next(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if v := exec1(t, m, "f"); v != int64(7) {
		t.Error(v)
	}
	if err := one.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := third.Open(context.Background()); err != nil {
		t.Errorf("a third, after one was closed: %v", err)
	}
	closes(t, "", third.Close)
}

// TestScopesOfNodes: state is that of the rule and operator, and the props are
// what the guest gets.
func TestScopesOfNodes(t *testing.T) {
	b := watBundle(t, nodeHeader+`
	  (func (export "si_s_open") (param i32 i32 i32) (result i64)
	    (drop (call $incr (i32.const 17) (i32.const 2) (i64.extend_i32_u (local.get 2)))) (i64.const 0))
	  (func (export "si_s_collect") (param i32 i32 i32) (result i64)
	    (drop (call $incr (i32.const 17) (i32.const 2) (i64.const 1000))) (i64.const 0)))`,
		host.Manifest{Sinks: []string{"s"}, Requires: []string{"state"}})
	m := load(t, newRuntime(t, Options{}), b)
	one := openSink(t, m, "s", &host.Call{Rule: "r1", Op: "o"}, nil)
	openSink(t, m, "s", &host.Call{Rule: "r2", Op: "o"}, host.Props{"datasource": "1234", "x": 1.5})
	for range 3 {
		if err := one.Write(context.Background(), host.Message{Value: map[string]any{"a": 1}}); err != nil {
			t.Fatal(err)
		}
	}
	// {"props": {}, "datasource": ""} is 20 bytes.
	if n := b.State.Counter("r1\x00o", "\xa1n"); n != 3020 {
		t.Errorf("r1: %d", n)
	}
	if n := b.State.Counter("r2\x00o", "\xa1n"); n != 20+4+11+5+2+9 {
		t.Errorf("r2: %d", n)
	}
	if _, err := m.Sink("s", nil, host.Props{"x": struct{}{}}); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), ".props.x") {
		t.Errorf("a property that has no form: %v", err)
	}
}

// TestSinkLanes: what a sink does not export is done with what it does.
func TestSinkLanes(t *testing.T) {
	lane := func(name, counts string) string {
		return fmt.Sprintf(`(func (export "si_s_%s") (param i32 i32 i32) (result i64)
		  (drop (call $incr (i32.const 17) (i32.const 2) (i64.const %s))) (i64.const 0))`, name, counts)
	}
	row, rows, payload := map[string]any{"a": 1}, []any{map[string]any{}, map[string]any{}, map[string]any{}}, []byte("abc")
	for _, c := range []struct {
		exports string
		value   any
		want    int64 // 0: refused
	}{
		{lane("collect", "1"), row, 1},
		{lane("collect", "1"), rows, 3},
		{lane("collect", "1"), payload, 0},
		{lane("list", "10"), row, 10},
		{lane("list", "10"), rows, 10},
		{lane("bytes", "100"), payload, 100},
		{lane("bytes", "100"), row, 0},
		{lane("bytes", "100"), rows, 0},
		{lane("collect", "1") + lane("list", "10"), row, 1},
		{lane("collect", "1") + lane("list", "10"), rows, 10},
		{lane("collect", "1"), "text", 0},
		{lane("collect", "1"), map[string]any{"a": make(chan int)}, 0},
		{lane("collect", "1"), map[string]any{"a": make([]byte, 40000)}, 1},
	} {
		b := watBundle(t, nodeHeader+c.exports+")", host.Manifest{Sinks: []string{"s"}, Requires: []string{"state"}})
		m := load(t, newRuntime(t, Options{}), b)
		s := openSink(t, m, "s", nil, nil)
		err := s.Write(context.Background(), host.Message{Value: c.value})
		if n := b.State.Counter("", "\xa1n"); n != c.want || (c.want == 0) != errors.Is(err, host.ErrInvalid) {
			t.Errorf("%.40s... %T: %d, %v, want %d", c.exports, c.value, n, err, c.want)
		}
		if _, ok := s.(host.Flusher); ok {
			t.Error("it says that it can be flushed")
		}
	}
}

// TestNeighbours: sources that have nothing but faults, all at once, do not
// disturb a good one, and wait longer and longer.
func TestNeighbours(t *testing.T) {
	rt := newRuntime(t, Options{CallTimeout: 5 * time.Second, PoolMax: 8})
	good := load(t, rt, watBundle(t, nodeHeader+`(func (export "so_s_poll") (param $h i32) (param i64) (result i64)
	    (drop (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0))) (i64.const 1)))`,
		host.Manifest{Sources: []string{"s"}, Requires: []string{"state"}}))
	bad := load(t, rt, watBundle(t, nodeHeader+`(func (export "so_s_poll") (param $h i32) (param i64) (result i64) unreachable))`,
		host.Manifest{Sources: []string{"s"}, Requires: []string{"state"}}))
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		s := openSource(t, bad, "s", nil)
		wg.Go(func() {
			faults := 0
			for {
				_, err := s.Next(ctx)
				if ctx.Err() != nil {
					break
				}
				if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != host.FaultTrap {
					t.Error(err)
				}
				faults++
			}
			if faults < 2 || faults > 5 {
				t.Errorf("%d faults in 400 ms", faults)
			}
		})
	}
	s, n := openSource(t, good, "s", nil), 0
	for {
		if _, err := s.Next(ctx); ctx.Err() != nil {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	wg.Wait()
	if n < 50 {
		t.Errorf("the good neighbour had %d rows", n)
	}
}

// TestUpdateUnderReaders: modules close while sources are read and sinks are
// written; who used them hears ErrClosed, and nothing is held.
func TestUpdateUnderReaders(t *testing.T) {
	rt := newRuntime(t, Options{PoolMax: 4})
	text := nodeHeader + `
	  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
	    (drop (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0))) (i64.const 0))
	  (func (export "si_s_collect") (param i32 i32 i32) (result i64) (i64.const 0)))`
	for range 20 {
		m := load(t, rt, watBundle(t, text, host.Manifest{Sources: []string{"s"}, Sinks: []string{"s"}, Requires: []string{"state"}}))
		s, k := openSource(t, m, "s", nil), openSink(t, m, "s", nil, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := s.Next(context.Background()); err != nil {
					if !errors.Is(err, host.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
		wg.Go(func() {
			for {
				if err := k.Write(context.Background(), host.Message{Value: map[string]any{}}); err != nil {
					if !errors.Is(err, host.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
		time.Sleep(2 * time.Millisecond)
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		nothingHeld(t, m)
	}
}

// TestNodesAgainstModule: what is wrong with the exports of sources and sinks is
// said at load.
func TestNodesAgainstModule(t *testing.T) {
	dispatcher := `(func (export "vanth_node") (param i32 i32 i32 i32 i32) (result i64) (i64.const 0))
	  (func (export "vanth_poll") (param i32 i32 i64) (result i64) (i64.const -1))
	  (func (export "vanth_nodes") (result i64) (i64.const %s))`
	list := `(data (i32.const 200) "\92\93\a6source\a1s\a6rewind\93\a4sink\a1k\a5flush")`
	const listed = "0x000000c800000020"
	both := host.Manifest{Sources: []string{"s"}, Sinks: []string{"k"}}
	for _, c := range []struct {
		text string
		m    host.Manifest
		want string
	}{
		{`(module (func (export "so_s_poll") (param i32 i64) (result i64) (i64.const 0)))`, host.Manifest{Sources: []string{"s"}}, "source s of the manifest: sources and sinks need an export vanth_abi_1"},
		{nodeHeader + `(func (export "so_s_poll") (param i32 i32) (result i64) (i64.const 0)))`, host.Manifest{Sources: []string{"s"}}, "export so_s_poll has type (i32 i32) -> (i64), expected (i32 i64) -> (i64)"},
		{nodeHeader + `(func (export "so_s_poll") (param i32 i64) (result i64) (i64.const 0)) (func (export "so_s_close") (param i32) (result i64) (i64.const 0)))`, host.Manifest{Sources: []string{"s"}}, "export so_s_close has type (i32) -> (i64), expected (i32) -> ()"},
		{nodeHeader + `(func (export "si_k_flush") (param i32) (result i64) (i64.const 0)))`, host.Manifest{Sinks: []string{"k"}}, "none of the exports si_k_collect, _list and _bytes"},
		{header + `(func (export "si_k_bytes") (param i32 i32 i32) (result i64) (i64.const 0)))`, host.Manifest{Sinks: []string{"k"}}, "no export vanth_buf"},
		{header + `(func (export "so_s_poll") (param i32 i64) (result i64) (i64.const 0)))`, host.Manifest{Sources: []string{"s"}}, ""},
		{nodeHeader + list + fmt.Sprintf(dispatcher, listed) + ")", both, ""},
		{nodeHeader + list + fmt.Sprintf(dispatcher, listed) + ")", host.Manifest{Sources: []string{"s", "other"}}, "source other of the manifest is not registered by the code, which registers [[source s rewind] [sink k flush]]"},
		{nodeHeader + list + fmt.Sprintf(dispatcher, listed) + ")", host.Manifest{Sources: []string{"k"}}, "source k of the manifest is not registered"},
		{nodeHeader + list + fmt.Sprintf(dispatcher, "0x000000c900000001") + ")", both, "vanth_nodes: "},
		{nodeHeader + `(data (i32.const 200) "\91\91\a6source")` + fmt.Sprintf(dispatcher, "0x000000c800000009") + ")", both, "expected a list of kind, name and operations"},
		{nodeHeader + strings.Replace(fmt.Sprintf(dispatcher, "0"), "(result i64) (i64.const 0)", "(result i64) unreachable", 1) + ")", both, "source s of the manifest is not registered by the code, which registers <nil>"},
		{nodeHeader + strings.Replace(fmt.Sprintf(dispatcher, "0"), `"vanth_nodes") (result i64) (i64.const 0)`, `"vanth_nodes") (result i64) unreachable`, 1) + ")", both, "vanth_nodes: trap: unreachable"},
	} {
		if !strings.Contains(c.text, header) && strings.Contains(c.text, "counter") {
			c.m.Requires = []string{"state"}
		}
		rt := newRuntime(t, Options{})
		m, err := rt.Load(context.Background(), watBundle(t, c.text, c.m))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if err != nil {
			continue
		}
		for _, s := range m.Symbols() {
			if s.Kind == host.KindSource {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
				_, err = openSource(t, m, s.Name, nil).Next(ctx)
				cancel()
			} else {
				err = openSink(t, m, s.Name, nil, nil).(host.Flusher).Flush(context.Background())
			}
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", s, err)
			}
			break // the first
		}
	}
}
