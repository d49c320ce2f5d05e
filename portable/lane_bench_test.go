//go:build linux

package portable_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// mirror loads the sample of that name, a plugin of the SDK for Go, and returns
// its function echo.
func mirror(b *testing.B) host.Function {
	b.Helper()
	r := newRole("")
	r.Name, r.Functions, r.Sources, r.Sinks = "mirror", []string{"echo"}, nil, nil
	plugin := bundle(b, r)
	path := filepath.Join(plugin.Dir, "plugin")
	must(b, os.Remove(path))
	if said, err := exec.Command("go", "-C", "../plugins", "build", "-o", path, "./portable/mirror").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, said)
	}
	o := testOptions(b)
	m, err := newRuntime(b, o).Load(b.Context(), plugin)
	must(b, err)
	f, err := m.Function("echo")
	must(b, err)
	return f
}

// pingPong starts the other side of a bare ping-pong.
func pingPong(b *testing.B) words {
	b.Helper()
	r := newRole("pong")
	plugin := bundle(b, r)
	w, err := mapWords(filepath.Join(plugin.Dir, wordsFile))
	must(b, err)
	cmd := exec.Command(filepath.Join(plugin.Dir, "plugin"))
	cmd.Stdout, cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return w
}

// BenchmarkLane calls the sample mirror over the ring: one caller, one that passes
// encoded values, 16 of them, and rows of a batch. They take turns with a bare
// futex ping-pong between two processes, the floor, so that what else the machine
// does hits all alike; what is reported are medians of the turns, for one call or
// row, and how many times the floor the first is.
func BenchmarkLane(b *testing.B) {
	f, ctx := mirror(b), context.Background()
	floor := pingPong(b)
	args, packed, buf := []any{"abc"}, packArgs([]any{"abc"}), []byte(nil)
	call := func() {
		if v, err := f.Exec(ctx, nil, args); err != nil || v != "abc" {
			b.Fatal(v, err)
		}
	}
	const rows = 1000
	batch := frame.AppendArrayHeader(nil, rows)
	for range rows {
		batch = append(batch, packed...)
	}
	subjects := []struct {
		name string
		n    int // calls or rows of a turn
		turn func()
		took []float64
	}{
		{name: "floor", n: 300, turn: func() { times(300, floor.call) }},
		{name: "one", n: 300, turn: func() { times(300, call) }},
		{name: "bytes", n: 300, turn: func() {
			times(300, func() {
				var err error
				if buf, err = f.(host.Bytes).ExecBytes(ctx, nil, buf[:0], packed); err != nil || string(buf) != "\xa3abc" {
					b.Fatalf("%q, %v", buf, err)
				}
			})
		}},
		{name: "callers16", n: 16 * 100, turn: func() {
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() { times(100, call) })
			}
			wg.Wait()
		}},
		{name: "batch", n: 4 * rows, turn: func() {
			times(4, func() {
				var err error
				if buf, err = f.(host.Batch).ExecBatch(ctx, nil, buf[:0], batch); err != nil || len(buf) != 3+4*rows {
					b.Fatal(len(buf), err)
				}
			})
		}},
	}
	for b.Loop() {
		for i := range subjects {
			s := &subjects[i]
			begun := time.Now()
			s.turn()
			s.took = append(s.took, float64(time.Since(begun).Nanoseconds())/float64(s.n))
		}
	}
	median := map[string]float64{}
	for _, s := range subjects {
		slices.Sort(s.took)
		median[s.name] = s.took[len(s.took)/2]
		b.ReportMetric(median[s.name], s.name+"-ns")
	}
	b.ReportMetric(median["one"]/median["floor"], "one/floor")
	b.ReportMetric(testing.AllocsPerRun(100, call), "one-allocs")
	b.ReportMetric(0, "ns/op")
}

func times(n int, do func()) {
	for range n {
		do()
	}
}
