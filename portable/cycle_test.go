package portable_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable"
)

// holdings is what a process could leak.
type holdings struct{ files, goroutines, children, folders, sockets int }

func hold(t *testing.T, dir string) (h holdings) {
	runtime.GC()
	folders, _ := os.ReadDir(dir)
	sockets, _ := filepath.Glob(dir + "/*/*.ipc")
	return holdings{openFiles(t), runtime.NumGoroutine(), len(children(t)), len(folders), len(sockets)}
}

// settle waits until nothing more is held than before.
func (h holdings) settle(t *testing.T, dir string) {
	t.Helper()
	var now holdings
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now = hold(t, dir)
		if now.files <= h.files && now.goroutines <= h.goroutines && now.children <= h.children && now.folders <= h.folders && now.sockets <= h.sockets {
			return
		}
		if time.Now().After(end) {
			buf := make([]byte, 1<<18)
			t.Fatalf("held before: %+v, now: %+v\n%s", h, now, stacks(buf[:runtime.Stack(buf, true)]))
		}
	}
}

// TestCycles: a plugin is loaded, used and closed again and again, and nothing
// is left.
func TestCycles(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		o := testOptions(t)
		rt := newRuntime(t, o)
		b := bundle(t, newRole(sdk))
		n := scale("VANTH_CYCLES", 10, 50)
		if raceEnabled {
			n = scale("VANTH_CYCLES", 5, 10)
		}
		cycle := func(i int) {
			m, err := rt.Load(t.Context(), b)
			must(t, err)
			p := &plugin{Module: m}
			p.want(t, 1.0, "echo", 1.0)
			source, err := m.Source("rows", &host.Call{Rule: "r"}, host.Props{"count": 3})
			must(t, err)
			sink, err := m.Sink("file", &host.Call{Rule: "r"}, host.Props{"ack": "ok", "requireAck": true})
			must(t, err)
			must(t, source.Open(t.Context()))
			must(t, sink.Open(t.Context()))
			must(t, write(sink, map[string]any{"n": 1}))
			switch i % 3 { // in good order, by the module, after a kill
			case 0:
				must(t, source.Close(t.Context()))
				must(t, sink.Close(t.Context()))
			case 2:
				must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
				until(t, "its successor", func() bool { return callError(p, "echo", 1.0) == nil })
			}
			must(t, m.Close(t.Context()))
		}
		for i := range 3 {
			cycle(i)
		}
		before := hold(t, o.Dir)
		for i := range n {
			cycle(i)
		}
		before.settle(t, o.Dir)
	})
}

// TestRestartsLeaveNothing: the processes of one module come and go.
func TestRestartsLeaveNothing(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		o := testOptions(t)
		p := load(t, newRuntime(t, o), newRole(sdk))
		_ = p.open(t, "rows", nil)
		_ = p.openSink(t, host.Props{"ack": "ok", "requireAck": true})
		p.want(t, 1.0, "echo", 1.0)
		before := hold(t, o.Dir)
		for range scale("VANTH_KILLS", 5, 10) {
			must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
			until(t, "its successor", func() bool { return callError(p, "echo", 1.0) == nil })
			until(t, "all of it", func() bool { return len(p.status().Processes) == 1 })
		}
		before.settle(t, o.Dir)
	})
}

// TestFailedLoadsLeaveNothing: see the sentence about errors of Load.
func TestFailedLoadsLeaveNothing(t *testing.T) {
	o := testOptions(t)
	o.InitTimeout = 50 * time.Millisecond
	rt := newRuntime(t, o)
	bad := newRole("mute")
	dead := newRole("go")
	dead.First = []string{"exit 1"}
	lacking := newRole("socket")
	lacking.Hostile = "lacking"
	bundles := []host.Bundle{bundle(t, bad), bundle(t, dead), bundle(t, lacking)}
	try := func() {
		for _, b := range bundles {
			if _, err := rt.Load(t.Context(), b); err == nil {
				t.Error("loaded")
			}
		}
	}
	try()
	before := hold(t, o.Dir)
	for range 5 {
		try()
	}
	before.settle(t, o.Dir)
}

// TestLeakIsCaught: the check above can fail.
func TestLeakIsCaught(t *testing.T) {
	o := testOptions(t)
	rt := portable.New(o)
	before := hold(t, o.Dir)
	load(t, rt, newRole("go"))
	if now := hold(t, o.Dir); now.files <= before.files || now.goroutines <= before.goroutines || now.children != 1 || now.sockets == 0 || now.folders == 0 {
		t.Errorf("before %+v, with a plugin %+v", before, now)
	}
	must(t, rt.Close(t.Context()))
}
